"""A class at a time: submissions are executed in parallel, and meanwhile nbgrader judges and writes, in one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from grader.classroom.room import Classroom
from grader.errors import CourseError
from grader.running.workers import Workers
from grader.shown import printable

GO_ON = "What was executed is kept: the same command goes on from here."


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Args:
        executed: By student, the CPU seconds of those whose code was run.
        kept: Students whose last outcome was used again, or whose file cannot be read.
        failed: By student, why nbgrader could not grade.
        passed_over: By student, what of a submission is not used, by path, and why.
    """

    executed: dict[str, float]
    kept: set[str]
    failed: dict[str, str]
    passed_over: dict[str, dict[str, str]] = field(default_factory=dict)


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

    Raises:
        CourseError: If the workers' scheduler has stopped, or outcomes cannot be kept.
        SandboxError: If no sandbox can be made.
    """
    summary = Summary({}, set(students), {})
    work = room.work(students)
    left = Counter(student for student, _ in work)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=show, disable=not show.is_terminal) as progress:
        executing, judging = progress.add_task("executing", total=len(work)), progress.add_task("judging", total=len(students))

        def judge(student: str) -> None:
            if failed := room.grade(student):
                summary.failed[student] = failed
            if verbose:
                show.print(f"{printable(student)}: {'NOT GRADED' if failed else 'graded'}", highlight=False, markup=False)
            progress.advance(judging)

        try:
            for (student, name), outcome in room.execute(work, workers, force):
                if outcome:
                    summary.executed[student] = summary.executed.get(student, 0) + outcome.seconds
                    summary.kept.discard(student)
                if verbose:
                    done = f"executed, {outcome.seconds:.1f} s of CPU" if outcome else "nothing to execute"
                    show.print(f"{printable(student)}: {done} ({name})", highlight=False, markup=False)
                progress.advance(executing)
                left[student] -= 1
                if student in summary.executed and not left[student]:  # whom nothing is executed of can wait: workers cannot
                    judge(student)
        except CancelledError as error:  # nothing else of a cluster is left when its scheduler dies
            raise CourseError(f"the scheduler has stopped. {GO_ON}") from error
        except OSError as error:  # no more outcomes can be kept: the disk is full, say
            raise CourseError(f"{error}. {GO_ON}") from error
        finally:
            workers.stop()
        for student in students:
            with suppress(Exception):  # then it was not graded either, which says why
                if found := room.passed_over(student):
                    summary.passed_over[student] = found
            if student not in summary.executed and room.is_graded(student):
                progress.advance(judging)
            elif student not in summary.executed:
                judge(student)
    return summary
