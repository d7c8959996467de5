"""`grader doctor`: what it finds here, and what it says where no sandbox can be made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import COURSE
from sandboxes import needs_sandbox

pytestmark = pytest.mark.slow

GRADER = str(Path(sys.executable).with_name("grader"))


@pytest.fixture
def broken(tmp_path):
    """Two backends that cannot be imported, and so take no time, beside JAX, which takes the least."""
    for name in ("tensorflow", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('this {name} is broken')")
    return {"PYTHONPATH": str(tmp_path), "KERAS_BACKEND": "jax"}


def doctor(*prefix, config="", folder=COURSE, **changed):
    if config:
        (folder / "nbgrader_config.py").write_text(config)
    environment = os.environ | changed
    done = subprocess.run([*prefix, GRADER, "doctor"], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, " ".join(done.stdout.split()) + done.stderr


@needs_sandbox
def test_all_is_well_here():
    code, said = doctor(KERAS_BACKEND="tensorflow")
    assert code == 0, said
    assert "forked into a sandbox" in said and "grades here" in said and "✗" not in said
    assert "Limits.cell_seconds 120 CPU seconds" in said


def test_without_bubblewrap_it_says_what_to_install(tmp_path, broken):
    code, said = doctor(PATH=str(tmp_path), **broken)
    assert code == 1
    assert "bubblewrap is not installed" in said and "docs/sandbox.md" in said


def test_an_old_bubblewrap_is_named(tmp_path, broken):
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.4.0\n")
    old.chmod(0o755)
    code, said = doctor(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **broken)
    assert code == 1
    assert "bubblewrap 0.4.0 is too old: expected 0.7 or later" in said


IN_MOUNTS_OF_ITS_OWN = ("unshare", "--mount", "--propagation", "private")
FORBIDDEN = {
    "user namespaces": (
        (
            *IN_MOUNTS_OF_ITS_OWN,
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            'echo 0 > /proc/sys/user/max_user_namespaces && "$@"',
            "_",
        ),
        "bubblewrap cannot make a sandbox here: bwrap: Creating new namespace failed",
    ),
    "a whole /proc": (
        (*IN_MOUNTS_OF_ITS_OWN, "sh", "-c", 'mount --bind /dev/null /proc/keys && "$@"', "_"),
        "bubblewrap cannot make a sandbox here: bwrap: Can't mount proc",
    ),
    "mapping users": (("setpriv", "--bounding-set=-setfcap"), "expected root to have the capabilities"),
}


@needs_sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can forbid it, in a namespace of its own")
@pytest.mark.parametrize(("prefix", "expected"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_a_container_may_forbid_is_named(prefix, expected, broken):
    code, said = doctor(*prefix, **broken)
    assert code == 1
    assert expected in said and "docs/sandbox.md" in said


def test_a_backend_that_cannot_be_imported_matters_only_where_it_grades(tmp_path, broken):
    config = "c = get_config()\nc.Grade.sandbox = 'none'"
    for backend, expected in (("jax", 0), ("torch", 1)):
        code, said = doctor(config=config, folder=tmp_path, **broken | {"KERAS_BACKEND": backend})
        assert code == expected, said
        assert "cannot be imported: ImportError: this torch is broken" in said


def test_a_configured_limit_and_a_sandbox_that_is_off_are_shown(tmp_path, broken):
    config = "c = get_config()\nc.Limits.memory = 777\nc.Grade.sandbox = 'none'"
    code, said = doctor(config=config, folder=tmp_path, **broken)
    assert code == 0, said
    assert "Limits.memory 777 4,096" in said
    assert "a submission runs with all of your rights" in said
