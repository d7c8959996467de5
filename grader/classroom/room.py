"""A class in a course directory: what its submissions give to execute, and how each is judged and written."""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

import course as students_package
import grader
from course.cells import checked_exercise, grade_id
from grader.classroom.beside import look
from grader.classroom.coursedir import (
    SUBMITTED,
    asked_exercises,
    autograded_folder,
    read_config,
    read_secret,
    source_file,
    submission_folder,
)
from grader.classroom.plugin.grade import NO_SANDBOX, Grade
from grader.classroom.plugin.hooks import prepare, settle_timestamp
from grader.classroom.plugin.submission import OF_UNIT, UNREADABLE
from grader.classroom.records import kept_outcome, record_path
from grader.errors import CourseError
from grader.files import digest_of_file, write_whole
from grader.running.jobs import Job, Outcome, devices, installed
from grader.running.kept import Kept
from grader.running.kernels.sandbox import require
from grader.running.workers import Workers, outcomes
from grader.units.shelf import find_unit, get_unit

Work = tuple[str, str]
"""A student's id and a notebook's name."""


@dataclass(frozen=True)
class Classroom:
    """An assignment's submissions in a course directory, which has to be the working directory, as for nbgrader.

    Args:
        course: The course directory.
        unit: The assignment: a unit's id, or one of the instructor's own.
        config: nbgrader's configuration.
        notebooks: The assignment's, as they were released.
        secret: The course's.
    """

    course: Path
    unit: str
    config: Config
    notebooks: Collection[str]
    secret: bytes

    @staticmethod
    def open(course: Path, unit: str) -> Classroom:
        """Read what grading needs.

        Raises:
            CheckError: If a check is missing or cannot be imported: no score is touched then.
            CourseError: If something is missing.
            SandboxError: If no sandbox can be made here.
        """
        config = read_config(course)
        secret = read_secret(course)
        if Grade(config=config).sandbox != NO_SANDBOX:  # type: ignore[no-untyped-call]
            require()
        with Gradebook(CourseDirectory(config=config).db_url) as gradebook:
            try:
                notebooks = [notebook.name for notebook in gradebook.find_assignment(unit).notebooks]
                asked = asked_exercises(gradebook, unit, unit)
            except MissingEntry:
                notebooks, asked = [], []
        if not notebooks:
            raise CourseError(f"{unit!r} has not been released here: run `nbgrader generate_assignment {unit} --force` first.")
        for exercise in asked:
            find_unit(course, unit).check(exercise)
        return Classroom(course, unit, config, notebooks, secret)

    def changed_since_release(self) -> list[str]:
        """A line for each notebook whose source has other tests, or other points, than what was released."""
        lines = []
        for name in self.notebooks:
            source = source_file(self.course, self.unit).with_name(f"{name}.ipynb")
            with Gradebook(CourseDirectory(config=self.config).db_url) as gradebook:
                tests = gradebook.find_notebook(name, self.unit).grade_cells
                released = {cell.name: float(cell.max_score) for cell in tests}
            with suppress(Exception):  # there is none, or somebody has damaged it: what was released is what counts
                cells = [cell for cell in nbformat.read(source, as_version=4).cells if checked_exercise(cell)]
                now = {grade_id(cell): float(cell.metadata.nbgrader.points) for cell in cells}
                if other := sorted(name for name in now | released if now.get(name) != released.get(name)):
                    tell = f"{source.relative_to(self.course)} has other points for {', '.join(other)} than what is graded"
                    lines.append(f"{tell}: run `nbgrader generate_assignment {self.unit} --force` to release them.")
        return lines

    def students(self, names: Sequence[str] = ()) -> list[str]:
        """Who handed in, in nbgrader's order.

        Raises:
            CourseError: If one of the names did not, or nobody.
        """
        everyone = sorted(path.parent.name for path in (self.course / SUBMITTED).glob(f"*/{self.unit}/"))
        if missing := [name for name in names if name not in everyone]:
            raise CourseError(f"nothing of {', '.join(map(repr, missing))} lies in {SUBMITTED}/<student>/{self.unit}/.")
        if not everyone:
            raise CourseError(f"nobody has handed in {self.unit!r}: {SUBMITTED}/<student>/{self.unit}/{self.unit}.ipynb")
        return [name for name in everyone if not names or name in names]

    def work(self, students: Sequence[str]) -> list[Work]:
        """The notebooks that they handed in."""
        wanted = sorted(self.notebooks)
        return [
            (student, name)
            for student in students
            for name in wanted
            if student not in self.excluded and os.path.lexists(self._submission(student) / f"{name}.ipynb")
        ]

    def passed_over(self, student: str) -> dict[str, str]:
        """What of a submission is not used, by path, and why; the reason for notebooks is their name or place."""
        handed_in, _ = self._grade.beside(self._submission(student), self.unit)
        wanted = " or ".join(f"{name}.ipynb" for name in sorted(self.notebooks))
        others = [path for path in handed_in.notebooks if path.removesuffix(".ipynb") not in self.notebooks]
        return {**dict.fromkeys(others, f"graded is {wanted} alone, in the submission's own folder"), **handed_in.passed_over}

    def jobs(self, work: Sequence[Work], force: bool = False) -> Iterator[tuple[Work, Job | None]]:
        """What has to be run of each notebook: None if it cannot be read, or if its last outcome can be used again."""
        for student, name in work:
            job = None
            with suppress(Exception):  # such as a file that may not be read: nbgrader will say it when it comes to this one
                job = self._job(student, name, force)
            yield (student, name), job

    def _job(self, student: str, name: str, force: bool) -> Job | None:
        settle_timestamp(self._submission(student))  # else what it was made from would be something else when it is graded
        kept = self._kept(student, name)
        if not force and kept.comes_from(self._origin(student)):
            return None
        converter = self._converter(student)
        notebook, of_unit = _sanitized(converter, self._submission(student) / f"{name}.ipynb")
        _, job, _ = Grade(parent=converter).ask(self.course, self.unit, student, notebook, of_unit)  # type: ignore[no-untyped-call]
        done = UNREADABLE in notebook.metadata or (not force and kept.usable(job) is not None)
        return None if done else job

    def execute(self, work: Sequence[Work], workers: Workers, force: bool = False) -> Iterator[tuple[Work, Outcome | None]]:
        """Run what has to be run, and keep each outcome as soon as it is there."""
        for (student, name), outcome in outcomes(self.jobs(work, force), workers):
            if outcome:
                origin = ""
                with suppress(Exception):
                    origin = self._origin(student)
                self._kept(student, name).write(outcome, origin)
            yield (student, name), outcome

    def grade(self, student: str) -> str:
        """Let nbgrader judge and write one submission, with the outcomes that are kept of it.

        Returns:
            What nbgrader logged if it failed, else "".
        """
        if student in self.excluded:
            return "nbgrader passes this student over (student_id_exclude), or the id is not plain."
        said = io.StringIO()
        handler = logging.StreamHandler(said)
        converter = self._converter(student)
        converter.log.addHandler(handler)
        try:
            folder = self._submission(student)
            settle_timestamp(folder)
            origin = self._origin(student)
            if not self.work([student]):  # nbgrader might not see this one at all
                prepare(converter, self.unit, student, folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SAWarning)  # nbgrader's own use of its database
                converter.start()
            write_whole(self._seal(student), _hash(origin, self._written(student)))
        except Exception as error:  # one submission never stops a class
            return f"{said.getvalue()}{type(error).__name__}: {error}"
        finally:
            converter.log.removeHandler(handler)
        return ""

    def is_graded(self, student: str) -> bool:
        """Whether all that the last grading read and wrote is still the same: to grade once more would change nothing."""
        with suppress(Exception):
            return self._seal(student).read_text() == _hash(self._origin(student), self._written(student))
        return False

    @property
    def excluded(self) -> Collection[str]:
        """Students whom nbgrader passes over."""
        names: Collection[str] = CourseDirectory(config=self.config).student_id_exclude.split(",")
        return names

    def _converter(self, student: str) -> Autograde:
        coursedir = CourseDirectory(config=self.config)
        coursedir.assignment_id, coursedir.student_id = self.unit, student
        converter = Autograde(coursedir=coursedir, config=self.config)
        converter.force = True
        return converter

    def _kept(self, student: str, notebook: str) -> Kept:
        return kept_outcome(self.course, self.unit, student, notebook)

    def _submission(self, student: str) -> Path:
        return submission_folder(self.course, student, self.unit)

    def _seal(self, student: str) -> Path:
        return kept_outcome(self.course, self.unit, student).path.with_name("graded")

    def _origin(self, student: str) -> str:
        """The hash of all that a student's jobs, and the verdicts on them, are made from.

        To make a job takes as long as to judge. Whether an outcome belongs to a submission is decided by its job's key, once
        more, when nbgrader comes to it.
        """
        return _hash(self._release, self._all_of(self._submission(student)))

    def _written(self, student: str) -> str:
        """The hash of what a submission's grading wrote, without what people add to it."""
        record = record_path(self.course, self.unit, student)
        with Gradebook(CourseDirectory(config=self.config).db_url) as gradebook:
            notebooks, lateness = [], []
            with suppress(MissingEntry):
                submission = gradebook.find_submission(self.unit, student)
                notebooks, lateness = submission.notebooks, [submission.extension]
                if submission.total_seconds_late > 0:  # a penalty may be a share of the points, by hand ones included
                    lateness += sorted((book.name, book.score) for book in notebooks)
            scores = sorted((book.name, grade.name, grade.auto_score) for book in notebooks for grade in book.grades)
            comments = sorted(
                (book.name, comment.name, comment.auto_comment) for book in notebooks for comment in book.comments
            )
            penalties = sorted((book.name, book.late_submission_penalty) for book in notebooks)
        judged = record.read_text() if record.is_file() else ""
        files = [judged, *self._all_of(autograded_folder(self.course, student, self.unit))]
        return _hash(scores, comments, penalties, lateness, files)

    def _all_of(self, folder: Path) -> list[tuple[str, object]]:
        return list(look(folder, self._grade.settings["limits"]["disk"]).digests())

    @functools.cached_property
    def _grade(self) -> Grade:
        return Grade(config=self.config)  # type: ignore[no-untyped-call]

    @functools.cached_property
    def _release(self) -> str:
        """What all students are graded by: what was released, how it is graded, and the programs that do it."""
        with Gradebook(CourseDirectory(config=self.config).db_url) as gradebook:
            assignment = gradebook.find_assignment(self.unit)
            cells = sorted((book.name, cell.name, cell.source) for book in assignment.notebooks for cell in book.source_cells)
            points = sorted(
                (book.name, cell.name, cell.max_score) for book in assignment.notebooks for cell in book.grade_cells
            )
            due = assignment.duedate
        settings = self._grade.settings
        configured = _contents(self.course, "*.py")  # with late penalties and the like of the instructor's own
        texts = _contents(source_file(self.course, self.unit).parent)
        unit = get_unit(self.course, self.unit)
        checks = [known for known in _contents(unit.checks_folder) if "__pycache__" not in known[0]] if unit else []
        programs = [installed(), devices(), version("nbgrader"), _programs()]
        return _hash(cells, points, due, settings, configured, texts, checks, self.secret, programs)


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _contents(folder: Path, pattern: str = "**/*") -> list[tuple[str, str]]:
    """An instructor's files, or the programs', by the hashes of what is in them."""
    paths = (path for path in sorted(folder.glob(pattern)) if path.is_file())
    return [(path.relative_to(folder).as_posix(), digest_of_file(path)) for path in paths]


@functools.cache
def _programs() -> list[list[tuple[str, str]]]:
    """The packages that make jobs and judge them."""
    return [_contents(Path(str(package)).parent, "**/*.py") for package in (grader.__file__, students_package.__file__)]


def _sanitized(converter: Autograde, path: Path) -> tuple[NotebookNode, bool]:
    """A notebook as `Grade` will get it, what nbgrader itself makes of the file, and whether it is a unit's."""
    converter.exporter = converter.exporter_class(parent=converter, config=converter.config)
    converter._init_preprocessors()
    resources = converter.init_single_notebook_resources(str(path))
    text, _ = converter.exporter.from_filename(str(path), resources)
    notebook: NotebookNode = nbformat.reads(text, as_version=4)
    return notebook, resources[OF_UNIT]
