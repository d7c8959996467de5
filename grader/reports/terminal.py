"""What was graded, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from course.cells import check_id
from grader.classroom.autograde import Summary
from grader.classroom.collect import Row as Collected
from grader.classroom.coursedir import read_secret, submission_folder
from grader.classroom.dates import doubt
from grader.classroom.questions import cases_for
from grader.classroom.records import Record, read_record, record_path
from grader.errors import CourseError
from grader.judging import Case
from grader.judging.judge import NOT_JUDGED, RIGHT, Verdict, plain, read
from grader.reports.rows import Lateness, Row, in_order, is_unit, judged_outcome, read_lateness, read_rows
from grader.shown import printable
from grader.units.unit import Unit

MOST_NAMED = 10
"""Things of one submission that are named one by one."""


def scores(course: Path, unit: str) -> Table:
    """Student by exercise: points, and the total."""
    maxima, rows = read_rows(course, unit)
    order = in_order(course, unit, maxima)
    unsafe = [student for student in rows if not _sandboxed(course, unit, student)]
    warning = f"\nGraded WITHOUT A SANDBOX: {', '.join(unsafe)}" if unsafe else ""
    dates = "".join(f"\n{student}: {_late(found)}" for student, found in read_lateness(course, unit).items())
    table = Table(title=f"{unit}: points per exercise", caption=_text(f"{_legend(order)}\n{MARKS}{warning}{dates}"))
    table.add_column("student", no_wrap=True)
    for number in range(1, len(order) + 1):
        table.add_column(str(number), justify="right")
    table.add_column("total", justify="right")
    table.add_row("(maximum)", *(f"{maxima[name]:g}" for name in order), f"{sum(maxima.values()):g}", style="dim")
    for student, row in rows.items():
        table.add_row(_text(student), *(_cell(row, name, maxima[name]) for name in order), f"{row.total:g}")
    return table


def _late(found: Lateness) -> str:
    until = f"extension until {found.until:%Y-%m-%d %H:%M} UTC" if found.until else ""
    late = f"{found.seconds:.0f} s late" if found.seconds else ""
    return ", ".join(filter(None, [until, late]))


def extensions(granted: Mapping[str, datetime | None]) -> Table:
    """What `grader extend` entered."""
    table = Table("student", "extension until")
    for student, until in granted.items():
        table.add_row(Text(student), f"{until:%Y-%m-%d %H:%M} UTC" if until else "none")
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
    table.add_row("wait for a person", _text(", ".join(waiting) or "nobody"))
    for student, found in done.passed_over.items():
        named = [plain(f"{name}: {why}") for name, why in list(found.items())[:MOST_NAMED]]
        more = [f"and {len(found) - MOST_NAMED} more"] * (len(found) > MOST_NAMED)
        table.add_row(_text(f"not used of {student}", "yellow"), _text("\n".join([*named, *more])))
    for student in sorted({*done.executed, *done.kept}):
        if date := doubt(submission_folder(course, student, unit)):
            table.add_row(_text(f"date of {student}", "yellow"), _text(date))
    for student, reason in done.failed.items():
        table.add_row(_text(f"NOT GRADED {student}", "red"), _text(reason))
    return table


def _text(words: str, style: str = "") -> Text:
    """What students may have chosen the words of: neither rich nor a terminal reads more in it than text."""
    return Text(printable(words), style)


def collected(unit: str, rows: Sequence[Collected]) -> Table:
    """What `grader collect` took, and what it passed over."""
    table = Table(title=f"{unit}: {len({row.student for row in rows if row.date})} students")
    for column in ("student", "file", "handed in", "what was done"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_text, (row.student, row.file, row.date, row.said)), style="red" if row.fault else "")
    return table


def _sandboxed(course: Path, unit: str, student: str) -> bool:
    return not record_path(course, unit, student).is_file() or read_record(course, unit, student).sandboxed


MARKS = "? waits for a person   * scored by hand"


def _cell(row: Row, name: str, maximum: float) -> Text:
    points = row.points.get(name)
    mark = "*" if name in row.by_hand else "?" if name in row.waiting else ""
    return Text(f"{'–' if points is None else format(points, 'g')}{mark}", style="green" if points == maximum else "red")


def _legend(exercises: Sequence[str]) -> str:
    return "   ".join(f"{number}\N{NO-BREAK SPACE}{name}" for number, name in enumerate(exercises, 1))


def sentences(course: Path, unit: str) -> Table:
    """The sentences that students read, for all that is not simply right."""
    _, rows = read_rows(course, unit)
    if not is_unit(course, unit):
        return Table(title=f"{unit}: an ordinary assignment, whose feedback shows what its tests said")
    table = Table(title=f"{unit}: what students read")
    table.add_column("student", no_wrap=True)
    table.add_column("exercise", no_wrap=True)
    table.add_column("sentence", overflow="fold")
    for student in rows:
        if not record_path(course, unit, student).is_file():
            table.add_row(_text(student), "(all)", "Not graded: what was submitted last could not be read or run.")
            continue
        verdicts = read_record(course, unit, student).verdicts
        wrong = {name: _said(verdict) for name, verdict in verdicts.items() if verdict.sentence != RIGHT}
        if len(wrong) == len(verdicts) > 1 and len(set(wrong.values())) == 1:
            wrong = {"(all)": next(iter(wrong.values()))}
        for name, sentence in wrong.items():
            table.add_row(_text(student), name, _text(sentence))
    return table


def _said(verdict: Verdict) -> str:
    """What a student reads, and of what could not be judged why."""
    return f"{verdict.sentence} ({verdict.person})" if verdict.sentence == NOT_JUDGED else verdict.sentence


def explain(course: Path, unit: Unit, student: str, exercise: str) -> Table:
    """Input, expected and received of every part of one answer. For instructors: it shows expected values.

    Raises:
        CheckError: If the check fails.
        CourseError: If there is nothing to explain.
    """
    record: Record = read_record(course, unit.name, student)
    if exercise not in record.verdicts:
        raise CourseError(f"{unit.name!r} has no exercise {exercise!r}; it has {', '.join(record.verdicts)}.")
    check, cases = cases_for(read_secret(course), unit, exercise, record.digest)
    outcome = judged_outcome(course, unit.name, student, record)
    evidence = outcome.evidence.get(check_id(exercise)) if outcome else None
    with unit.naming(exercise):
        judged = read(check, cases, evidence.payload if evidence else None)
        wanted = ["judged by accuracy or structure" if case.accept else _show(check.expected(case)) for case in cases]
    verdict = record.verdicts[exercise]
    table = Table(
        title=_text(f"{student} · {exercise}: {verdict.points:g} of {record.points[exercise]:g} points"),
        caption=_text(verdict.sentence),
        show_lines=True,
    )
    for column in ("part", "input", "expected", "received"):
        table.add_column(column, overflow="fold")
    for case, expected in zip(cases, wanted, strict=True):
        received = judged.errors.get(case.part) or _show(dict(judged.received.get(case.part, {})))
        mark = "✗" if case.part in judged.failed else "✓"
        table.add_row(f"{mark} {case.part}", _text(_show(_inputs(case))), _text(expected), _text(received))
    return table


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
