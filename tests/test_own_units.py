"""Units of an instructor's own: started, copied, released with what lies beside them, graded, and mended."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from rich.console import Console

from course import check, probe
from course.cells import METADATA
from course.places import course_of
from dask_cluster import cluster
from grader.classroom.records import read_record
from grader.errors import CheckError, CourseError
from grader.handout.init import SMALL, begin
from grader.proving.calibrate import calibrate, source_digest, table_of, trained_exercises
from grader.proving.laws import DRAWS, laws_of
from grader.proving.measurements import read_table
from grader.proving.rehearsal import show_verdict
from grader.units.shelf import find_unit, find_units, having
from harness import COURSE, UNITS, call
from sandboxes import needs_sandbox

PROGRAMS = Path(sys.executable).parent


def run(*command, cwd, code=0, python=PROGRAMS, **variables):
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "160", "KERAS_BACKEND": "jax"} | variables  # JAX is imported soonest
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def hand_in(course, student, rescale, **files):
    notebook = nbformat.read(course / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
    next(cell for cell in notebook.cells if cell.id == "rescale").source = rescale
    folder = course / "submitted" / student / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / "tiny.ipynb")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def scores(course, student, assignment="tiny"):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission_notebook(assignment, assignment, student)
        return {grade.name.removesuffix("-check"): (grade.auto_score, grade.needs_manual_grade) for grade in notebook.grades}


def released(course):
    return (course / "assignments" / "tiny" / "tiny.ipynb").read_bytes()


# --- starting ---


def test_a_name_that_cannot_be_used_is_refused_and_nothing_is_made(tmp_path):
    course = tmp_path / "course"
    for arguments, message in (
        (["--unit", "week 1"], "'week 1' cannot be a unit's name"),
        (["--unit", "_x"], "'_x' cannot be a unit's name"),
        (["--copy", "mpl"], "there is no unit 'mpl'; expected some of mlp, cnn"),
        (["mlp", "--copy", "mlp"], "'mlp' is named twice"),
        (["--unit", "tiny", "--due", "tiny=soon"], "'tiny=soon' is no due date"),
    ):
        assert message in call("init", course, *arguments, code=1)
        assert not course.exists()


def test_units_are_added_to_a_course_that_is_there_and_nothing_is_overwritten(tmp_path):
    begin(tmp_path, new=["tiny"])
    secret, text = (tmp_path / ".course-secret").read_text(), (tmp_path / "units" / "tiny.py").read_text()
    assert "is a course directory already; name the units" in call("init", tmp_path, code=1)
    assert "units/tiny.py exists; nothing of your own is ever overwritten" in call("init", tmp_path, "--unit", "tiny", code=1)
    assert "'tiny' is released already" in call("init", tmp_path, "tiny", code=1)
    call("init", tmp_path, "mlp", "--unit", "more", "--due", "more=2030-01-31T23:59")
    assert (tmp_path / ".course-secret").read_text() == secret
    assert (tmp_path / "units" / "tiny.py").read_text() == text
    assert sorted(path.name for path in (tmp_path / "assignments").iterdir()) == ["mlp", "more", "tiny"]
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        assert {unit.name: unit.duedate is not None for unit in gradebook.assignments} == {
            "tiny": False,
            "mlp": False,
            "more": True,
        }


def test_a_copy_wins_and_says_so(tmp_path):
    begin(tmp_path, ["mlp"])
    before = (tmp_path / "assignments" / "mlp" / "mlp.ipynb").read_bytes()
    begin(tmp_path, copies=["mlp"])  # what is released stays
    own = find_unit(tmp_path, "mlp")
    assert own.own and own.text.points == UNITS["mlp"].text.points
    assert own.exercises == UNITS["mlp"].exercises
    assert "mlp: your own, " in call("build", "--course", tmp_path)
    assert (tmp_path / "assignments" / "mlp" / "mlp.ipynb").read_bytes() == before
    name = "train_classifier"  # what was measured is as true of the copy
    source = own.text.exercises[name].reference
    assert {row.source for row in read_table(table_of(own)) if row.variant == "reference"} == {source_digest(own, name, source)}
    for path in (tmp_path / "checks" / "mlp" / "relu.py", tmp_path / "units" / "mlp.py"):
        text = path.read_text()
        text = text.replace("off_limits=(", "off_limits=('numpy.clip',").replace('"relu" points=1', '"relu" points=3')
        path.write_text(text)
    call("build", "--course", tmp_path)
    notebook = nbformat.read(tmp_path / "assignments" / "mlp" / "mlp.ipynb", as_version=4)
    assert "numpy.clip" in notebook.metadata[METADATA]["off_limits"]["relu"]
    assert next(cell for cell in notebook.cells if cell.id == "relu-check").metadata.nbgrader.points == 3


def test_to_build_is_to_release(tmp_path):
    """What students get is what the gradebook knows, of a unit whose files were made by hand, too."""
    begin(tmp_path, new=["tiny"])
    for place in ("units", "solutions"):
        shutil.copy(tmp_path / place / "tiny.py", tmp_path / place / "byhand.py")
    shutil.copytree(tmp_path / "checks" / "tiny", tmp_path / "checks" / "byhand")
    text = tmp_path / "units" / "byhand.py"
    for points in (4, 7):
        text.write_text(text.read_text().replace("points=4", f"points={points}"))
        call("build", "--course", tmp_path)
        with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
            assert gradebook.find_assignment("byhand").max_score == points


def test_a_copy_takes_over_what_the_course_has(tmp_path):
    """Points that were changed in Jupyter, and the date."""
    begin(tmp_path, ["mlp"])
    source = tmp_path / "build" / "source" / "mlp" / "mlp.ipynb"
    notebook = nbformat.read(source, as_version=4)
    next(cell for cell in notebook.cells if cell.id == "relu-check").metadata.nbgrader.points = 7
    nbformat.write(notebook, source)
    begin(tmp_path, copies=["mlp"], due=["mlp=2030-01-31T23:59"])
    assert find_unit(tmp_path, "mlp").text.exercises["relu"].points == 7
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        assert gradebook.find_assignment("mlp").duedate.year == 2030


def test_an_assignment_of_ones_own_is_never_overwritten(tmp_path):
    begin(tmp_path, new=["tiny"])
    for name in ("audit", "mlp"):
        source = tmp_path / "build" / "source" / name / f"{name}.ipynb"
        source.parent.mkdir()
        nbformat.write(nbformat.v4.new_notebook(), source)
    assert "audit.ipynb exists; nothing of your own" in call("init", tmp_path, "--unit", "audit", code=1)
    said = call("build", "mlp", "--course", tmp_path, code=1)
    assert "mlp.ipynb is an assignment of your own, with the name of a unit" in said
    assert "is an assignment of your own" in call("init", tmp_path, "mlp", code=1)
    assert not nbformat.read(source, as_version=4).cells
    source.write_text("no notebook")
    assert "mlp.ipynb is no notebook" in call("build", "mlp", "--course", tmp_path, code=1)


def test_what_goes_wrong_leaves_nothing_half_made(tmp_path, monkeypatch):
    class Failing(GenerateAssignment):
        def start(self):
            if Path(self.coursedir.root).resolve() in (there.resolve(), new.resolve()):
                raise NbGraderException("the disk is full")
            super().start()

    there, new = tmp_path / "there", tmp_path / "new"
    begin(there, new=["tiny"])
    before = {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}
    monkeypatch.setattr("grader.handout.build.GenerateAssignment", Failing)
    assert "nbgrader could not release 'more': the disk is full" in call("init", there, "--unit", "more", code=1)
    assert {path: path.read_bytes() for path in there.rglob("*") if path.is_file()} == before
    new.mkdir()
    with contextlib.chdir(new):
        assert "the disk is full" in call("init", ".", "--unit", "more", code=1)
    assert list(new.iterdir()) == []


def test_a_course_is_made_elsewhere_than_in_the_repository():
    for arguments in (["--unit", "tiny"], ["--copy", "mlp"], []):
        assert "name a directory beside it" in call("init", COURSE, *arguments, code=1)


def test_without_own_units_there_is_nothing_to_build_to_try_or_to_measure(tmp_path):
    begin(tmp_path / "course", ["mlp"])
    for command in (["build"], ["calibrate"], ["demo", tmp_path / "trial"]):
        assert "has no unit of your own" in call(*command, "--course", tmp_path / "course", code=1)
    assert not (tmp_path / "trial").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b'# %% [markdown] title="T" minutes=5\n# # T\n\n# %% setup=true\nfrom course.probe import probe\n', "found none"),
    ],
)
def test_a_bad_text_costs_its_unit_alone(tiny, tmp_path, content, message):
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    (tmp_path / "units" / "bad.py").write_bytes(content)
    (tmp_path / "solutions" / "bad.py").write_text("")
    assert message in call("build", "bad", "--course", tmp_path, code=1)
    call("kit", tmp_path / "kit", "--course", tmp_path)
    call("build", "tiny", "--course", tmp_path)


def test_own_units_come_first_and_the_shipped_in_teaching_order(tmp_path):
    begin(tmp_path, new=["tiny"], copies=["cnn"])
    units = find_units(tmp_path)
    assert [(unit.name, unit.own) for unit in units] == [
        ("mlp", False),
        ("cnn", True),
        ("rnn", False),
        ("attention", False),
        ("bert", False),
        ("tiny", True),
    ]
    handed_in = tmp_path / "submitted" / "eve" / "tiny"
    handed_in.mkdir(parents=True)
    (handed_in / "nbgrader_config.py").write_text("")
    for place in (tmp_path, tmp_path / "assignments" / "tiny", handed_in):
        assert course_of(place) == tmp_path.resolve()
    (tmp_path / "units" / "tiny.py").write_text("no text")  # costs nobody else anything
    assert find_units(tmp_path)[-1].name == "tiny"


# --- what lies beside a notebook ---

HELPER = "def limits(x):\n    return x.min(0), x.max(0)\n"


@pytest.fixture(scope="module")
def course(tiny, tmp_path_factory):
    """A unit with a table and a module beside its notebook, which its set-up cell needs; a class of it, graded."""
    course = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("own") / "course"))
    beside = course / "units" / "tiny"
    beside.mkdir()
    (beside / "helper.py").write_text(HELPER)
    (beside / "people.csv").write_text("1.6,30000\n1.95,30100\n")
    text = course / "units" / "tiny.py"
    set_up = "import helper\nnp.loadtxt('people.csv', delimiter=',')\ntraining.set_seed(0)"
    text.write_text(text.read_text().replace("training.set_seed(0)", set_up))
    run("grader", "build", cwd=course)
    right = find_unit(course, "tiny").text.exercises["rescale"].reference
    for student, answer in ANSWERS.items():
        hand_in(course, student, answer or right)
    hand_in(course, "forger", right, helper_py="import os; os._exit(1)", people_csv="none")
    hand_in(course, "own module", "from mine import rescale", mine_py=f"from keras import ops\n\n\n{right}")
    return course


ANSWERS = {
    "right": "",
    "helped": "def rescale(x):\n    low, high = helper.limits(ops.convert_to_numpy(x))\n    return (x - low) / (high - low)",
    "wrong": "def rescale(x):\n    return (x - ops.min(x)) / (ops.max(x) - ops.min(x))",
    "hostile": "import os\nos._exit(0)",
    "banned": "from keras import layers\n\n\ndef rescale(x):\n    return layers.Rescaling(1.0)(x)",
}
EARNED = {
    "right": (4, False),
    "helped": (4, False),
    "wrong": (0, False),
    "hostile": (0, False),
    "banned": (0, False),
    "forger": (4, False),
    "own module": (4, True),
}


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_class_is_graded_with_what_lies_beside_the_notebook(course, backend):
    run("grader", "autograde", "tiny", f"--course={course}", cwd=COURSE, KERAS_BACKEND=backend)
    assert {student: scores(course, student)["rescale"] for student in EARNED} == EARNED
    record = read_record(course, "tiny", "wrong")
    assert record.verdicts["rescale"].sentence.startswith("One minimum and one maximum were taken for the whole table")
    assert record.sandboxed and record.settings["backend"] == backend
    assert "`layers.Rescaling` is off-limits" in read_record(course, "tiny", "banned").verdicts["rescale"].sentence
    run("nbgrader", "autograde", "tiny", "--force", "--student", "right", cwd=course, KERAS_BACKEND=backend)
    assert scores(course, "right")["rescale"] == (4, False)


@needs_sandbox
@pytest.mark.slow
def test_a_cluster_executes_them_too(course, tmp_path):
    shutil.rmtree(course / "executions", ignore_errors=True)
    with cluster(tmp_path, 18799, workers=1) as (address, _):
        said = run("grader", "autograde", "tiny", "--scheduler", address, cwd=course)
    assert "executed now │ 7" in " ".join(said.split())
    assert {student: scores(course, student)["rescale"] for student in EARNED} == EARNED


def test_what_no_longer_lies_beside_the_notebook_is_not_handed_out(course, tmp_path):
    course = Path(shutil.copytree(course, tmp_path / "course"))
    (course / "units" / "tiny" / "people.csv").rename(course / "units" / "tiny" / "others.csv")
    call("build", "--course", course)
    for folder in ("build/source", "assignments"):
        assert sorted(path.name for path in (course / folder / "tiny").iterdir()) == ["helper.py", "others.csv", "tiny.ipynb"]


def test_a_student_gets_what_the_notebook_needs(course, tmp_path):
    call("kit", tmp_path / "kit", "--course", course)
    kit = tmp_path / "kit" / "tiny"
    assert sorted(path.name for path in kit.iterdir()) == ["helper.py", "people.csv", "tiny.ipynb"]
    assert (kit / "helper.py").read_text() == HELPER


@pytest.mark.slow
def test_the_check_before_handing_in_knows_own_units(course, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    course = Path(shutil.copytree(course, tmp_path / "course"))
    path = course / "submitted" / "helped" / "tiny" / "tiny.ipynb"
    for name in ("helper.py", "people.csv"):  # as a student has them
        shutil.copy(course / "units" / "tiny" / name, path.parent)
    findings = check.examine(path, Console(quiet=True))
    assert [(finding.exercise, finding.verdict) for finding in findings.exercises] == [("rescale", "passes")]
    assert findings.ready, findings.problems
    (path.parent / "helper.py").unlink()
    problems = "\n".join(check.examine(path, Console(quiet=True)).problems)
    assert (
        "Missing beside the notebook: helper.py" in problems
        and "fails: ModuleNotFoundError: No module named 'helper'" in problems
    )
    shutil.copy(course / "units" / "tiny" / "helper.py", path.parent)
    banned = course / "submitted" / "banned" / "tiny" / "tiny.ipynb"
    shutil.copytree(course / "units" / "tiny", banned.parent, dirs_exist_ok=True)
    (problem,) = check.examine(banned, Console(quiet=True)).problems
    assert "rescale uses layers.Rescaling, which is off-limits" in problem
    release = course / "assignments" / "tiny" / "tiny.ipynb"
    old = nbformat.read(release, as_version=4)
    del old.metadata[METADATA]  # as released by an older version
    nbformat.write(old, release)
    assert check.examine(path, Console(quiet=True)).exercises[0].verdict == "passes"


@needs_sandbox
@pytest.mark.slow
def test_reports_and_explanations_are_of_own_units_too(course, tmp_path):
    run("grader", "autograde", "tiny", cwd=course)
    run("grader", "report", "tiny", "--to", str(tmp_path), cwd=course)
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert "Features on one scale" in page and "for the whole table" in page
    assert "wrong · rescale: 0 of 4 points" in call("explain", "wrong", "rescale", "--course", course)
    assert "own module" in call("scores", "tiny", "--course", course)


# --- after the release ---

TWICE = """from grader.judging import Call, Case, Check
CHECK = Check(lambda rng: [Case("value", Call((3,)))], lambda n: 2 * n, mistakes={}, alternatives=())
"""


@needs_sandbox
@pytest.mark.slow
def test_what_is_handed_in_is_graded_again_without_losing_a_manual_score(course, tmp_path):
    course = Path(shutil.copytree(course, tmp_path / "course"))
    run("grader", "autograde", "tiny", cwd=course)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.find_grade("rescale-check", "tiny", "tiny", "wrong").manual_score = 1.5
        gradebook.db.commit()

    mended = course / "checks" / "tiny" / "rescale.py"
    mended.write_text(mended.read_text().replace("One minimum and", "Mended: one minimum and"))
    assert "executed now │ 1," in " ".join(run("grader", "autograde", "tiny", cwd=course).split())  # the crash
    assert read_record(course, "tiny", "wrong").verdicts["rescale"].sentence.startswith("Mended: one minimum")

    text, before = course / "units" / "tiny.py", released(course)
    whole = text.read_text()
    more = '\n\n# %% [markdown]\n# ### `twice`\n\n# %% exercise="twice"\n\n# %% check="twice" points=1\nassert twice(1) == 2\n'
    text.write_text(whole[: whole.index("# %% [markdown]\n# ### `rescale`")] + more)
    with (course / "solutions" / "tiny.py").open("a") as file:
        file.write('\n\ndef twice(x):\n    """Twice."""\n    return 2 * x\n')
    mended.rename(mended.with_name("_rescale.py"))
    mended.with_name("twice.py").write_text(TWICE)
    said = " ".join(run("grader", "build", cwd=course, code=1).split())
    assert "7 have handed it in, but its text now lacks rescale, rescale-check and adds twice, twice-check" in said
    assert "leave it in the text with points=0" in said
    assert released(course) == before
    mended.with_name("twice.py").unlink()
    mended.with_name("_rescale.py").rename(mended)

    text.write_text(whole.replace('"rescale" points=4', '"rescale" points=2'))
    run("grader", "build", cwd=course)
    run("grader", "autograde", "tiny", cwd=course)
    assert scores(course, "right")["rescale"] == (2, False)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert gradebook.find_grade("rescale-check", "tiny", "tiny", "wrong").score == 1.5

    text.write_text(whole.replace('"rescale" points=4', '"rescale" points=0'))
    assert "rescale counts nothing, but by hand you gave points to wrong, which stay" in call("build", "--course", course)
    run("grader", "autograde", "tiny", cwd=course)
    run("grader", "report", "tiny", cwd=course)
    assert "inf" not in (course / "reports" / "tiny" / "exercises.csv").read_text()


@needs_sandbox
@pytest.mark.slow
def test_a_unit_that_is_gone_or_broken_touches_no_score_of_a_class_and_else_waits_for_a_person(course, tmp_path):
    course = Path(shutil.copytree(course, tmp_path / "course"))
    run("grader", "autograde", "tiny", "--student", "right", cwd=course)
    check, whole = course / "checks" / "tiny" / "rescale.py", (course / "checks" / "tiny" / "rescale.py").read_text()
    check.write_text("CHECK = 3")
    said = run("grader", "autograde", "tiny", "--student", "right", cwd=course, code=1)
    assert "expected CHECK = Check(…), found int" in " ".join(said.split()) and "Traceback" not in said
    assert scores(course, "right")["rescale"] == (4, False)
    run("nbgrader", "autograde", "tiny", "--student", "right", "--force", cwd=course)
    assert scores(course, "right")["rescale"] == (0, True)
    assert "expected CHECK = Check(…), found int" in " ".join(
        call("scores", "tiny", "--course", course).replace("│", "").split()
    )
    assert "axis = {" in whole
    check.write_text(whole.replace("axis = {", "axis = 1 / 0 or {"))
    run("grader", "autograde", "tiny", "--student", "right", cwd=course)
    assert scores(course, "right")["rescale"] == (0, True)
    assert "division by zero" in call("explain", "right", "rescale", "--course", course, code=1)
    (course / "units" / "tiny.py").unlink()
    assert "there is no unit 'tiny'" in run("grader", "autograde", "tiny", cwd=course, code=1)
    run("nbgrader", "autograde", "tiny", "--student", "right", "--force", cwd=course)
    assert scores(course, "right")["rescale"] == (0, True)
    assert "no unit of that name is found here" in read_record(course, "tiny", "right").verdicts["rescale"].person


@needs_sandbox
@pytest.mark.slow
def test_points_that_are_not_released_are_said(course, tmp_path):
    course = Path(shutil.copytree(course, tmp_path / "course"))
    source = course / "build" / "source" / "tiny" / "tiny.ipynb"
    source.write_text(source.read_text().replace('"points": 4', '"points": 5'))
    said = " ".join(run("grader", "autograde", "tiny", "--student", "right", cwd=course).split())
    assert "tiny.ipynb has other points for rescale-check than what is graded" in said
    call("build", "--course", course)  # which releases what the text says
    assert "other points" not in run("grader", "autograde", "tiny", "--student", "right", cwd=course)


# --- names ---


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "audit"])
def test_an_ordinary_assignment_stays_what_it_is_whatever_its_name(tiny, tmp_path, name):
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    mark = {"schema_version": 3, "task": False, "solution": False, "locked": True, "grade": True, "points": 2}
    cells = [
        nbformat.v4.new_code_cell("x = 1"),
        nbformat.v4.new_code_cell("assert x == 1", metadata={"nbgrader": mark | {"grade_id": "relu-check"}}),
    ]
    source = tmp_path / "build" / "source" / name / f"{name}.ipynb"
    source.parent.mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), source)
    run("nbgrader", "generate_assignment", name, cwd=tmp_path)
    shutil.copytree(tmp_path / "assignments" / name, tmp_path / "submitted" / "ada" / name)
    run("grader", "autograde", name, cwd=tmp_path)
    assert scores(tmp_path, "ada", name) == {"relu": (2, False)}
    assert not (tmp_path / "verdicts" / name).exists()
    assert f"{name!r} is no unit" in call("report", name, "--course", tmp_path, code=1)


def test_an_exercise_of_two_units_is_asked_about_or_shown_for_both(tmp_path, capsys, monkeypatch):
    begin(tmp_path, new=["tiny", "other"])
    units = find_units(tmp_path)
    assert [unit.name for unit in having(units, "rescale")] == ["other", "tiny"]
    assert "is in 2 units other tiny; name one with --unit" in call("explain", "ada", "rescale", "--course", tmp_path, code=1)

    def rescale(x):
        return x

    show_verdict(rescale, units)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == ["other/rescale", "tiny/rescale"]
    with pytest.raises(CheckError, match="no exercise is named 'print'"):
        show_verdict(print, units)
    import grader

    monkeypatch.chdir(tmp_path / "assignments")
    grader.load_ipython_extension(None)
    try:
        probe.judge(rescale)
    finally:
        grader.unload_ipython_extension(None)
    assert capsys.readouterr().out.splitlines()[1].startswith("tiny/rescale: 0 %.")


def test_a_unit_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CourseError, match=r"there is no unit 'tiny'; expected some of mlp, .*stands in .*units"):
        find_unit(tmp_path, "tiny")


# --- what is measured ---

TRAINS = """
import numpy as np

from grader.judging import Bar, Call, Case, Check
from course import data
from ._shared import SCALE
from ._all import *


def cases(rng):
    x = rng.normal(size=(4, 3)) * SCALE + SHIFT
    return [Case("gain", Call((x,)), accept=Bar(0.5, lambda arrays: float(arrays["result"]), 4000), shapes={"result": ()})]


CHECK = Check(cases, lambda *args: 0, mistakes={}, alternatives=())
BASELINES = {"zero": "def train(x):\\n    return 0.0"}
"""


@pytest.fixture
def trained(tiny, tmp_path):
    """A unit with an exercise whose answers are measured."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "checks" / "tiny"
    (folder / "train.py").write_text(TRAINS)
    (folder / "_all.py").write_text("SHIFT = 0\n")
    (folder / "_shared.py").write_text("SCALE = 2\nOTHER = 1\n")
    (tmp_path / "units" / "tiny").mkdir()
    (tmp_path / "units" / "tiny" / "helper.py").write_text("ONE = 1\nTWO = 2\n")
    (tmp_path / "units" / "tiny" / "table.csv").write_text("1")
    with (tmp_path / "units" / "tiny.py").open("a") as file:
        file.write('\n# %% [markdown]\n# ### `train`\n\n# %% exercise="train"\n\n# %% check="train" points=1\ntrain(1)\n')
    with (tmp_path / "solutions" / "tiny.py").open("a") as file:
        file.write('\n\ndef train(x):\n    """Train."""\n    return np.float64(helper.ONE)\n')
    text = tmp_path / "units" / "tiny.py"
    text.write_text(text.read_text().replace("training.set_seed(0)", "import helper\ntraining.set_seed(0)"))
    return tmp_path


def test_own_units_are_calibrated_beside_their_checks(trained):
    unit = find_unit(trained, "tiny")
    with contextlib.chdir(trained), unit.beside():
        assert trained_exercises(unit) == ["train"]
    calibrate(unit, seeds=6, console=Console(quiet=True))
    rows = {row.variant: row for row in read_table(trained / "checks" / "tiny" / "calibration.md")}
    assert {name: (row.seeds, row.mean) for name, row in rows.items()} == {"reference": (6, 1.0), "zero": (5, 0.0)}


def test_units_with_modules_of_the_same_name_are_measured_with_their_own(trained):
    for place in ("units/tiny.py", "solutions/tiny.py"):
        shutil.copy(trained / place, trained / place.replace("tiny", "other"))
    for place in ("units/tiny", "checks/tiny"):
        shutil.copytree(trained / place, trained / place.replace("tiny", "other"))
    (trained / "units" / "other" / "helper.py").write_text("ONE = 3")
    means = {}
    for name in ("tiny", "other"):
        calibrate(find_unit(trained, name), seeds=2, console=Console(quiet=True))
        means[name] = {row.variant: row.mean for row in read_table(table_of(find_unit(trained, name)))}
    assert (means["tiny"]["reference"], means["other"]["reference"]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("path", "old", "new", "changes"),
    [
        ("checks/tiny/train.py", "size=(4, 3)", "size=(5, 3)", True),
        ("checks/tiny/train.py", "Bar(0.5,", "Bar(0.6,", False),
        ("checks/tiny/train.py", "mistakes={}", "mistakes=dict()", False),
        ("checks/tiny/_shared.py", "SCALE = 2", "SCALE = 3", True),
        ("checks/tiny/_shared.py", "OTHER = 1", "OTHER = 2", False),
        ("checks/tiny/rescale.py", "uniform(1, 2", "uniform(1, 3", False),
        ("units/tiny/helper.py", "ONE = 1", "ONE = 1.0", True),
        ("units/tiny/table.csv", "1", "2", True),
        ("checks/tiny/_all.py", "SHIFT = 0", "SHIFT = 1", True),
        ("units/tiny/helper.py", "TWO = 2", "TWO = 3", False),
        ("units/tiny.py", "training.set_seed(0)", "training.set_seed(1)", False),
        ("solutions/tiny.py", "np.float64(helper.ONE)", "np.float64(helper.TWO)", True),
        ("solutions/tiny.py", '"""Train."""', '"""Train it."""', False),
    ],
)
def test_a_measurement_is_stale_when_what_it_reaches_has_changed_and_only_then(trained, path, old, new, changes):
    def now():
        unit = find_unit(trained, "tiny")
        return source_digest(unit, "train", unit.text.exercises["train"].reference)

    before, file = now(), trained / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    assert (now() != before) == changes


def test_what_a_measurement_reaches_in_the_course_counts(monkeypatch, tmp_path):
    unit, name = UNITS["mlp"], "train_classifier"
    source = unit.text.exercises[name].reference
    before = source_digest(unit, name, source)
    copy = tmp_path / "course"
    for package in ("course", "grader"):
        shutil.copytree(COURSE / package, tmp_path / package)
    monkeypatch.setattr("grader.proving.reach.ROOT", tmp_path)
    assert source_digest(unit, name, source) == before
    for file, old, new, changes in (
        ("data/signals.py", "import math", "import math\n\n\ndef more():\n    return 1", False),
        ("data/series.py", "def sunspots", "def dark_spots", False),
        ("data/__init__.py", "from course.data.series import sunspots\n", "", False),
        ("data/signals.py", "\n@for_looking\ndef mnist1d_curves(", "\nWIDTH = 3\n\n\ndef mnist1d_curves(", False),
        ("data/signals.py", "rng.normal(", "rng.laplace(", True),
    ):
        text = (copy / file).read_text()
        assert old in text, (file, old)
        (copy / file).write_text(text.replace(old, new))
        assert (source_digest(unit, name, source) != before) == changes, (file, new)


# --- from the wheel ---


@needs_sandbox
@pytest.mark.slow
def test_all_of_it_works_from_the_wheel_with_no_repository_at_hand(tmp_path):
    python = tmp_path / "venv" / "bin"
    shutil.copytree(sys.prefix, tmp_path / "venv", symlinks=True, copy_function=os.link)
    source = tmp_path / "source"
    shutil.copytree(COURSE, source, ignore=shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info"))
    pip = (python / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(*pip, "uninstall", "--yes", "keras-course", cwd=tmp_path)
    run(*pip, "install", "--no-deps", wheel, cwd=tmp_path)
    shutil.rmtree(source)
    grader = (python / "python", "-P", "-m", "grader")
    run(*grader, "init", "course", "mlp", "--unit", "tiny", "--copy", "rnn", cwd=tmp_path)
    course = tmp_path / "course"
    right = find_unit(course, "tiny").text.exercises["rescale"].reference
    hand_in(course, "ada", right)
    hand_in(course, "bob", ANSWERS["wrong"])
    run(*grader, "autograde", "tiny", cwd=course, python=python)
    assert scores(course, "ada")["rescale"] == (4, False)
    assert scores(course, "bob")["rescale"] == (0, False)
    assert "for the whole table" in run(*grader, "scores", "tiny", cwd=course)
    run(*grader, "build", cwd=course)
    run(*grader, "kit", "kit", cwd=course)
    assert sorted(path.name for path in (course / "kit").glob("*.ipynb")) == ["mlp.ipynb", "rnn.ipynb", "tiny.ipynb"]


def test_the_small_unit_keeps_the_laws_of_a_check():
    for law in laws_of(SMALL, "rescale").values():
        seen = law.seen(DRAWS)
        assert seen.holds, (law.name, seen.verdict)
