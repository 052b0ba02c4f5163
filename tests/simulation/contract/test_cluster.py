from tests.contract.test_cluster import *  # noqa: F403 - the same tests
