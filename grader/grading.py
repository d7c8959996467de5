"""A sanitised notebook and the course's secret give a verdict for every exercise in it."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode

from course import syllabus
from grader import checks
from grader.checks import Case, Check
from grader.errors import CheckError
from grader.execution import Evidence, Request, execute
from grader.judge import Verdict, judge, rng_for, runs_of, zero
from grader.off_limits import find

OFF_LIMITS = "No points: `{name}` is off-limits in this exercise, because it is the answer. Build it from simpler operations."


def cases_for(secret: bytes, unit: str, exercise: str, digest: str) -> tuple[Check, list[Case]]:
    """An exercise's check, and the cases drawn for one submission.

    Raises:
        CheckError: If the exercise has no check.
    """
    check = checks.load(unit, exercise)
    return check, list(check.cases(rng_for(secret, unit, exercise, digest)))


def grade_notebook(
    notebook: NotebookNode,
    unit: str,
    secret: bytes,
    digest: str,
    backend: str,
    cell_timeout: int,
    unreadable: str = "",
) -> dict[str, tuple[Any, Verdict]]:
    """Execute a notebook in place and judge its check cells.

    Args:
        notebook: Sanitised.
        unit: The unit's id.
        secret: The course's secret.
        digest: Hash of the notebook; inputs are drawn from it.
        backend: Keras backend.
        cell_timeout: Seconds that one cell may take.
        unreadable: Why there is nothing to execute, or "".

    Returns:
        By exercise: the evidence and the verdict. Every check cell has one.
    """
    points = {
        mark.grade_id.removesuffix("-check"): float(mark.points)
        for cell in notebook.cells
        if (mark := cell.metadata.get("nbgrader", NotebookNode())).get("grade")
    }
    prepared: dict[str, tuple[Check, list[Case]]] = {}
    verdicts: dict[str, tuple[Any, Verdict]] = {}
    for exercise in points:
        try:
            prepared[exercise] = cases_for(secret, unit, exercise, digest)
        except CheckError as error:
            verdicts[exercise] = (None, zero([], "This exercise has no automatic check.", person=str(error)))
    if unreadable:
        evidence = {f"{exercise}-check": Evidence(None, unreadable) for exercise in prepared}
    else:
        off_limits = syllabus.unit(unit).off_limits
        requests = {
            f"{exercise}-check": Request(runs_of(cases), off_limits.get(exercise, ()))
            for exercise, (_, cases) in prepared.items()
        }
        evidence = execute(notebook, requests, backend, cell_timeout)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for exercise, (check, cases) in prepared.items():
        if banned := find(exercise, code, syllabus.unit(unit).off_limits.get(exercise, ())):
            verdicts[exercise] = (None, zero(cases, OFF_LIMITS.format(name=banned)))
            continue
        found = evidence.get(f"{exercise}-check", Evidence(None, "the check cell did not run."))
        verdicts[exercise] = (found.payload, _verdict(check, cases, found, points[exercise], unreadable))
    return verdicts


def _verdict(check: Check, cases: list[Case], found: Evidence, points: float, unreadable: str) -> Verdict:
    if found.payload is None:
        return zero(cases, f"No points: {found.reason}", person=unreadable)
    try:
        return judge(check, cases, found.payload, points)
    except Exception as error:  # a bug of ours in a check: no score is better than a wrong one
        reason = f"The check failed ({type(error).__name__}: {error})."
        return zero(cases, "Your answer could not be judged; a person will look at it.", person=reason)
