"""Which tests run, how they are spread over processes, and what a process keeps from test to test."""

import os
import tempfile

import pytest
from xdist.scheduler import LoadScopeScheduling

from tiers import scope, waits


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
    """With `TESTS=sampled`, as in the gate, some tests are left out that cost much and whose subject has not changed."""
    if os.environ.get("TESTS") == "sampled":
        left = {item.nodeid for item in items if waits(item)}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left])
        items[:] = [item for item in items if item.nodeid not in left]


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory):
    """The file of a gradebook, to be copied: to make one takes seconds."""
    from nbgrader.api import Gradebook

    file = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    Gradebook(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A course directory with the small unit of `grader init --unit`, released: what tests of the platform copy and grade."""
    from grader.handout.init import begin

    folder = tmp_path_factory.mktemp("tiny") / "course"
    begin(folder, new=["tiny"])
    return folder
