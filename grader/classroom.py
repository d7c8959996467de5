"""A class at a time: submissions are executed in parallel, then nbgrader judges and writes, in one process."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from traitlets.config import Config

from grader.coursedir import read_config, read_secret
from grader.errors import CourseError, SandboxError
from grader.executions import Job, Outcome, keep, outcome_path, run_here, usable
from grader.grading import questions_for
from grader.kernels.sandbox import require
from grader.plugin.grade import NO_SANDBOX, Grade
from grader.plugin.restore import Canon, read_canon, restore
from grader.plugin.submission import UNREADABLE, read_submission
from grader.workers import Workers, outcomes

SUBMITTED = "submitted"


@dataclass(frozen=True)
class Classroom:
    """A unit's submissions in a course directory, which has to be the working directory, as for nbgrader.

    Args:
        course: The course directory.
        unit: The unit's id.
        config: nbgrader's configuration.
        canon: What was released.
        secret: The course's.
    """

    course: Path
    unit: str
    config: Config
    canon: Canon
    secret: bytes

    @staticmethod
    def open(course: Path, unit: str) -> Classroom:
        """Read what grading needs.

        Raises:
            CourseError: If something is missing.
            SandboxError: If no sandbox can be made here.
        """
        config = read_config(course)
        secret = read_secret(course)
        if Grade(config=config).sandbox != NO_SANDBOX:  # type: ignore[no-untyped-call]
            require()
        with Gradebook(CourseDirectory(config=config).db_url) as gradebook:
            try:
                canon = read_canon(gradebook, unit, unit, course)
            except MissingEntry as error:
                raise CourseError(
                    f"{unit!r} has not been released here: run `nbgrader generate_assignment {unit}` first."
                ) from error
        return Classroom(course, unit, config, canon, secret)

    def students(self, names: Sequence[str] = ()) -> list[str]:
        """Who handed in, in nbgrader's order.

        Raises:
            CourseError: If one of the names did not, or nobody.
        """
        everyone = sorted({path.parent.parent.name for path in (self.course / SUBMITTED).glob(f"*/{self.unit}/*.ipynb")})
        if missing := [name for name in names if name not in everyone]:
            raise CourseError(f"nothing of {', '.join(map(repr, missing))} lies in {SUBMITTED}/<student>/{self.unit}/.")
        if not everyone:
            raise CourseError(f"nobody has handed in {self.unit!r}: {SUBMITTED}/<student>/{self.unit}/{self.unit}.ipynb")
        return [name for name in everyone if not names or name in names]

    def jobs(self, students: Sequence[str], force: bool = False) -> Iterator[tuple[str, Job | None]]:
        """What has to be run of each submission: None if it cannot be read, or if its last outcome can be used again."""
        grade = Grade(config=self.config)  # type: ignore[no-untyped-call]
        for student in students:
            notebook = read_submission(self.course / SUBMITTED / student / self.unit / f"{self.unit}.ipynb")
            if UNREADABLE in notebook.metadata or student in self.excluded:
                yield student, None
                continue
            notebook.cells = restore(notebook.cells, self.canon)
            job = grade.job(self.course, self.unit, student, notebook, questions_for(notebook, self.unit, self.secret))
            yield student, job if force or not usable(job, self.path(student)) else None

    def execute(self, students: Sequence[str], workers: Workers, force: bool = False) -> Iterator[tuple[str, Outcome | None]]:
        """Run what has to be run, and keep each outcome as soon as it is there."""
        for student, outcome in outcomes(self.jobs(students, force), workers):
            if outcome:
                keep(self.path(student), outcome)
                run_here.add(outcome.key)
            yield student, outcome

    def grade(self, student: str) -> str:
        """Let nbgrader judge and write one submission, with the outcome that is kept of it.

        Returns:
            What nbgrader logged if it failed, else "".
        """
        if student in self.excluded:
            return "nbgrader passes this student over (student_id_exclude), or the id is not plain."
        coursedir = CourseDirectory(config=self.config)
        coursedir.assignment_id, coursedir.student_id = self.unit, student
        converter = Autograde(coursedir=coursedir, config=self.config)
        converter.force = True
        said = io.StringIO()
        handler = logging.StreamHandler(said)
        converter.log.addHandler(handler)
        try:
            converter.start()
        except SandboxError:
            raise
        except Exception as error:  # one submission never stops a class
            return f"{said.getvalue()}{type(error).__name__}: {error}"
        finally:
            converter.log.removeHandler(handler)
        return ""

    @property
    def excluded(self) -> Collection[str]:
        """Students whom nbgrader passes over."""
        names: Collection[str] = CourseDirectory(config=self.config).student_id_exclude.split(",")
        return names

    def path(self, student: str) -> Path:
        """Where a student's outcome is kept."""
        return outcome_path(self.course, self.unit, student)


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Args:
        executed: By student, the CPU seconds of those whose code was run.
        kept: Students whose last outcome was used again, or whose file cannot be read.
        failed: By student, why nbgrader could not grade.
    """

    executed: dict[str, float]
    kept: list[str]
    failed: dict[str, str]


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f}/s")


def autograde(room: Classroom, students: Sequence[str], workers: Workers, force: bool, show: Console, verbose: bool) -> Summary:
    """Grade a class, showing how far it is.

    Args:
        room: The unit and its course directory.
        students: Whom.
        workers: Where submissions are executed. Stopped at the end.
        force: Run everything again.
        show: Where to.
        verbose: One line per submission.
    """
    summary = Summary({}, [], {})
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=show, disable=not show.is_terminal) as progress:
        try:
            for student, outcome in progress.track(
                room.execute(students, workers, force), total=len(students), description="executing"
            ):
                if outcome:
                    summary.executed[student] = outcome.seconds
                else:
                    summary.kept.append(student)
                if verbose:
                    done = f"executed, {outcome.seconds:.1f} s of CPU" if outcome else "nothing to execute"
                    show.print(f"{student}: {done}", highlight=False, markup=False)
        finally:
            workers.stop()
        for student in progress.track(students, description="judging"):
            if failed := room.grade(student):
                summary.failed[student] = failed
            if verbose:
                show.print(f"{student}: {'NOT GRADED' if failed else 'graded'}", highlight=False, markup=False)
    return summary
