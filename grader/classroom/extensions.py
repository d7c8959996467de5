"""More time for single students, in nbgrader's own table: what is handed in until then is not late."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dateutil import tz
from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment
from sqlalchemy.exc import SAWarning

from grader.classroom.coursedir import gradebook_url, submission_folder
from grader.classroom.dates import read_date
from grader.errors import CourseError
from grader.shown import is_plain

NONE = "none"
"""In place of a date: no extension any more."""
COLUMNS = ("student", "until")


def read_table(path: Path) -> list[tuple[str, str, str]]:
    """The rows of a CSV file: where each stands, the student, and until when.

    Raises:
        CourseError: If it cannot be read, or has other columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            head = [name.strip().lower() for name in reader.fieldnames or ()]
            if missing := [name for name in COLUMNS if name not in head]:
                raise CourseError(f"{path} has no column {' and no column '.join(missing)}; expected student,until.")
            reader.fieldnames = head
            rows = [(f"{path.name}:{reader.line_num}: ", row) for row in reader]
    except (OSError, UnicodeError, csv.Error) as error:
        raise CourseError(f"{path} cannot be read: {error}") from error
    return [(where, (row["student"] or "").strip(), (row["until"] or "").strip()) for where, row in rows]


def extend(course: Path, unit: str, wanted: Iterable[tuple[str, str, str]]) -> dict[str, datetime | None]:
    """Grant extensions, all of them or none.

    Args:
        course: The course directory.
        unit: The assignment.
        wanted: Of each, where it stands (for errors), the student, and until when: a date, of this machine's time zone unless
            it names another, or "none" to take an extension back.

    Returns:
        By student, until when they have time now; None for no extension.

    Raises:
        CourseError: If the assignment has no due date, a student is not known, or a date is none, or not after the due date.
    """
    wanted = list(wanted)
    if not (url := gradebook_url(course)):
        raise CourseError(f"{course} has no gradebook; expected a course directory.")
    with Gradebook(url) as gradebook, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # nbgrader's own use of its database
        try:
            due = gradebook.find_assignment(unit).duedate
        except MissingEntry as error:
            raise CourseError(f"{unit!r} has not been released here.") from error
        if due is None:
            raise CourseError(
                f"{unit!r} has no due date, so nothing of it can be late. Set one with "
                f"`nbgrader db assignment add {unit} --duedate='2027-01-31 23:59:00 UTC'`."
            )
        known = {student.id for student in gradebook.students}
        granted: dict[str, datetime | None] = {}
        wrong = []
        for where, student, text in wanted:
            try:
                if student not in known and not (is_plain(student) and submission_folder(course, student, unit).is_dir()):
                    raise ValueError(
                        f"there is no student {student!r}; expected an id that the gradebook knows, or of who has handed in "
                        "(`nbgrader db student add ID` makes one known)."
                    )
                until = _until(text, due.replace(tzinfo=UTC))
                if granted.get(student, until) != until:
                    raise ValueError(f"{student!r} has another date above.")
                granted[student] = until
            except ValueError as error:
                wrong.append(f"{where}{error}")
        if wrong:
            raise CourseError("nobody was given more time:\n" + "\n".join(wrong) if len(wanted) > 1 else wrong[0])
        _write(
            gradebook, unit, {student: until - due.replace(tzinfo=UTC) if until else None for student, until in granted.items()}
        )
    return granted


def _until(text: str, due: datetime) -> datetime | None:
    if text.lower() == NONE:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError(f"{text!r} names no hour; expected {text}T23:59 for all of that day.")
    until = read_date(text, tz.tzlocal())
    if until <= due:
        raise ValueError(f"{text!r} is not after the due date, {due:%Y-%m-%d %H:%M} UTC.")
    return until


def _write(gradebook: Gradebook, unit: str, extensions: Mapping[str, timedelta | None]) -> None:
    """Enter extensions; a submission that nobody has handed in yet is made for each, which the first grading fills."""
    for student, extension in extensions.items():
        try:
            gradebook.find_submission(unit, student)
        except MissingEntry:
            if extension:
                gradebook.update_or_create_student(student)
                gradebook.add_submission(unit, student)
    for student, extension in extensions.items():
        try:
            gradebook.find_submission(unit, student).extension = extension
        except MissingEntry:
            continue  # there is nothing to take back
    gradebook.db.commit()
    for student, extension in extensions.items():
        if extension is None:
            _forget(gradebook, unit, student)


def _forget(gradebook: Gradebook, unit: str, student: str) -> None:
    """Take back a submission that was made for an extension alone."""
    try:
        submission = gradebook.find_submission(unit, student)
    except MissingEntry:
        return
    if is_empty(submission):
        gradebook.remove_submission(unit, student)


def is_empty(submission: SubmittedAssignment) -> bool:
    """Whether nothing of a submission was ever graded, dated or commented."""
    notebooks = submission.notebooks
    grades = [grade for notebook in notebooks for grade in notebook.grades]
    comments = [comment for notebook in notebooks for comment in notebook.comments]
    return (
        submission.timestamp is None
        and all(grade.auto_score is None and grade.manual_score is None for grade in grades)
        and all(comment.auto_comment is None and comment.manual_comment is None for comment in comments)
    )


def awaited(submission: SubmittedAssignment) -> bool:
    """Whether a submission is there for its extension alone: nobody has handed it in yet."""
    return submission.extension is not None and is_empty(submission)
