"""What was graded, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from grader import checks
from grader.coursedir import RECORDS, Record, read_record, read_secret
from grader.errors import CourseError
from grader.grading import cases_for
from grader.judge import RIGHT, read


def students(course: Path, unit: str) -> list[str]:
    """Who has been graded, in the order of their ids."""
    return sorted(path.stem for path in (course / RECORDS / unit).glob("*.json"))


def scores(course: Path, unit: str) -> Table:
    """Student × exercise: points, and the total."""
    records = {student: read_record(course, unit, student) for student in students(course, unit)}
    if not records:
        raise CourseError(f"nothing of {unit!r} has been graded in {course}; run nbgrader autograde {unit} there first.")
    exercises = list(next(iter(records.values())).points)
    table = Table(title=f"{unit}: points per exercise", caption=_legend(exercises))
    table.add_column("student", no_wrap=True)
    for number in range(1, len(exercises) + 1):
        table.add_column(str(number), justify="right")
    table.add_column("total", justify="right")
    maxima = next(iter(records.values())).points
    table.add_row("(maximum)", *(f"{maxima[name]:g}" for name in exercises), f"{sum(maxima.values()):g}", style="dim")
    for student, record in records.items():
        points = [record.verdicts[name].points for name in exercises]
        cells = [Text(f"{p:g}", style="green" if p == maxima[n] else "red") for p, n in zip(points, exercises, strict=True)]
        table.add_row(student, *cells, f"{sum(points):g}")
    return table


def _legend(exercises: Sequence[str]) -> str:
    return "   ".join(f"{number}\N{NO-BREAK SPACE}{name}" for number, name in enumerate(exercises, 1))


def sentences(course: Path, unit: str) -> Table:
    """The sentences that students read, for all that is not simply right."""
    table = Table(title=f"{unit}: what students read", show_lines=False)
    table.add_column("student", no_wrap=True)
    table.add_column("exercise", no_wrap=True)
    table.add_column("sentence", overflow="fold")
    for student in students(course, unit):
        verdicts = read_record(course, unit, student).verdicts
        wrong = {name: verdict.sentence for name, verdict in verdicts.items() if verdict.sentence != RIGHT}
        if len(wrong) > 1 and len(set(wrong.values())) == 1 and len(wrong) == len(verdicts):
            wrong = {"(all)": next(iter(wrong.values()))}
        for name, sentence in wrong.items():
            table.add_row(student, name, Text(sentence))
    return table


def explain(course: Path, unit: str, student: str, exercise: str) -> Table:
    """Input, expected and received of every part of one answer. For instructors: it shows expected values."""
    record: Record = read_record(course, unit, student)
    if exercise not in record.verdicts:
        raise CourseError(f"{unit!r} has no exercise {exercise!r}; it has {', '.join(record.verdicts)}.")
    check, cases = cases_for(read_secret(course), unit, exercise, record.digest)
    judged = read(check, cases, record.evidence[exercise])
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


def _inputs(case: checks.Case) -> dict[str, object]:
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
