"""All of `test_attacks.py` with a grader who is an ordinary user. A file of its own, so that both classes run in parallel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attacks.classroom import REPOSITORY
from sandboxes import needs_sandbox


@needs_sandbox
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="test_attacks.py runs as an ordinary user already")
def test_the_attacks_fail_against_an_ordinary_user():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(Path(__file__).with_name("test_attacks.py"))]
    # All of it runs, whatever part of the tests runs here.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_") and name != "TESTS"}
    done = subprocess.run(
        command, env=environment | {"ATTACKED_AS": "ordinary user"}, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
