"""How tests are spread over processes."""

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/test_end_to_end.py", "tests/attacks/test_attacks.py", "tests/attacks/test_display.py")
"""Files whose tests look at one class that was graded for all of them."""


class OneByOne(LoadScopeScheduling):
    """Each test goes to whichever process is free, except those of a file that belongs together."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if file in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return OneByOne(config, log)
