"""The check before handing in: what it says of each exercise, and of everything that grading would stumble on."""

import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from rich.console import Console

from course import check
from course.cells import grade_id, is_untouched_look
from grader.handout.init import SMALL
from grader.running.kernels.limits import Limits
from harness import COURSE, UNITS

RELEASE = COURSE / "assignments" / "mlp" / "mlp.ipynb"
OFF_LIMITS = "def softmax(logits):\n    return ops.softmax(logits, axis=-1)"


def handed_out():
    """The notebook without the cells that only show something, which take most of its time."""
    notebook = nbformat.read(RELEASE, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not is_untouched_look(cell)]
    return notebook


def place(notebook, name):
    return next(number for number, cell in enumerate(notebook.cells) if grade_id(cell) == name)


@pytest.fixture(autouse=True)
def soonest(monkeypatch):
    """Notebooks run on the backend that a kernel imports soonest."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")


def examined(notebook, path):
    nbformat.write(notebook, path)
    findings = check.examine(path, Console(quiet=True))
    return findings, {finding.exercise: finding for finding in findings.exercises}


@pytest.mark.slow
def test_everything_that_costs_points_is_named(tmp_path):
    notebook = handed_out()
    reference = {name: exercise.reference for name, exercise in UNITS["mlp"].text.exercises.items()}
    wrong_forward = reference["mlp_forward"].replace("ops.tanh", "ops.sin")
    assert wrong_forward != reference["mlp_forward"]
    answers = {
        "affine": reference["affine"],
        "relu": reference["relu"].replace("ops.maximum", "ops.minimum"),
        "softmax": OFF_LIMITS,
        "cross_entropy": reference["cross_entropy"],
        "mlp_forward": wrong_forward,
        "count_params": reference["count_params"].replace("def ", "def (", 1),
        "momentum_step": "def momentum_step(*args, **kwargs):\n    return sigmoid(1.0)",
    }
    for name, source in answers.items():
        notebook.cells[place(notebook, name)].source = source
    notebook.cells[place(notebook, "mlp_forward-check")].source = "assert True"
    del notebook.cells[place(notebook, "cross_entropy-check")]
    notebook.cells.append(new_code_cell("1 / 0"))
    for count, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count = 100 - count
    findings, by_name = examined(notebook, tmp_path / "homework.ipynb")

    assert list(by_name) == list(UNITS["mlp"].text.exercises)
    assert by_name["affine"].verdict == by_name["softmax"].verdict == "passes"
    assert by_name["relu"].verdict == "fails" and "did a negative one stay?" in by_name["relu"].reason
    assert by_name["sigmoid"] == check.Finding("sigmoid", 2, "not answered")
    assert by_name["momentum_step"].reason == "It calls something that is not answered yet."
    assert by_name["cross_entropy"].verdict == "not checked"
    assert by_name["mlp_forward"].verdict == "fails"  # the original check ran
    assert by_name["count_params"].reason.startswith("NameError")
    problems, remarks = "\n".join(findings.problems), "\n".join(findings.remarks)
    assert "must be named mlp.ipynb to be graded; it is named homework.ipynb" in problems
    assert "softmax uses ops.softmax, which is off-limits" in problems
    assert f"Cell {place(notebook, 'count_params') + 1}, which begins with “def (count_params" in problems
    assert "is no valid Python" in problems
    assert f"Cell {len(notebook.cells)}, which begins with “1 / 0”, fails: ZeroDivisionError" in problems
    assert "The checks of mlp_forward were changed" in remarks
    assert "another order" in remarks
    assert "took longest, " in remarks
    assert not findings.ready


@pytest.mark.slow
def test_a_kernel_that_dies_and_a_changed_set_up_are_named(tmp_path):
    notebook = handed_out()
    notebook.cells[place(notebook, "set-up")].source += "\nimport os"
    notebook.cells[place(notebook, "affine")].source = "os._exit(1)"
    for count, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count = count  # all of it ran before it was saved
    findings, by_name = examined(notebook, tmp_path / "mlp.ipynb")
    assert "The kernel died" in findings.problems[-1]
    assert "The set-up cell is missing or changed" in findings.problems[0]
    assert {finding.verdict for finding in by_name.values()} == {"not checked"}


@pytest.mark.slow
def test_the_reference_is_ready_and_the_notebooks_last_cell_does_not_check_again(tiny, tmp_path):
    """Run as a student would, in the notebook's folder."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "assignments" / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[place(notebook, "rescale")].source = SMALL.text.exercises["rescale"].reference
    assert notebook.cells[-1].source == 'from course.check import check_notebook\n\ncheck_notebook("tiny.ipynb");'
    handed_in = tmp_path / "submitted" / "ada" / "tiny" / "tiny.ipynb"
    handed_in.parent.mkdir(parents=True)
    nbformat.write(notebook, handed_in)
    done = command("tiny.ipynb", cwd=handed_in.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready to be handed in: 1 of 1 checks pass" in " ".join(done.stdout.split())
    assert done.stdout.count("run from the top") == 1


def run_cells(path, *sources):
    """What is said of cells of the student's own, each of which prints at its end."""
    notebook = handed_out()
    notebook.cells = [new_code_cell(f"{source}\nprint('done')") for source in sources]
    seconds, ended = check.run_all(notebook, path, Console(quiet=True))
    assert not ended
    done = [any("done" in output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    return seconds, done, list(check._failures(notebook, [], []))


BURN = "while True:\n    pass"
BURN_IN_CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])"


@pytest.mark.slow
def test_the_processors_seconds_count_and_not_the_clocks(tmp_path, monkeypatch):
    assert Limits().wall_factor == check.WALL_FACTOR
    monkeypatch.setattr(check, "CELL_SECONDS", 2)
    monkeypatch.setattr(check, "WALL_FACTOR", 100)
    seconds, done, failures = run_cells(tmp_path, "import time; time.sleep(4)", BURN, BURN_IN_CHILD, "x = 1")
    assert done == [True, False, False, True]
    assert seconds[0] < 2 <= seconds[1]
    assert len(failures) == 2 and all("stopped after 2 s of the processor's time" in failure for failure in failures)
    monkeypatch.setattr(check, "WALL_FACTOR", 1)
    _, done, failures = run_cells(tmp_path, "import time\nwhile True: time.sleep(0.1)", "x = 1")
    assert done == [False, True] and "or 2 s by the clock" in failures[0]


@pytest.mark.slow
def test_an_answer_that_is_no_code_and_odd_metadata_are_said_or_passed_over(tmp_path):
    notebook = json.loads(nbformat.writes(handed_out()))
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    reference = {name: exercise.reference for name, exercise in UNITS["mlp"].text.exercises.items()}
    cells["relu"] |= {"cell_type": "markdown", "source": reference["relu"]}
    del cells["relu"]["outputs"], cells["relu"]["execution_count"]
    cells["affine"]["source"] = f"%%timeit\n{reference['affine']}"
    cells["sigmoid"]["source"] = f"{reference['sigmoid']}\nraise ValueError('\x1b[31m\x07red')"
    odd = [None, [], "x", {"nbgrader": None}, {"nbgrader": "x"}, {"nbgrader": {"grade_id": [1]}}]
    odd += [{"execution": "x"}, {"execution": {"iopub.execute_input": 3}}, {"tags": ["skip-execution"]}]
    for kind in ("code", "markdown"):
        for metadata in odd:
            cell = {"cell_type": kind, "id": os.urandom(4).hex(), "metadata": metadata, "source": "1"}
            notebook["cells"].append(cell | ({"outputs": [], "execution_count": None} if kind == "code" else {}))
    notebook["cells"].append({"cell_type": "markdown", "id": "none", "source": "no metadata"})
    path = tmp_path / "mlp.ipynb"
    path.write_bytes(json.dumps(notebook).encode("utf-16"))
    done = command("mlp.ipynb", cwd=tmp_path)
    said = " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
    assert "The cell of `relu` is a Markdown cell, so its code does not run: change its type to Code." in said
    assert "The cell of `affine` begins with `%%timeit`, so nothing that it defines is kept" in said
    assert "fails: ValueError: [31m red" in said and not set(done.stdout) & set("\x1b\x07")


@pytest.mark.parametrize("damage", ["{", "[]", '{"cells": 3}', b"\xff".decode("latin-1")])
def test_a_release_that_is_damaged_is_named_or_does_not_matter(damage, tmp_path, monkeypatch):
    releases = [tmp_path / "mlp.ipynb", RELEASE]
    releases[0].write_text(damage, encoding="latin-1")
    monkeypatch.setattr(check, "_releases", lambda path: iter(releases))
    assert check._handed_out(RELEASE, handed_out())[1] == "mlp"
    monkeypatch.setattr(check, "_releases", lambda path: iter(releases[:1]))
    with pytest.raises(check.NotebookError, match="is no notebook any more"):
        check._handed_out(RELEASE, handed_out())


def test_the_help_says_with_whose_rights_a_notebook_runs(tmp_path):
    said = " ".join(command("--help", cwd=tmp_path).stdout.split())
    assert "with all of your rights" in said and "`grader autograde`, which runs it in a sandbox" in said


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "course.check", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(COURSE), "COLUMNS": "160"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mlp.ipynb", None, "there is no file mlp.ipynb. Is it saved"),
        ("mlp.ipynb", "def f(): pass", "mlp.ipynb is no notebook"),
        ("mlp.ipynb", nbformat.writes(new_notebook(cells=[new_code_cell("x = 1")])), "none of the course's exercises"),
    ],
)
def test_what_is_none_of_ours_is_said_to_be_so(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    done = command(name, cwd=tmp_path)
    assert done.returncode == 1
    assert message in " ".join(done.stdout.split())
