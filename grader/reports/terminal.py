"""What was graded, as tables for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import make_url

from course.cells import check_id, checked_exercise
from grader.classroom.autograde import Summary
from grader.classroom.coursedir import Record, read_config, read_record, read_secret, record_path
from grader.classroom.questions import cases_for
from grader.errors import CourseError
from grader.judging.judge import RIGHT, read
from grader.judging.vocabulary import Case
from grader.running.jobs import Outcome, kept, outcome_path


@dataclass(frozen=True)
class Row:
    """One student's scores as the gradebook has them: manual ones count, and the total is less what lateness costs."""

    points: dict[str, float | None]
    total: float
    by_hand: frozenset[str]
    waiting: frozenset[str]


def read_rows(course: Path, unit: str) -> tuple[dict[str, float], dict[str, Row]]:
    """The exercises' maxima, and each student's row, from the gradebook.

    Raises:
        CourseError: If nobody has been graded.
    """
    missing = f"nothing of {unit!r} has been graded in {course}; run grader autograde {unit} there first."
    if not (url := _gradebook_url(course)):
        raise CourseError(missing)
    with Gradebook(url) as gradebook:
        try:
            submissions = gradebook.assignment_submissions(unit)
        except MissingEntry:
            submissions = []
        if not submissions:
            raise CourseError(missing)
        cells = [cell for notebook in gradebook.find_assignment(unit).notebooks for cell in notebook.grade_cells]
        maxima = {cell.name.removesuffix("-check"): float(cell.max_score) for cell in cells}
        rows = {submission.student.id: _row(submission) for submission in submissions}
    return maxima, dict(sorted(rows.items(), key=lambda item: _natural(item[0])))


def graded_units(course: Path) -> list[str]:
    """The assignments of which somebody has been graded.

    Raises:
        CourseError: If there is none.
    """
    found = []
    if url := _gradebook_url(course):
        with Gradebook(url) as gradebook:
            found = [assignment.name for assignment in gradebook.assignments if assignment.submissions]
    if not found:
        raise CourseError(f"nothing has been graded in {course}; run grader autograde <unit> there first.")
    return found


def _gradebook_url(course: Path) -> str:
    """Where nbgrader keeps its database; "" if there is none yet, which asking it would make."""
    url: str = CourseDirectory(config=read_config(course), root=str(course.resolve())).db_url
    place = make_url(url)
    return "" if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file() else url


def _row(submission: Any) -> Row:
    grades = {grade.name.removesuffix("-check"): grade for notebook in submission.notebooks for grade in notebook.grades}
    points = {
        name: None if grade.auto_score is None and grade.manual_score is None else float(grade.score)
        for name, grade in grades.items()
    }
    return Row(
        points,
        float(submission.score) - float(submission.late_submission_penalty or 0),
        frozenset(name for name, grade in grades.items() if grade.manual_score is not None),
        frozenset(name for name, grade in grades.items() if grade.needs_manual_grade),
    )


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """A sort key by which `mistakes-2` comes before `mistakes-10`."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", text)]


def scores(course: Path, unit: str) -> Table:
    """Student by exercise: points, and the total."""
    maxima, rows = read_rows(course, unit)
    order = in_order(course, unit, maxima)
    unsafe = [student for student in rows if not _sandboxed(course, unit, student)]
    warning = f"\nGraded WITHOUT A SANDBOX: {', '.join(unsafe)}" if unsafe else ""
    table = Table(title=f"{unit}: points per exercise", caption=Text(f"{_legend(order)}\n{MARKS}{warning}"))
    table.add_column("student", no_wrap=True)
    for number in range(1, len(order) + 1):
        table.add_column(str(number), justify="right")
    table.add_column("total", justify="right")
    table.add_row("(maximum)", *(f"{maxima[name]:g}" for name in order), f"{sum(maxima.values()):g}", style="dim")
    for student, row in rows.items():
        table.add_row(Text(student), *(_cell(row, name, maxima[name]) for name in order), f"{row.total:g}")
    return table


def summary(course: Path, unit: str, done: Summary) -> Table:
    """What a run of `grader autograde` did."""
    try:
        maxima, rows = read_rows(course, unit)
    except CourseError:  # of nobody: below it says why
        maxima, rows = {}, {}
    rows = {student: row for student, row in rows.items() if student in done.executed or student in done.kept}
    waiting = [student for student, row in rows.items() if row.waiting]
    totals = [row.total for row in rows.values()]
    table = Table(title=f"{unit}: {len(rows)} submissions", show_header=False)
    table.add_row("executed now", f"{len(done.executed)}, {sum(done.executed.values()):.0f} s of CPU")
    table.add_row("unchanged or unreadable", f"{len(done.kept)}")
    table.add_row("points, mean", f"{np.mean(totals) if totals else 0:.1f} of {sum(maxima.values()):g}")
    table.add_row("wait for a person", Text(", ".join(waiting) or "nobody"))
    for student, reason in done.failed.items():
        table.add_row(Text(f"NOT GRADED {student}", style="red"), Text(reason))
    return table


def _sandboxed(course: Path, unit: str, student: str) -> bool:
    return not record_path(course, unit, student).is_file() or read_record(course, unit, student).sandboxed


MARKS = "? waits for a person   * scored by hand"


def _cell(row: Row, name: str, maximum: float) -> Text:
    points = row.points.get(name)
    mark = "*" if name in row.by_hand else "?" if name in row.waiting else ""
    return Text(f"{'–' if points is None else format(points, 'g')}{mark}", style="green" if points == maximum else "red")


def in_order(course: Path, unit: str, exercises: Iterable[str]) -> list[str]:
    """The exercises in the order of the released notebook, which the gradebook does not keep."""
    release = course / "assignments" / unit / f"{unit}.ipynb"
    released = [checked_exercise(cell) for cell in nbformat.read(release, as_version=4).cells] if release.is_file() else []
    return sorted(exercises, key=lambda name: (released.index(name) if name in released else len(released), name))


def _legend(exercises: Sequence[str]) -> str:
    return "   ".join(f"{number}\N{NO-BREAK SPACE}{name}" for number, name in enumerate(exercises, 1))


def sentences(course: Path, unit: str) -> Table:
    """The sentences that students read, for all that is not simply right."""
    _, rows = read_rows(course, unit)
    table = Table(title=f"{unit}: what students read")
    table.add_column("student", no_wrap=True)
    table.add_column("exercise", no_wrap=True)
    table.add_column("sentence", overflow="fold")
    for student in rows:
        if not record_path(course, unit, student).is_file():
            table.add_row(Text(student), "(all)", "Not graded: what was submitted last could not be read or run.")
            continue
        verdicts = read_record(course, unit, student).verdicts
        wrong = {name: verdict.sentence for name, verdict in verdicts.items() if verdict.sentence != RIGHT}
        if len(wrong) == len(verdicts) > 1 and len(set(wrong.values())) == 1:
            wrong = {"(all)": next(iter(wrong.values()))}
        for name, sentence in wrong.items():
            table.add_row(Text(student), name, Text(sentence))
    return table


def explain(course: Path, unit: str, student: str, exercise: str) -> Table:
    """Input, expected and received of every part of one answer. For instructors: it shows expected values."""
    record: Record = read_record(course, unit, student)
    if exercise not in record.verdicts:
        raise CourseError(f"{unit!r} has no exercise {exercise!r}; it has {', '.join(record.verdicts)}.")
    check, cases = cases_for(read_secret(course), unit, exercise, record.digest)
    outcome = judged_outcome(course, unit, student, record)
    evidence = outcome.evidence.get(check_id(exercise)) if outcome else None
    judged = read(check, cases, evidence.payload if evidence else None)
    verdict = record.verdicts[exercise]
    table = Table(
        title=f"{student} · {exercise}: {verdict.points:g} of {record.points[exercise]:g} points",
        caption=Text(verdict.sentence),
        show_lines=True,
    )
    for column in ("part", "input", "expected", "received"):
        table.add_column(column, overflow="fold")
    for case in cases:
        expected = "judged by accuracy or structure" if case.accept else _show(check.expected(case))
        received = judged.errors.get(case.part) or _show(dict(judged.received.get(case.part, {})))
        mark = "✗" if case.part in judged.failed else "✓"
        table.add_row(f"{mark} {case.part}", Text(_show(_inputs(case))), Text(expected), Text(received))
    return table


def judged_outcome(course: Path, unit: str, student: str, record: Record | None) -> Outcome | None:
    """The outcome that a record's verdicts are about; None if nothing was executed for it, such as a file that is none."""
    outcome = kept(outcome_path(course, unit, student))
    return outcome if outcome and record and outcome.key == record.key else None


def _inputs(case: Case) -> dict[str, object]:
    run = case.run
    given = {f"argument {number}": value for number, value in enumerate(run.args, 1)} | dict(run.kwargs)
    for name in ("init", "weights", "inputs"):
        if value := getattr(run, name, None):
            given[name] = value
    return given


def _show(values: object) -> str:
    with np.printoptions(precision=5, suppress=True, threshold=60, edgeitems=2):
        if isinstance(values, dict):
            return "\n".join(
                f"{name} = {value}" if np.size(value) < 2 else f"{name} =\n{value}" for name, value in values.items()
            )
        return str(values)
