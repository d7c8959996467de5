"""What was graded, read from the gradebook and from what is kept of each submission."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry

from course.cells import checked_exercise
from grader.classroom.coursedir import asked_exercises, gradebook_url, release_file
from grader.classroom.extensions import awaited
from grader.classroom.records import Record, kept_outcome
from grader.errors import CourseError
from grader.running.jobs import Outcome


@dataclass(frozen=True)
class Row:
    """One student's scores as the gradebook has them: manual ones count, and the total is less what lateness costs."""

    points: dict[str, float | None]
    total: float
    by_hand: frozenset[str]
    waiting: frozenset[str]


@dataclass(frozen=True)
class Lateness:
    """Until when one student has more time, in UTC, or None, and how many seconds late the submission is."""

    until: datetime | None
    seconds: float


def read_lateness(course: Path, unit: str) -> dict[str, Lateness]:
    """By student, of those who have an extension, whether or not they have handed in, or are late."""
    found = {}
    if url := gradebook_url(course):
        with Gradebook(url) as gradebook, suppress(MissingEntry):
            due = gradebook.find_assignment(unit).duedate
            for submission in gradebook.assignment_submissions(unit) if due else ():
                until = submission.duedate.replace(tzinfo=UTC) if submission.extension else None
                if until or submission.total_seconds_late:
                    found[submission.student.id] = Lateness(until, float(submission.total_seconds_late))
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def read_rows(course: Path, unit: str) -> tuple[dict[str, float], dict[str, Row]]:
    """The exercises' maxima, and each student's row, from the gradebook.

    Raises:
        CourseError: If nobody has been graded.
    """
    missing = f"nothing of {unit!r} has been graded in {course}; run grader autograde {unit} there first."
    if not (url := gradebook_url(course)):
        raise CourseError(missing)
    with Gradebook(url) as gradebook:
        try:
            submissions = [found for found in gradebook.assignment_submissions(unit) if not awaited(found)]
        except MissingEntry:
            submissions = []
        if not submissions:
            raise CourseError(missing)
        cells = [cell for notebook in gradebook.find_assignment(unit).notebooks for cell in notebook.grade_cells]
        maxima = {cell.name.removesuffix("-check"): float(cell.max_score) for cell in cells}
        rows = {submission.student.id: _row(submission) for submission in submissions}
    return maxima, dict(sorted(rows.items(), key=lambda item: _natural(item[0])))


def is_unit(course: Path, assignment: str) -> bool:
    """Whether an assignment that somebody has been graded in was released as a unit."""
    with Gradebook(gradebook_url(course)) as gradebook:
        return bool(asked_exercises(gradebook, assignment, assignment))


def graded_units(course: Path) -> list[str]:
    """The assignments of which somebody has been graded.

    Raises:
        CourseError: If there is none.
    """
    found = []
    if url := gradebook_url(course):
        with Gradebook(url) as gradebook:
            found = [assignment.name for assignment in gradebook.assignments if not all(map(awaited, assignment.submissions))]
    if not found:
        raise CourseError(f"nothing has been graded in {course}; run grader autograde <unit> there first.")
    return found


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


def in_order(course: Path, unit: str, exercises: Iterable[str]) -> list[str]:
    """The exercises in the order of the released notebook, which the gradebook does not keep."""
    release = release_file(course, unit)
    released = [checked_exercise(cell) for cell in nbformat.read(release, as_version=4).cells] if release.is_file() else []
    return sorted(exercises, key=lambda name: (released.index(name) if name in released else len(released), name))


def judged_outcome(course: Path, unit: str, student: str, record: Record | None) -> Outcome | None:
    """The outcome that a record's verdicts are about; None if nothing was executed for it, such as a file that is none."""
    outcome = kept_outcome(course, unit, student).read()
    return outcome if outcome and record and outcome.key == record.key else None
