"""A sanitised notebook and the course's secret give questions; what an execution answered gives verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from nbformat import NotebookNode

from course import syllabus
from course.cells import SETUP, check_id, checked_exercise, grade_id
from course.off_limits import doubts, find
from grader.classroom.coursedir import digest_of
from grader.judging.judge import Verdict, judge, rng_for, runs_of, zero
from grader.judging.vocabulary import Case, Check
from grader.running.execution import Evidence, Request
from grader.running.jobs import Outcome
from grader.units import checks

OFF_LIMITS = "No points: `{name}` is off-limits in this exercise, because it is the answer. Build it from simpler operations."


def cases_for(secret: bytes, unit: str, exercise: str, digest: str) -> tuple[Check, list[Case]]:
    """An exercise's check, and the cases drawn for one submission.

    Raises:
        CheckError: If the exercise has no check.
    """
    check = checks.load(unit, exercise)
    return check, list(check.cases(rng_for(secret, unit, exercise, digest)))


@dataclass(frozen=True)
class Questions:
    """What is asked of one submission.

    Args:
        points: By exercise, its maximum; also of those that have no check, whose cells nbgrader judges by their assertions.
        asked: By exercise, its check and the cases drawn for this submission.
        broken: By exercise, the verdict where its check failed: a bug of ours costs nobody the other exercises.
    """

    points: Mapping[str, float]
    asked: Mapping[str, tuple[Check, list[Case]]]
    broken: Mapping[str, Verdict]

    def requests(self, unit: str) -> dict[str, Request]:
        """What the probe has to do, by `grade_id` of the check cell."""
        off_limits = syllabus.unit(unit).off_limits if self.asked else {}
        return {check_id(name): Request(runs_of(cases), off_limits.get(name, ())) for name, (_, cases) in self.asked.items()}


def questions_for(notebook: NotebookNode, unit: str, secret: bytes) -> Questions:
    """Draw the inputs of every exercise in a sanitised notebook."""
    points = {name: float(cell.metadata.nbgrader.points) for cell in notebook.cells if (name := checked_exercise(cell))}
    asked: dict[str, tuple[Check, list[Case]]] = {}
    broken: dict[str, Verdict] = {}
    digest = digest_of(notebook)
    known = checks.names(unit) if syllabus.is_unit(unit) else []
    for exercise in (name for name in points if name in known):  # in the notebook's order
        try:
            asked[exercise] = cases_for(secret, unit, exercise, digest)
        except Exception as error:
            broken[exercise] = _not_judged(f"its check failed ({type(error).__name__}: {error})")
    return Questions(points, asked, broken)


def verdicts(
    notebook: NotebookNode, unit: str, questions: Questions, outcome: Outcome, files: Collection[str], unreadable: str = ""
) -> dict[str, Verdict]:
    """Judge what an execution gave.

    Args:
        notebook: Sanitised.
        unit: The unit's id.
        questions: What was asked.
        outcome: What came of it.
        files: Paths of what was handed in beside the notebook.
        unreadable: Why there was nothing to execute, or "".

    Returns:
        By exercise, of those that have a check.
    """
    found = dict(questions.broken)
    for exercise, (check, cases) in questions.asked.items():
        if outcome.failed:
            found[exercise] = _not_judged(outcome.failed)
            continue
        banned, doubt = _search(notebook, unit, exercise, files)
        if banned:
            verdict = zero(cases, OFF_LIMITS.format(name=banned))
        else:
            missing = Evidence(None, unreadable or "the check cell did not run.")
            evidence = outcome.evidence.get(check_id(exercise), missing)
            verdict = _verdict(check, cases, evidence, questions.points[exercise], unreadable)
        found[exercise] = replace(verdict, person=doubt) if doubt and verdict.points else verdict
    return found


def _search(notebook: NotebookNode, unit: str, exercise: str, files: Collection[str]) -> tuple[str, str]:
    """What of the source up to an exercise's check is off-limits, and what a person should look at."""
    code: list[str] = []
    given: list[str] = []
    for cell in notebook.cells:
        if grade_id(cell) == check_id(exercise):
            break
        if cell.cell_type == "code":
            (given if grade_id(cell) == SETUP or checked_exercise(cell) else code).append(cell.source)
    names = syllabus.unit(unit).off_limits.get(exercise, ())
    own = {PurePath(file).parts[0].partition(".")[0] for file in files if "/" in file or file.endswith((".py", ".pyc", ".so"))}
    try:
        return find(exercise, code, names, own), doubts(exercise, code, names, given, own)
    except RecursionError:
        return "", "the notebook's code is nested too deeply to be searched for off-limits APIs."


def _not_judged(reason: str) -> Verdict:
    return zero([], "This answer could not be judged; a person will look at it.", person=reason)


def _verdict(check: Check, cases: list[Case], found: Evidence, points: float, unreadable: str) -> Verdict:
    if found.payload is None:
        return zero(cases, f"No points: {found.reason}", person=unreadable)
    try:
        return judge(check, cases, found.payload, points)
    except Exception as error:  # a bug of ours in a check: no score is better than a wrong one
        return _not_judged(f"its check failed ({type(error).__name__}: {error})")
