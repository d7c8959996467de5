"""The demo class through the real command lines, ours for a class and nbgrader's own, with nbgrader's real gradebook.

All of it for `mlp`, and for one unit of those that changed; of the others, four students. What
trains is answered once in each whole class, and wrongly once in that of `mlp`: proof files have the rest.
"""

import contextlib
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from fractions import Fraction
from functools import cache
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
from nbgrader.api import Gradebook

from grader.classroom.coursedir import read_secret
from grader.classroom.questions import cases_for
from grader.classroom.records import read_record
from grader.judging.judge import UNANSWERED
from grader.proving.calibrate import trained_exercises
from harness import COURSE, UNITS, call
from sandboxes import needs_sandbox
from tiers import graded_whole

pytestmark = [pytest.mark.slow, needs_sandbox]

NUMBER = re.compile(r"\d+\.\d+")
HALF = {unit: list(UNITS[unit].text.exercises)[: (len(UNITS[unit].text.exercises) + 1) // 2] for unit in UNITS}
TRAINED = {unit: set(trained_exercises(UNITS[unit])) for unit in UNITS}
WHOLE = graded_whole([*UNITS])
FOUR = ("reference", "alternatives-1", "mistakes-1", "untouched")
FIRST = HALF["mlp"][0]


def answered(unit, student):
    """The exercises that a student may have answered, in the order of the text."""
    trains = unit in WHOLE and (student == "reference" or (unit, student) == ("mlp", "mistakes-1"))
    return [name for name in UNITS[unit].text.exercises if trains or name not in TRAINED[unit]]


def environment(programs=os.environ["PATH"]):
    return os.environ | {"KERAS_BACKEND": "tensorflow", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{programs}"}


def run(*command, cwd, code=0, **where):
    done = subprocess.run(command, cwd=cwd, env=environment(**where), capture_output=True, text=True)
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The demo class and three submissions more, graded; the broken one was graded before it broke."""
    folder = tmp_path_factory.mktemp("demo") / "course"
    run("grader", "demo", str(folder), cwd=COURSE)
    submitted = folder / "submitted"
    for unit in UNITS:
        thin_out(submitted, unit)
    broken = (submitted / "broken" / "mlp" / "mlp.ipynb").read_bytes()
    half = nbformat.read(submitted / "half" / "mlp" / "mlp.ipynb", as_version=4)
    submit(submitted, "broken", half)
    submit(
        submitted,
        "stripped",
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c.source) for c in half.cells if c.cell_type == "code"]),
    )
    submit(
        submitted,
        "deleted",
        nbformat.v4.new_notebook(cells=[c for c in half.cells if "check" not in c.id and c.id != FIRST]),
    )
    submit(
        submitted, "odd-ids", nbformat.from_dict(json.loads(nbformat.writes(half).replace('"grade_id": "', '"grade_id": "../')))
    )
    for unit in UNITS:
        run("nbgrader", "generate_assignment", unit, cwd=folder)
    run("nbgrader", "autograde", "mlp", "--student", "broken", cwd=folder)
    assert sum(scores(folder, "mlp", "broken").values()) > 0
    (submitted / "broken" / "mlp" / "mlp.ipynb").write_bytes(broken)
    run("nbgrader", "autograde", "mlp", "--student", "broken", "--force", cwd=folder)
    for unit in UNITS:
        run("grader", "autograde", unit, cwd=folder)
    return folder


def thin_out(submitted, unit):
    """Leave of a unit's class what is graded here; what nobody has answered is as it was handed out."""
    released = nbformat.read(COURSE / "assignments" / unit / f"{unit}.ipynb", as_version=4)
    stubs = {cell.id: cell.source for cell in released.cells if cell.id in TRAINED[unit]}
    for path in submitted.glob(f"*/{unit}/{unit}.ipynb"):
        student = path.parent.parent.name
        if unit not in WHOLE and student not in FOUR:
            shutil.rmtree(path.parent)
        elif student != "broken" and (gone := set(UNITS[unit].text.exercises) - set(answered(unit, student))):
            notebook = nbformat.read(path, as_version=4)
            for cell in notebook.cells:
                cell.source = stubs[cell.id] if cell.id in gone else cell.source
            nbformat.write(notebook, path)


def submit(submitted, student, notebook):
    path = submitted / student / "mlp" / "mlp.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def grades(course, unit, student):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission_notebook(unit, unit, student)
        return {grade.name.removesuffix("-check"): grade.to_dict() for grade in notebook.grades}


def comment(course, student):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        return gradebook.find_comment(FIRST, "mlp", "mlp", student).comment


def scores(course, unit, student):
    return {name: grade["auto_score"] for name, grade in grades(course, unit, student).items()}


def maxima(unit):
    return {name: exercise.points for name, exercise in UNITS[unit].text.exercises.items()}


def everyone(course, unit):
    return sorted(path.parent.parent.name for path in (course / "submitted").glob(f"*/{unit}/{unit}.ipynb"))


@pytest.mark.parametrize("unit", UNITS)
def test_the_gradebook_says_what_the_judge_said(course, unit):
    for student in everyone(course, unit):
        record = read_record(course, unit, student)
        assert scores(course, unit, student) == {name: verdict.points for name, verdict in record.verdicts.items()}


def written(course, unit):
    """What grading has left of each student: what the gradebook says, and the files."""
    found = {}
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for student in everyone(course, unit):
            notebook = gradebook.find_submission_notebook(unit, unit, student)
            said = [(row.name, row.auto_comment, row.manual_comment) for row in notebook.comments]
            said += [(row.name, row.auto_score, row.manual_score, row.needs_manual_grade) for row in notebook.grades]
            files = [path for path in (course / "autograded" / student / unit).rglob("*") if path.is_file()]
            found[student] = sorted(said, key=str), {path.name: (path.read_bytes(), path.stat().st_mode) for path in files}
    return found


@pytest.mark.parametrize("unit", WHOLE)
def test_plain_nbgrader_writes_the_same(course, unit):
    """Of every kind of student one or more; two of them are executed once more, where that does not take long."""
    before = written(course, unit)
    executed = ("alternatives-2", "mistakes-2") if unit == "mlp" else ()
    for student in executed:
        (course / "executions" / unit / student / f"{unit}.json").unlink()
    run("nbgrader", "autograde", unit, "--force", "--student", "*[a-z2]", cwd=course)
    after = written(course, unit)
    assert after.keys() == before.keys()
    for student, (rows, files) in after.items():
        assert rows == before[student][0], student
        if student not in (*executed, "crash"):
            assert files == before[student][1], student


def expected(unit, student, names):
    """The scores of a student whose answers to these exercises are right, and who answered no others."""
    right = set(names) & set(answered(unit, student))
    return {name: points if name in right else 0 for name, points in maxima(unit).items()}


@pytest.mark.parametrize("unit", UNITS)
def test_right_answers_earn_every_point(course, unit):
    right = {"reference": list(maxima(unit)), "noisy": HALF[unit], "duplicate": HALF[unit]}
    for k in range(1, 1 + max(len(UNITS[unit].check(name).alternatives) for name in maxima(unit))):
        right[f"alternatives-{k}"] = [name for name in maxima(unit) if k <= len(UNITS[unit].check(name).alternatives)]
    there = set(everyone(course, unit)) & set(right)
    assert len(there) >= (5 if unit in WHOLE else 2)
    for student in there:
        sentences = {name: verdict.sentence for name, verdict in read_record(course, unit, student).verdicts.items()}
        assert scores(course, unit, student) == expected(unit, student, right[student]), (student, sentences)


@pytest.mark.parametrize("unit", UNITS)
def test_known_mistakes_cost_points_and_are_named(course, unit):
    wrong = [student for student in everyone(course, unit) if student.startswith("mistakes-")]
    assert len(wrong) >= (3 if unit in WHOLE else 1)
    for student in wrong:
        k = int(student.removeprefix("mistakes-")) - 1
        verdicts = read_record(course, unit, student).verdicts
        for name, points in maxima(unit).items():
            mistakes = list(UNITS[unit].check(name).mistakes)
            if k < len(mistakes) and name in answered(unit, student):
                assert verdicts[name].sentence == mistakes[k], (student, name)
                assert verdicts[name].points < points, (student, name)
            else:
                assert (verdicts[name].sentence, verdicts[name].points) == (UNANSWERED, 0), (student, name)


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_not_answered_earns_nothing(course, unit):
    untouched = read_record(course, unit, "untouched").verdicts
    assert {(verdict.points, verdict.sentence) for verdict in untouched.values()} == {(0, UNANSWERED)}


@pytest.mark.parametrize("unit", WHOLE)
def test_a_kernel_that_dies_costs_its_answer_alone(course, unit):
    half = expected(unit, "half", HALF[unit])
    assert scores(course, unit, "half") == half
    assert scores(course, unit, "crash") == half | {HALF[unit][0]: 0}
    assert "kernel died" in read_record(course, unit, "crash").verdicts[HALF[unit][0]].sentence


def test_damaged_metadata_costs_nothing_and_a_deleted_answer_itself(course):
    half = scores(course, "mlp", "half")
    assert scores(course, "mlp", "stripped") == half
    assert scores(course, "mlp", "odd-ids") == half
    assert scores(course, "mlp", "deleted") == half | {FIRST: 0}


def test_a_broken_file_keeps_no_stale_score_and_waits_for_a_person(course):
    for unit in WHOLE:
        assert set(scores(course, unit, "broken").values()) == {0}
        assert all(grade["needs_manual_grade"] for grade in grades(course, unit, "broken").values())
    assert "mlp.ipynb is no notebook" in comment(course, "broken")


def test_nobody_else_waits_for_a_person(course):
    for unit in UNITS:
        for student in set(everyone(course, unit)) - {"broken"}:
            waiting = {name for name, grade in grades(course, unit, student).items() if grade["needs_manual_grade"]}
            assert waiting == set(), student


@pytest.mark.parametrize("unit", UNITS)
def test_feedback_shows_the_sentence_and_nothing_hidden(course, unit):
    run("nbgrader", "generate_feedback", unit, "--student", "mistakes-1", "--force", cwd=course)
    html = (course / "feedback" / "mistakes-1" / unit / f"{unit}.html").read_text()
    shown = unescape(re.sub(r"<[^>]*>", "", html))
    released = (course / "assignments" / unit / f"{unit}.ipynb").read_text()
    record = read_record(course, unit, "mistakes-1")
    for name in answered(unit, "mistakes-1"):
        assert next(iter(UNITS[unit].check(name).mistakes)) in shown, name
        assert shown.count(f"probe({name})") == 1
        check, cases = cases_for(read_secret(course), UNITS[unit], name, record.digest)
        for case in cases:
            for value in np.ravel([] if case.accept else next(iter(check.expected(case).values()))).astype(float):
                if telling(value) and not tells(released, value):  # worked numbers are for everyone
                    assert not tells(shown, value), (name, case.part, value)
    assert "$npy" not in html
    assert "def oracle" not in shown


def telling(value):
    """Whether a number says where it comes from: 1.2 or 4/3 may stand anywhere."""
    simple = float(Fraction(value).limit_denominator(12)) if np.isfinite(value) else value
    return len(f"{value:.5g}".partition(".")[2]) >= 4 and f"{simple:.5g}" != f"{value:.5g}"


@cache
def numbers(text):
    """All numbers in a text that have at least five digits, and how far each may be rounded: float32 has six."""
    exact = [number for number in set(NUMBER.findall(text)) if len(number.replace(".", "").lstrip("0")) >= 5]
    found = [(float(number), 0.51 * 10.0 ** -min(len(number.partition(".")[2]), 6)) for number in exact]
    return np.array(found).reshape(-1, 2).T


def tells(text, value):
    """Whether a text shows a number, to whatever digit."""
    given, rounded = numbers(text)
    return bool(np.any(np.abs(given - abs(value)) <= rounded))


def test_a_regrade_gives_the_same_scores_and_keeps_a_manual_one(course):
    name = HALF["mlp"][1]
    before = scores(course, "mlp", "half")
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        grade = gradebook.find_grade(f"{name}-check", "mlp", "mlp", "half")
        grade.manual_score = 1.5
        gradebook.db.commit()
        run("nbgrader", "autograde", "mlp", "--student", "half", "--force", cwd=course)
        gradebook.db.refresh(grade)
        assert scores(course, "mlp", "half") == before
        assert (grade.manual_score, grade.needs_manual_grade) == (1.5, True)
        grade.manual_score, grade.needs_manual_grade = None, False  # the tests after this one find what they know
        gradebook.db.commit()


def test_the_tables_show_points_sentences_and_evidence(course):
    for unit in UNITS:
        shown = call("scores", unit, "--course", course)
        for student in everyone(course, unit):
            assert student in shown
        name = HALF[unit][0]
        explained = call("explain", "mistakes-1", name, "--course", course)
        assert "expected" in explained and "received" in explained and "✗" in explained


@pytest.mark.parametrize("unit", WHOLE)
def test_the_report_tells_what_this_class_got_wrong(course, unit, tmp_path):
    run("grader", "report", unit, "--course", str(course), "--to", str(tmp_path), cwd=COURSE)
    tables = {path.stem: pd.read_parquet(path) for path in (tmp_path / unit).glob("*.parquet")}
    points = tables["submissions"].set_index("student")["points"].to_dict()
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert points == pytest.approx({s.student.id: s.score for s in gradebook.assignment_submissions(unit)})
    made = {(row.exercise, row.sentence): row.who for row in tables["misconceptions"].itertuples() if row.kind == "listed"}
    assert made == {
        (name, sentence): f"mistakes-{k}"
        for name in maxima(unit)
        for k, sentence in enumerate(UNITS[unit].check(name).mistakes, start=1)
        if name in answered(unit, f"mistakes-{k}")
    }
    assert tables["persons"][["student", "exercises"]].values.tolist() == [["broken", "all"]]
    assert tables["exercises"]["answered"].max() <= len(points) - 2  # neither of "untouched" nor of "broken"
    backends = tables["settings"].query("setting == 'backend'")[["value", "submissions"]]
    assert backends.to_numpy().tolist() == [["tensorflow", len(points)]]
    alike = tables["references"]
    assert {"reference", "duplicate"} <= set(alike[alike["like_reference"] == 1]["student"])
    assert "reference" not in " ".join(tables["copies"]["students"])
    page = (tmp_path / unit / "report.html").read_text()
    assert all(f">{name}<" in page for name in maxima(unit))


def test_pseudonyms_hide_everyone(course, tmp_path):
    run("grader", "report", "mlp", "--pseudonyms", "--course", str(course), "--to", str(tmp_path), cwd=COURSE)
    tables = {path.stem: pd.read_parquet(path) for path in (tmp_path / "mlp").glob("*.parquet")}
    told = " ".join(table.drop(columns="sentence", errors="ignore").to_csv() for table in tables.values())
    told += (tmp_path / "mlp" / "report.html").read_text()
    for student in set(everyone(course, "mlp")) - {"reference", "half", "broken", "crash"}:  # words of the page itself
        assert not re.search(rf"\b{student}\b", told), student
    assert tables["submissions"]["student"].str.fullmatch("student-[0-9a-f]{8}").all()


@pytest.mark.parametrize(
    ("exporter", "key", "column"),
    [("CanvasExport", "SIS Login ID", "mlp"), ("MoodleExport", "Username", "Assignment: mlp")],
)
def test_scores_go_into_gradebooks_elsewhere(course, tmp_path, exporter, key, column):
    file = tmp_path / "scores.csv"
    run("nbgrader", "export", f"--exporter=grader.reports.exports.{exporter}", "--to", str(file), cwd=course)
    with file.open(newline="") as opened:
        rows = {row[key]: row[column] for row in csv.DictReader(opened)}
    for student in everyone(course, "mlp"):
        assert float(rows[student]) == pytest.approx(sum(scores(course, "mlp", student).values()))


def test_without_its_secret_nobody_is_graded(course):
    secret = course / ".course-secret"
    before = scores(course, "mlp", "untouched")
    hidden = secret.rename(course / ".hidden")
    try:
        output = run("nbgrader", "autograde", "mlp", "--student", "untouched", "--force", cwd=course, code=1)
        assert ".course-secret is missing" in output
        assert not secret.exists()
        assert scores(course, "mlp", "untouched") == before
    finally:
        hidden.rename(secret)


def test_without_a_sandbox_nobody_is_graded_unless_told_to(course, tmp_path):
    before = scores(course, "mlp", "half")
    grade = ("nbgrader", "autograde", "mlp", "--student", "half", "--force")
    output = run(*grade, cwd=course, code=1, programs=str(tmp_path))
    assert "bubblewrap is not installed" in output and "docs/sandbox.md" in output
    assert scores(course, "mlp", "half") == before
    link = course / "submitted" / "half" / "mlp" / "link"
    link.symlink_to(course / ".course-secret")
    output = run(*grade, "--Grade.sandbox=none", cwd=course, programs=str(tmp_path))
    assert not list((course / "autograded" / "half" / "mlp").glob("link*"))
    link.unlink()
    assert "No sandbox: what half handed in runs with all of your rights." in output
    assert scores(course, "mlp", "half") == before
    assert "WITHOUT A SANDBOX: half" in call("scores", "mlp", "--course", course)
    run(*grade, cwd=course)
    assert "WITHOUT A SANDBOX" not in call("scores", "mlp", "--course", course)


def has_kernel(family):
    """Whether one of these processes is a sandbox's first one, and has a child."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(process.name() == "cat" and process.children() for process in family)
    return False


def test_a_grader_that_is_killed_leaves_a_whole_gradebook_and_no_process(course):
    before = scores(course, "mlp", "half")
    (course / "executions" / "mlp" / "half" / "mlp.json").unlink()
    grade = ("nbgrader", "autograde", "mlp", "--student", "half", "--force")
    tmp, quiet = course.parent / "tmp", subprocess.DEVNULL
    tmp.mkdir()
    with subprocess.Popen(grade, cwd=course, env=environment() | {"TMPDIR": str(tmp)}, stdout=quiet, stderr=quiet) as grader:
        while not has_kernel(family := psutil.Process(grader.pid).children(recursive=True)):
            assert grader.poll() is None
            time.sleep(0.1)
        grader.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert family and [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    with closing(sqlite3.connect(course / "gradebook.db")) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    assert set(scores(course, "mlp", "half").values()) <= {None, *before.values()}
    run(*grade, cwd=course)
    assert scores(course, "mlp", "half") == before


def test_a_file_of_another_name_keeps_no_stale_score(course):
    path = course / "submitted" / "stripped" / "mlp" / "mlp.ipynb"
    path.rename(path.with_name("mlp (1).ipynb"))
    run("nbgrader", "autograde", "mlp", "--student", "stripped", "--force", cwd=course, code=1)
    assert set(scores(course, "mlp", "stripped").values()) == {None}
    assert "Handed in was no mlp.ipynb, but mlp (1).ipynb." in comment(course, "stripped")
    assert "could not be read or run" in call("scores", "mlp", "--course", course)
