"""What happens before nbgrader looks at a submission: older scores are forgotten, and only what is harmless is copied."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import BaseConverter
from traitlets.log import get_logger

from grader.classroom.beside import HandedIn, harmless_name, look
from grader.classroom.coursedir import read_secret
from grader.classroom.dates import SET_ASIDE, TIMESTAMP, normalize
from grader.classroom.plugin.grade import NO_SANDBOX, Grade
from grader.classroom.records import record_path
from grader.errors import CourseError
from grader.files import read_plain
from grader.running.kernels.sandbox import require
from grader.shown import is_picture, without_markup

_as_nbgrader_does = BaseConverter.init_assignment


def init_assignment(converter: BaseConverter, assignment: str, student: str) -> None:
    """In place of `BaseConverter.init_assignment`, which copies all that lies in a folder: whatever it is, following links.

    nbgrader has a hook for what is to be done before, but logs what a hook raises, and copies all the same. What is raised
    here ends this submission, and no other.

    Raises:
        CourseError: If none of the assignment's notebooks was handed in, or something is missing that grading needs.
        SandboxError: If no sandbox can be made here.
    """
    folder, to = (Path(form(assignment, student)) for form in (converter._format_source, converter._format_dest))
    if isinstance(converter, Autograde):
        handed_in = prepare(converter, assignment, student, folder)
        _copy(handed_in, handed_in.files, to, converter.coursedir.ignore)
    elif isinstance(converter, GenerateFeedback):  # a page and what it shows; nothing else that a browser would open
        graded = look(folder, float("inf"))
        masters = Grade(parent=converter).masters(assignment)  # type: ignore[no-untyped-call]
        shown = [name for name in graded.files if name in masters or is_picture(read_plain(folder / name, 8))]
        _copy(graded, {TIMESTAMP, *shown} & {*graded.files}, to, converter.coursedir.ignore)
    else:
        _as_nbgrader_does(converter, assignment, student)


def prepare(converter: Autograde, assignment: str, student: str, folder: Path) -> HandedIn:
    """Clear a submission's older automatic scores and its record, so that none survives whatever fails later.

    Manual scores stay. Without the secret or a sandbox nothing can be graded, so nothing is forgotten. Until it is graded, a
    submission waits for a person.

    Returns:
        What was handed in.
    """
    course = Path.cwd()
    read_secret(course)
    grade = Grade(parent=converter)  # type: ignore[no-untyped-call]
    if grade.sandbox != NO_SANDBOX:
        require()
    record_path(course, assignment, student).unlink(missing_ok=True)
    _forget(converter, assignment, student, "What was submitted last could not be graded.")
    settle_timestamp(folder)
    handed_in, _ = grade.beside(folder, assignment)
    with Gradebook(converter.coursedir.db_url) as gradebook, suppress(MissingEntry):
        names = [f"{notebook.name}.ipynb" for notebook in gradebook.find_assignment(assignment).notebooks]
        if reason := missing(handed_in, names):
            _forget(converter, assignment, student, reason)
            raise CourseError(reason)
    return handed_in


def _forget(converter: Autograde, assignment: str, student: str, reason: str) -> None:
    """Clear a submission's automatic scores, and leave it to a person. Of what it does not know nbgrader itself will say so."""
    with Gradebook(converter.coursedir.db_url) as gradebook, suppress(MissingEntry):
        gradebook.find_assignment(assignment)
        if converter.create_student:
            gradebook.update_or_create_student(student)
        submission = gradebook.update_or_create_submission(assignment, student)
        submission.timestamp = None  # nbgrader keeps an older file's where it finds none
        for notebook in submission.notebooks:
            for score in notebook.grades:
                score.auto_score = None
                score.needs_manual_grade = True
            for comment in notebook.comments:
                comment.auto_comment = without_markup(reason)
        gradebook.db.commit()


def missing(handed_in: HandedIn, names: Collection[str]) -> str:
    """Why there is nothing to grade, if none of an assignment's notebooks was handed in under its name; else ""."""
    if not names or any(os.path.lexists(handed_in.folder / name) for name in names):
        return ""
    there = ", ".join([*handed_in.notebooks, *handed_in.files, *handed_in.passed_over][:5]) or "nothing"
    return f"Handed in was no {' or '.join(names)}, but {there}. What should be graded needs that name, in the folder itself."


def _copy(handed_in: HandedIn, names: Collection[str], to: Path, ignore: Collection[str]) -> None:
    """Copy files for people to look at; what kernels find comes straight from what was handed in."""
    for name in sorted(names):
        if any(fnmatch(part, pattern) for part in name.split("/") for pattern in ignore):
            continue
        try:
            content = read_plain(handed_in.folder / name)
            path = to / harmless_name(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            _free(path).write_bytes(content)
        except OSError as error:
            get_logger().warning(f"Not copied: {harmless_name(name)} ({error.strerror})")


def settle_timestamp(folder: Path) -> None:
    """Have the date as nbgrader reads it, and set aside what is none."""
    try:
        normalize(folder / TIMESTAMP)
    except (ValueError, OSError) as error:
        (folder / TIMESTAMP).rename(_free(folder / SET_ASIDE))
        get_logger().warning(f"{folder / TIMESTAMP} was renamed, and the submission counts as on time: {error}")


def _free(path: Path) -> Path:
    """The path, or one with a number that nothing has yet: no file is written over another."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(free for free in itertools.chain([path], numbered) if not os.path.lexists(free))
