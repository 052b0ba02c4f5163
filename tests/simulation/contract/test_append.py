from tests.contract.test_append import *  # noqa: F403 - the same tests
