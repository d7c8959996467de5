"""Assignments that are none of the course's: ordinary assertions, graded as nbgrader grades them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbgrader
import pytest
from nbgrader.api import Gradebook

from grader.classroom import Classroom
from sandboxes import needs_sandbox

pytestmark = [pytest.mark.slow, needs_sandbox]
SAMPLE = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"
"""The course that nbgrader's documentation grades."""
PLAIN = 'c = get_config()\nc.IncludeHeaderFooter.header = "SOURCE/header.ipynb"\n'
OURS = (
    PLAIN
    + r"""
from grader.plugin import configure
configure(c)
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}  # as in what was handed in
"""
)


def run(*command, cwd):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=cwd, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def sample(folder, source, config):
    folder.mkdir()
    shutil.copytree(SAMPLE / "source", folder / source)
    shutil.copytree(SAMPLE / "submitted", folder / "submitted")
    (folder / "nbgrader_config.py").write_text(config.replace("SOURCE", source))
    return folder


def graded(folder):
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        submissions = gradebook.assignment_submissions("ps1")
        grades = [grade for s in submissions for notebook in s.notebooks for grade in notebook.grades]
        return {(g.student.id, g.notebook.name, g.name): (g.auto_score, g.needs_manual_grade, g.max_score) for g in grades}


def test_the_sample_course_of_nbgrader_gets_the_same_grades(tmp_path, monkeypatch):
    plain = sample(tmp_path / "plain", "source", PLAIN)
    run("nbgrader", "generate_assignment", "ps1", cwd=plain)
    run("nbgrader", "autograde", "ps1", cwd=plain)
    ours = sample(tmp_path / "ours", "build/source", OURS)
    run("grader", "secret", cwd=ours)
    run("nbgrader", "generate_assignment", "ps1", cwd=ours)
    run("grader", "autograde", "ps1", cwd=ours)
    assert len(graded(plain)) == 18
    assert graded(ours) == graded(plain)
    run("grader", "scores", "ps1", cwd=ours)
    run("nbgrader", "autograde", "ps1", "--force", cwd=ours)
    assert graded(ours) == graded(plain)
    monkeypatch.chdir(ours)
    room = Classroom.open(ours, "ps1")
    first, second = ([job.key for _, job in room.jobs(room.work(room.students()), force=True)] for _ in range(2))
    assert first == second  # else what the workers executed would be executed again for the judge
