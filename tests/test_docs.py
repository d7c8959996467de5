"""The documents' commands, run as they stand there."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from course.cells import SETUP, grade_id
from grader.handout.kit import make_kit
from grader.proving.proofs import file_of, read_rows
from grader.units.shelf import find_unit
from harness import COURSE, UNITS, reference
from sandboxes import needs_sandbox


def blocks(document, language="bash"):
    """A document's commands, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (COURSE / "docs" / document).read_text(), flags=re.MULTILINE | re.DOTALL)


def run(block, cwd, **variables):
    """In the environment of a course directory's clone, if it has one, else in the tests' own."""
    own = [folder / ".venv" / "bin" for folder in (cwd, *cwd.parents) if (folder / ".venv").is_dir()]
    path = f"{[*own, Path(sys.executable).parent][0]}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PATH": path, "COLUMNS": "160"} | variables
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def answered(path, names):
    release = nbformat.read(path, as_version=4)
    for cell in release.cells:
        if grade_id(cell) in names:
            cell.source = reference("mlp", grade_id(cell))
    return nbformat.writes(release)


@needs_sandbox
@pytest.mark.slow
def test_the_instructors_page_grades_a_class(tmp_path):
    commands, clone = iter(blocks("instructor.md")), tmp_path / "keras-course"
    shutil.copytree(COURSE, clone, ignore=shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info"))
    run(next(commands), clone)
    assert run(next(commands), clone).splitlines()[-1].endswith("attention.ipynb")
    course = clone / "mycourse"
    run(next(commands), course)
    assert (course / "kit.zip").is_file()

    release = course / "assignments" / "mlp" / "mlp.ipynb"
    with zipfile.ZipFile(course / "submissions.zip", "w") as opened:
        opened.writestr("lovelaceada_LATE_101_5001_mlp-1.ipynb", answered(release, {"affine", "softmax"}))
        opened.writestr("turingalan_102_5002_mlp.ipynb", answered(release, {"relu"}))
    assert "LATE" in run(next(commands), course)
    students = ["lovelaceada", "turingalan"]
    assert sorted(path.name for path in (course / "submitted").iterdir()) == students

    told = run(next(commands), course)
    points = {name: exercise.points for name, exercise in UNITS["mlp"].text.exercises.items()}
    totals = {"lovelaceada": points["affine"] + points["softmax"], "turingalan": points["relu"]}
    assert all(student in told for student in students)
    assert (course / "reports" / "mlp" / "report.html").is_file()
    run(next(commands), course)
    assert "softmax" in (course / "feedback" / "lovelaceada" / "mlp" / "mlp.html").read_text()
    with (course / "canvas.csv").open(newline="") as opened:
        rows = {row["SIS Login ID"]: row for row in csv.DictReader(opened)}
    assert {student: float(rows[student]["mlp"]) for student in students} == totals

    explained = run(next(commands), course)
    assert "lovelaceada · softmax" in explained and "expected" in explained
    executed = (course / "executions" / "mlp" / "turingalan" / "mlp.json").stat().st_mtime
    run(next(commands), course)  # a check was mended
    assert (course / "executions" / "mlp" / "turingalan" / "mlp.json").stat().st_mtime == executed

    (course / "submitted" / "turingalan" / "mlp" / "timestamp.txt").write_text("2030-02-01 12:00:00 UTC")
    run(next(commands), course)  # lateness
    assert scores(course) == {"lovelaceada": (totals["lovelaceada"], 0), "turingalan": (points["relu"], points["relu"])}

    run(next(commands), course)  # more time
    assert scores(course) == {"lovelaceada": (totals["lovelaceada"], 0), "turingalan": (points["relu"], 0)}

    source = course / "build" / "source" / "mlp" / "mlp.ipynb"  # what the course author's view of JupyterLab writes
    notebook = json.loads(source.read_text())
    (check,) = (cell for cell in notebook["cells"] if cell["id"] == "relu-check")
    check["metadata"]["nbgrader"]["points"] = 7
    source.write_text(json.dumps(notebook))
    run(next(commands), course)
    assert scores(course) == {"lovelaceada": (totals["lovelaceada"], 0), "turingalan": (7, 0)}

    run(next(commands), course)
    assert [path for path in course.rglob("*") if "lovelaceada" in path.name] == []
    assert scores(course) == {"turingalan": (7, 0)}
    assert next(commands, None) is None


def scores(course):
    """Of each student, the points and what lateness costs."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        submissions = gradebook.assignment_submissions("mlp")
        return {s.student.id: (s.score, s.late_submission_penalty or 0) for s in submissions}


@pytest.mark.slow
def test_the_students_page_sets_up_an_empty_machine(tmp_path):
    """With JAX in place of TensorFlow, which `course` then picks by itself."""
    folder, _ = make_kit(COURSE, tmp_path / "kit")
    requirements = folder / "requirements.txt"
    requirements.write_text(requirements.read_text().replace("\ntensorflow", "\n# tensorflow").replace("# jax", "jax"))
    clean = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "PYTHONPATH")}
    clean |= {"KERAS_HOME": str(tmp_path / "keras"), "PIP_CONSTRAINT": str(COURSE / "constraints.txt")}

    def say(commands, status=0):
        done = subprocess.run(["bash", "-euc", commands], cwd=folder, env=clean, capture_output=True, text=True)
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    install, check = blocks("student.md")
    say(install)
    again = "source venv/bin/activate"
    assert again in install.splitlines()
    say(f"{again}; jupyter lab --version")
    notebooks = [nbformat.read(path, as_version=4) for path in sorted(folder.glob("*.ipynb"))]
    setups = [cell.source for notebook in notebooks for cell in notebook.cells if grade_id(cell) == SETUP]
    (folder / "setup.py").write_text("\n".join(setups))  # in one process, since what takes seconds is to import Keras
    assert say(f"{again}; python setup.py").count("· jax ") == len(notebooks)
    assert "– not answered" in say(f"{again}; {check}", status=1)


STEP = re.compile(
    r"^(Append to|Write) `([^`]+)`:\n\n```python\n(.*?)^```$|^```bash\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL
)


def steps(document):
    """A document's blocks, in order: what is run, and what is written or appended where."""
    for verb, path, text, commands in STEP.findall((COURSE / "docs" / document).read_text()):
        yield commands, verb, path, text


@needs_sandbox
@pytest.mark.slow
def test_the_authors_page_makes_a_unit_and_grades_it(tmp_path):
    """Outside the repository, each block is run or written where it stands; between them, students hand in."""
    page, course = steps("authoring.md"), tmp_path / "mycourse"

    def say(**wanted):
        commands, verb, path, text = next(page)
        if verb:
            with (course / path).open("a" if verb == "Append to" else "x") as file:
                file.write(f"\n\n{text}" if verb == "Append to" else text)
            return path
        return run(commands, course if course.is_dir() else tmp_path)

    assert "tiny.ipynb" in say()
    assert [say(), say(), say()] == ["solutions/tiny.py", "units/tiny.py", "checks/tiny/swish.py"]
    say()
    shown = say()  # the class of known students
    checks = {name: find_unit(course, "tiny").check(name) for name in ("rescale", "swish")}
    told = " ".join(shown.replace("│", " ").split())
    for check in checks.values():
        assert all(sentence in told for sentence in check.mistakes)
    trial = tmp_path / "trial"
    assert earned(trial, "reference") == {"rescale": 4, "swish": 1}
    assert earned(trial, "alternatives-2") == {"rescale": 4, "swish": 1}
    say()  # proven
    rows = read_rows(file_of(find_unit(course, "tiny"), "swish"))
    assert {name for name, _ in rows} >= {"reference", "alternative 2", "mistake 3", "distance"}
    assert all(row.holds for row in rows.values())
    assert say().splitlines()[-1].endswith("kit.zip")

    release = nbformat.read(course / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
    for student, swish in ANSWERS.items():
        cells = {cell.id: cell for cell in release.cells}
        cells["swish"].source = swish
        cells["rescale"].source = find_unit(course, "tiny").text.exercises["rescale"].reference
        path = course / "submitted" / student / "tiny" / "tiny.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(release, path)
    shown = " ".join(say().replace("│", " ").split())
    assert next(iter(checks["swish"].mistakes)) in shown
    points = {"right": 1, "wrong": 0, "hostile": 0, "banned": 0}
    assert {student: earned(course, student) for student in ANSWERS} == {
        student: {"rescale": 4, "swish": swish} for student, swish in points.items()
    }
    assert (course / "reports" / "tiny" / "report.html").is_file()
    explained = run("grader explain wrong swish", course)
    assert "wrong · swish: 0 of 1 points" in explained and "expected" in explained

    url = f"sqlite:///{course}/gradebook.db"
    with Gradebook(url) as gradebook:
        gradebook.find_grade("rescale-check", "tiny", "tiny", "wrong").manual_score = 2.5
        gradebook.db.commit()
    say()  # swish counts nothing any more
    with Gradebook(url) as gradebook:
        totals = {s.student.id: (s.score, s.max_score) for s in gradebook.assignment_submissions("tiny")}
    assert totals == {"right": (4, 4), "wrong": (2.5, 4), "hostile": (4, 4), "banned": (4, 4)}

    say()  # a copy of mlp
    assert "mlp: your own" in run("grader build mlp", course) and "in place of the shipped one" in run("grader doctor", course)
    assert next(page, None) is None


ANSWERS = {
    "right": "def swish(z):\n    return z * ops.sigmoid(z)",
    "wrong": "def swish(z):\n    return ops.sigmoid(z)",
    "hostile": "import os\nos._exit(0)\ndef swish(z):\n    return z * ops.sigmoid(z)",
    "banned": "def swish(z):\n    return ops.silu(z)",
}


def earned(course, student):
    """By exercise, what the gradebook says."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission_notebook("tiny", "tiny", student)
        return {grade.name.removesuffix("-check"): grade.auto_score for grade in notebook.grades}
