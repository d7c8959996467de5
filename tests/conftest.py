"""Which tests run, how they are spread over processes, and what a process keeps from test to test."""

import os
import tempfile
import zlib

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/test_end_to_end.py",
    "tests/test_browser.py",
    "tests/attacks/test_attacks.py",
    "tests/attacks/test_display.py",
)
"""Files whose tests look at one class that was graded for all of them."""


def scope(nodeid):
    """What runs in one process: a test, or a file that belongs together."""
    file = nodeid.partition("::")[0]
    return file if file in TOGETHER else nodeid


class OneByOne(LoadScopeScheduling):
    """Each test goes to whichever process is free, except those of a file that belongs together."""

    def _split_scope(self, nodeid):
        return scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return OneByOne(config, log)


def pytest_configure(config):
    if os.environ.get("KERAS_BACKEND") == "jax":  # what a process has compiled for one test, it need not for the next
        folder = tempfile.TemporaryDirectory(prefix="compiled-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ |= {
            "JAX_COMPILATION_CACHE_DIR": folder.name,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
        }


def pytest_collection_modifyitems(config, items):
    """With `SLOW=sampled`, where nothing but units has changed: of the platform's slow tests a third, chosen by the commit."""
    from harness import commit, platform_changed

    if os.environ.get("SLOW") != "sampled" or platform_changed():
        return
    left = [item for item in items if of_platform(item) and zlib.crc32(f"{commit()} {scope(item.nodeid)}".encode()) % 3]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def of_platform(item):
    """Whether a test is slow, and looks neither at a law of a check nor at a unit's class."""
    slow, of_laws = (item.get_closest_marker(mark) for mark in ("slow", "all_backends"))
    return slow and not of_laws and item.path.stem != "test_end_to_end"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A course directory with the small unit of `grader init --unit`, released: what tests of the platform copy and grade."""
    from grader.handout.init import begin

    folder = tmp_path_factory.mktemp("tiny") / "course"
    begin(folder, new=["tiny"])
    return folder
