"""The same tests, with the clusters of this folder in place of the servers of theirs."""

from tests.contract import test_failures as _failures

pytestmark = _failures.pytestmark
globals().update({name: test for name, test in vars(_failures).items() if name.startswith("test_")})
