"""Assignments that are none of the course's: ordinary assertions, graded as nbgrader grades them."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import nbgrader
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from grader.classroom.room import Classroom
from grader.running.jobs import Outcome
from grader.running.kept import Kept
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


def run(*command, cwd, code=0):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=cwd, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


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


def own(folder, cells, files=(), config="", name="hw"):
    """A course directory with an assignment of its own, released, of these cells: source and marks."""
    folder.mkdir()
    (folder / "nbgrader_config.py").write_text(f"from grader.plugin import configure\nc = get_config()\nconfigure(c)\n{config}")
    source = folder / "build" / "source" / name
    source.mkdir(parents=True)
    marked = [new_code_cell(text, metadata={"nbgrader": {"schema_version": 3, "task": False} | marks}) for text, marks in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=marked, metadata=kernel), source / f"{name}.ipynb")
    for file, text in dict(files).items():
        (source / file).write_text(text)
    run("grader", "secret", cwd=folder)
    run("nbgrader", "generate_assignment", name, cwd=folder)
    return folder


def hand_in(course, student, files=(), name="hw"):
    """What was released, handed in with these files."""
    folder = course / "submitted" / student / name
    shutil.copytree(course / "assignments" / name, folder)
    for file, text in dict(files).items():
        (folder / file).write_text(text)


def change(course, student, edit, name="hw"):
    """Edit the JSON of what a student handed in."""
    path = course / "submitted" / student / name / f"{name}.ipynb"
    notebook = json.loads(path.read_text())
    edit(notebook["cells"])
    path.write_text(json.dumps(notebook))


def ordinary_test(source):
    return source, {"grade_id": "t", "grade": True, "locked": True, "solution": False, "points": 2}


def earned(course, student):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        (notebook,) = gradebook.find_submission("hw", student).notebooks
        return [(grade.auto_score, grade.needs_manual_grade) for grade in notebook.grades]


def test_no_line_of_a_students_makes_an_assignment_a_unit(tmp_path):
    """In a cell that a person will score, nbgrader keeps a student's text; the probe is none of it."""
    test = ("assert relu(-1) == 0", {"grade_id": "relu-check", "grade": True, "locked": True, "solution": False, "points": 2})
    essay = ("", {"grade_id": "essay-check", "grade": True, "locked": False, "solution": True, "points": 1})
    answer = ("", {"grade_id": "relu", "grade": False, "locked": False, "solution": True})
    course = own(tmp_path / "course", [answer, test, essay], name="mlp")
    forged = "def relu(z):\n    from keras import ops\n    return ops.maximum(z, 0) if ops.shape(z) else 5"
    for student, text in (("ada", ""), ("eve", "essay = 1\nprobe = print\nprobe(essay)\nprobe(relu)")):
        hand_in(course, student, name="mlp")
        path = course / "submitted" / student / "mlp" / "mlp.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = {"relu": forged, "essay-check": text}.get(cell.metadata.nbgrader.grade_id, cell.source)
        nbformat.write(notebook, path)
    run("grader", "autograde", "mlp", cwd=course)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for student in ("ada", "eve"):
            assert gradebook.find_grade("relu-check", "mlp", "mlp", student).auto_score == 0
    assert not (course / "verdicts" / "mlp").exists()


FILES = {"helper.py": "answer = 42", "data.csv": "1", "own.txt": "the instructor's"}
ASKS = """
import os
import helper
assert helper.answer == 42
assert open("data.csv").read() == "1"
assert open("own.txt").read() == "mine"
assert os.environ["NBGRADER_EXECUTION"] == "autograde"
"""


@pytest.mark.parametrize("settings", ["", "c.Grade.sandbox = 'none'"])
def test_an_instructors_files_lie_beside_the_notebook_whatever_was_handed_in(settings, tmp_path):
    excluded = 'c.Autograde.exclude_overwriting = {"hw": ["own.txt"]}\n'
    course = own(tmp_path / "course", [ordinary_test(ASKS)], FILES, excluded + settings)
    hand_in(course, "ada", {"own.txt": "mine", "helper.py": "answer = 0"})
    (course / "submitted" / "ada" / "hw" / "data.csv").unlink()
    run("grader", "autograde", "hw", cwd=course)
    assert earned(course, "ada") == [(2, False)]


def test_an_ordinary_test_that_could_not_be_run_has_not_passed(tmp_path, monkeypatch):
    course = own(tmp_path / "course", [ordinary_test("assert True")])
    hand_in(course, "ada")
    monkeypatch.chdir(course)
    room = Classroom.open(course, "hw")
    monkeypatch.setattr(Kept, "outcome", lambda kept, job: Outcome(job.key, failed="the disk is full"))
    assert not room.grade("ada")
    assert earned(course, "ada") == [(0, True)]
    monkeypatch.undo()
    run("grader", "autograde", "hw", cwd=course)
    assert earned(course, "ada") == [(2, False)]


def test_an_own_assignments_file_that_is_no_notebook_is_said_to_be_not_graded(tmp_path):
    course = own(tmp_path / "course", [ordinary_test("assert True")])
    hand_in(course, "ada", {"hw.ipynb": "no notebook"})
    hand_in(course, "bob")
    said = run("grader", "autograde", "hw", "--verbose", cwd=course, code=1)
    assert "ada: NOT GRADED" in said
    assert "hw.ipynb is no notebook" in said
    assert earned(course, "bob") == [(2, False)]
    assert "'hw' is no unit" in run("grader", "report", "hw", cwd=course, code=1)
    run("grader", "scores", "hw", cwd=course)


def odd_marks(cells):
    answer, test = cells
    copies = [json.loads(json.dumps(cell)) for cell in (answer, answer, answer, test)]
    for number, (cell, name) in enumerate(zip(copies, ("of my own", ["a"], {"t": 1}, "t2"), strict=True)):
        cell["id"] = f"copy-{number}"
        cell["source"] = "1"
        cell["metadata"]["nbgrader"]["grade_id"] = name
    cells[:0] = copies


def marks_changed(**values):
    def edit(cells):
        for cell in cells:
            cell["metadata"]["nbgrader"] |= values

    return edit


def twice(cells):
    cells.insert(0, cells[1] | {"id": "again"})


ODD = {
    "unknown": odd_marks,
    "new": marks_changed(schema_version=99),
    "text": marks_changed(schema_version="3"),
    "points": marks_changed(points="many"),
    "flags": marks_changed(grade=False, solution="yes", locked=[], task=True),
    "keys": marks_changed(mine={"a": 1}, checksum=3),
    "twice": twice,
}


def test_what_stands_in_marks_costs_nobody_a_submission(tmp_path):
    answer = ("", {"grade_id": "a", "grade": False, "locked": False, "solution": True})
    course = own(tmp_path / "course", [answer, ordinary_test("assert x == 1")])
    for student, damage in {"plain": lambda cells: None, **ODD}.items():
        hand_in(course, student)
        change(course, student, lambda cells: cells[0].update(source="x = 1"))
        change(course, student, damage)
    run("grader", "autograde", "hw", cwd=course)
    assert {student: earned(course, student) for student in ("plain", *ODD)} == {
        student: [(2, False)] for student in ("plain", *ODD)
    }
    run("nbgrader", "generate_feedback", "hw", cwd=course)


PNG, JPEG = (
    base64.b64encode(signature + os.urandom(2000)).decode() for signature in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0")
)


def test_pictures_in_markdown_are_shown_and_one_that_is_missing_stops_no_feedback(tmp_path):
    essay = {"grade_id": "essay", "grade": True, "locked": False, "solution": True, "points": 1}
    given = {"grade_id": "given", "grade": False, "locked": True, "solution": False}
    course = own(tmp_path / "course", [("", essay), ordinary_test("assert True")])
    source = course / "build" / "source" / "hw" / "hw.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[0] = new_markdown_cell("Draw it.", metadata={"nbgrader": {"schema_version": 3, "task": False} | essay})
    notebook.cells.insert(
        0,
        new_markdown_cell(
            "![plan](attachment:plan.png)",
            metadata={"nbgrader": {"schema_version": 3, "task": False} | given},
            attachments={"plan.png": {"image/png": PNG}},
        ),
    )
    nbformat.write(notebook, source)
    run("nbgrader", "generate_assignment", "hw", "--force", cwd=course)

    def draw(cells):
        cells[1]["source"] = "![mine](attachment:mine.jpg) ![gone](attachment:gone.png) ![bad](attachment:bad.svg)"
        cells[1]["attachments"] = {"mine.jpg": {"image/jpeg": JPEG}, "bad.svg": {"image/svg+xml": "<svg onload=alert(1)/>"}}

    def lose(cells):
        del cells[0]["attachments"]

    for student, edit in (("ada", draw), ("bob", lose)):
        hand_in(course, student)
        change(course, student, edit)
    run("grader", "autograde", "hw", cwd=course)
    run("nbgrader", "generate_feedback", "hw", cwd=course)
    ada, bob = ((course / "feedback" / student / "hw" / "hw.html").read_text() for student in ("ada", "bob"))
    assert f"data:image/png;base64,{PNG}" in ada
    assert f"data:image/jpeg;base64,{JPEG}" in ada
    assert "attachment:gone.png" in ada and "attachment:bad.svg" in ada and "onload" not in ada
    assert "attachment:plan.png" in bob and PNG not in bob


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
