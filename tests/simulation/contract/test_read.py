from tests.contract.test_read import *  # noqa: F403 - the same tests
