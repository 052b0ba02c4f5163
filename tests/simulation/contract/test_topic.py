from tests.contract.test_topic import *  # noqa: F403 - the same tests
