"""Names in a zip of submissions that are aimed at whoever collects them: who is odd is passed over, and said to be."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
ODD = ["..", "<img src=x onerror=alert(1)>", "\x1b]0;title\x07", "a,b"]
OUTSIDE = ["../../outside_101_5001_mlp.ipynb", "/tmp/outside_101_5001_mlp.ipynb"]
CONFIG = r"""
from grader.plugin import configure

c = get_config()
configure(c)
c.FileNameCollectorPlugin.named_regexp = r".*/(?P<student_id>.+)_\d+_\d+_(?P<file_id>\w+?)(-\d+)?\.ipynb"
"""


def collect(course, names):
    """What nbgrader says, with an instructor's expression that takes any name, and what is there afterwards."""
    archive = course / "downloaded" / "mlp" / "archive" / "all.zip"
    archive.parent.mkdir(parents=True)
    (course / "nbgrader_config.py").write_text(CONFIG)
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            file.writestr(name, NOTEBOOK)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["nbgrader", "zip_collect", "mlp"]
    done = subprocess.run(command, cwd=course, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    found = {path.relative_to(course).as_posix() for path in course.rglob("*.ipynb") if "downloaded" not in path.parts}
    return done.stdout + done.stderr, found


@pytest.mark.slow
def test_who_has_no_plain_name_is_passed_over_and_named(tmp_path):
    said, found = collect(tmp_path, [f"{name}_101_5001_mlp.ipynb" for name in (*ODD, "lovelaceada")])
    assert found == {"submitted/lovelaceada/mlp/mlp.ipynb"}
    assert all(f"Not graded: {name!r}." in said for name in ODD)


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_zip_with_paths_that_lead_out_of_it_is_not_unpacked(name, tmp_path):
    said, found = collect(tmp_path / "course", [name])
    assert "outside" in said and found == set()
    assert not list(tmp_path.glob("outside*"))
