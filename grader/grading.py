"""A sanitised notebook and the course's secret give a verdict for every exercise in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course import syllabus
from grader import checks
from grader.cells import SETUP, check_id, checked_exercise, grade_id
from grader.checks import Case, Check
from grader.errors import SandboxError
from grader.execution import Evidence, Request, execute
from grader.judge import Verdict, judge, rng_for, runs_of, zero
from grader.kernels.settings import Kernels
from grader.off_limits import doubts, find

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
    kernels: Kernels,
    unreadable: str = "",
    submission: Path | None = None,
) -> dict[str, tuple[Any, Verdict]]:
    """Execute a notebook in place and judge its check cells.

    Args:
        notebook: Sanitised.
        unit: The unit's id.
        secret: The course's secret.
        digest: Hash of the notebook; inputs are drawn from it.
        kernels: Makes the kernels.
        unreadable: Why there is nothing to execute, or "".
        submission: Folder with what was handed in beside the notebook, or None.

    Returns:
        By exercise: the evidence and the verdict. Every check cell has one.

    Raises:
        SandboxError: If no sandbox can be made here.
    """
    points = {name: float(cell.metadata.nbgrader.points) for cell in notebook.cells if (name := checked_exercise(cell))}
    prepared: dict[str, tuple[Check, list[Case]]] = {}
    graded: dict[str, tuple[Any, Verdict]] = {}
    for exercise in points:
        try:
            prepared[exercise] = cases_for(secret, unit, exercise, digest)
        except Exception as error:  # a bug of ours in one check costs nobody the other exercises
            graded[exercise] = (None, _not_judged(f"its check failed ({type(error).__name__}: {error})"))
    findings = {exercise: _search(notebook, unit, exercise, submission) for exercise in prepared}
    try:
        evidence = {} if unreadable else _execute(notebook, unit, prepared, kernels, submission)
    except SandboxError:
        raise  # it would be the same for everyone
    except Exception as error:  # no kernel, or no set-up: nothing that a student did
        reason = f"the notebook could not be run ({type(error).__name__}: {error})"
        return graded | {exercise: (None, _not_judged(reason)) for exercise in prepared}
    for exercise, (check, cases) in prepared.items():
        found = evidence.get(check_id(exercise), Evidence(None, unreadable or "the check cell did not run."))
        banned, doubt = findings[exercise]
        if banned:
            verdict = zero(cases, OFF_LIMITS.format(name=banned))
        else:
            verdict = _verdict(check, cases, found, points[exercise], unreadable)
        if doubt and verdict.points:
            verdict = replace(verdict, person=doubt)
        graded[exercise] = (found.payload, verdict)
    return graded


def _search(notebook: NotebookNode, unit: str, exercise: str, submission: Path | None) -> tuple[str, str]:
    """What of the source up to an exercise's check is off-limits, and what a person should look at."""
    code: list[str] = []
    given: list[str] = []
    for cell in notebook.cells:
        if grade_id(cell) == check_id(exercise):
            break
        if cell.cell_type == "code":
            (given if grade_id(cell) == SETUP or checked_exercise(cell) else code).append(cell.source)
    names = syllabus.unit(unit).off_limits.get(exercise, ())
    own = {path.stem for path in submission.iterdir() if path.is_dir() or path.suffix == ".py"} if submission else set()
    try:
        return find(exercise, code, names, own), doubts(exercise, code, names, given, own)
    except RecursionError:
        return "", "the notebook's code is nested too deeply to be searched for off-limits APIs."


def _execute(
    notebook: NotebookNode,
    unit: str,
    prepared: Mapping[str, tuple[Check, list[Case]]],
    kernels: Kernels,
    submission: Path | None,
) -> dict[str, Evidence]:
    off_limits = syllabus.unit(unit).off_limits
    requests = {
        check_id(exercise): Request(runs_of(cases), off_limits.get(exercise, ())) for exercise, (_, cases) in prepared.items()
    }
    return execute(notebook, requests, kernels, submission)


def _not_judged(reason: str) -> Verdict:
    return zero([], "This answer could not be judged; a person will look at it.", person=reason)


def _verdict(check: Check, cases: list[Case], found: Evidence, points: float, unreadable: str) -> Verdict:
    if found.payload is None:
        return zero(cases, f"No points: {found.reason}", person=unreadable)
    try:
        return judge(check, cases, found.payload, points)
    except Exception as error:  # a bug of ours in a check: no score is better than a wrong one
        return _not_judged(f"its check failed ({type(error).__name__}: {error})")
