"""A sanitised notebook and the course's secret give questions; what an execution answered gives verdicts."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import PurePath

from nbformat import NotebookNode

from course.cells import SETUP, WHY, asks_probe, check_id, checked_exercise, grade_id, is_untouched_look
from course.off_limits import Search
from grader.errors import CheckError
from grader.judging import Case, Check
from grader.judging.bars import bars
from grader.judging.deadline import OverTime, at_most
from grader.judging.judge import NOT_JUDGED, OFF_LIMITS, Verdict, judge, rng_for, runs_of, zero
from grader.running.execution import Evidence, Request
from grader.running.jobs import Outcome
from grader.units.unit import Unit

IMPORTED = re.compile(r"[^/.]+(/__init__)?(\.[^/]+)?\.(py|pyc|so)")
"""A module, or a package, that a notebook can import: in a folder alone, nothing is one in place of another."""
JUDGING_SECONDS = 60.0
"""CPU seconds for what one notebook gave; an ordinary one takes a tenth of one."""
UNTRAINED = "a trained model is asked for, and nothing in the answer trains one, unless with gradients written by hand."


def digest_of(notebook: NotebookNode, files: Mapping[str, bytes]) -> str:
    """The hash of all that a student wrote and that runs, or that what runs may read: what inputs are drawn from."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code" and not is_untouched_look(cell)]
    beside = [[name, hashlib.sha256(content).hexdigest()] for name, content in sorted(files.items())]
    return hashlib.sha256(json.dumps([*code, beside] if beside else code).encode()).hexdigest()


def cases_for(secret: bytes, unit: Unit, exercise: str, digest: str) -> tuple[Check, list[Case]]:
    """An exercise's check, and the cases drawn for one submission.

    Raises:
        CheckError: If the exercise has no check, or one that fails.
    """
    check = unit.check(exercise)
    with unit.naming(exercise):
        return check, check.draw(rng_for(secret, unit.name, exercise, digest))


@dataclass(frozen=True)
class Questions:
    """What is asked of one submission.

    Args:
        digest: Of what was handed in; see `digest_of`.
        points: By exercise, its maximum; also of ordinary tests, whose cells nbgrader judges by their assertions.
        asked: By exercise, its check and the cases drawn for this submission.
        broken: By exercise, the verdict where its check is missing or failed: that costs nobody the other exercises.
    """

    digest: str
    points: Mapping[str, float]
    asked: Mapping[str, tuple[Check, list[Case]]]
    broken: Mapping[str, Verdict]

    @property
    def requests(self) -> dict[str, Request]:
        """What the probe has to do, by `grade_id` of the check cell."""
        return {check_id(name): Request(runs_of(cases), check.off_limits) for name, (check, cases) in self.asked.items()}


def questions_for(
    notebook: NotebookNode, files: Mapping[str, bytes], of_unit: bool, unit: Unit | None, secret: bytes
) -> Questions:
    """Draw the inputs of every exercise in a sanitised notebook.

    Args:
        notebook: Sanitised.
        files: What the student handed in beside it, by path.
        of_unit: Whether it was released as a unit's; of an ordinary assignment nothing is asked.
        unit: The unit of its name, if there is one. Whatever has a check there is asked, too, so that a hidden line that
            somebody has removed gives nobody points.
        secret: The course's.
    """
    cells = {name: cell for cell in notebook.cells if (name := checked_exercise(cell))}
    points = {name: float(cell.metadata.nbgrader.points) for name, cell in cells.items()}
    probed = {name for name, cell in cells.items() if asks_probe(name, cell.source)} | set(unit.exercises if unit else ())
    asked: dict[str, tuple[Check, list[Case]]] = {}
    broken: dict[str, Verdict] = {}
    digest = digest_of(notebook, files)
    for exercise in (name for name in points if of_unit and name in probed):  # in the notebook's order
        try:
            if unit is None:
                raise CheckError("no unit of that name is found here")
            asked[exercise] = cases_for(secret, unit, exercise, digest)
        except Exception as error:
            broken[exercise] = _not_judged(f"its check failed ({type(error).__name__}: {error})")
    return Questions(digest, points, asked, broken)


def verdicts(
    notebook: NotebookNode, questions: Questions, outcome: Outcome, files: Collection[str], unreadable: str = ""
) -> dict[str, Verdict]:
    """Judge what an execution gave.

    Args:
        notebook: Sanitised.
        questions: What was asked.
        outcome: What came of it.
        files: Paths of what the student handed in beside the notebook.
        unreadable: Why there was nothing to execute, or "".

    Returns:
        By exercise, of those that have a check.
    """
    found = dict(questions.broken)
    if outcome.failed:
        return found | {exercise: _not_judged(outcome.failed) for exercise in questions.asked}
    own = _modules(files)
    importable = {file.partition(".")[0].removesuffix("/__init__") for file in files if IMPORTED.fullmatch(file)}
    hidden = min((name for name in importable if name in packages_installed()), default="")
    shadow = f"{hidden}, which was handed in beside the notebook, takes the place of an installed module." if hidden else ""
    known = {name: cell.metadata[WHY] for cell in notebook.cells if (name := grade_id(cell)) and WHY in cell.metadata}
    try:
        with at_most(JUDGING_SECONDS):
            search, places = _search(notebook, own)
            for exercise, (check, cases) in questions.asked.items():
                missing = Evidence(None, unreadable or "the check cell did not run.")
                evidence = outcome.evidence.get(check_id(exercise), missing)
                if evidence.payload is None and exercise in known:
                    evidence = Evidence(None, known[exercise])
                above = places.get(check_id(exercise))
                if banned := search.find(exercise, check.off_limits, above):
                    found[exercise] = zero(cases, OFF_LIMITS.format(name=banned))
                    continue
                verdict = _verdict(check, cases, evidence, questions.points[exercise], unreadable)
                doubt = (search.doubts(exercise, check.off_limits, above) or shadow) if verdict.points else ""
                if verdict.points and bars(cases) and not search.trains(exercise, above):
                    doubt = doubt or UNTRAINED
                found[exercise] = replace(verdict, person=doubt) if doubt else verdict
    except OverTime:
        reason = f"to judge what was handed in takes more than {JUDGING_SECONDS:g} s"
    except Exception as error:  # a bug of ours: it costs no submission
        reason = f"to search its source failed ({type(error).__name__}: {error})"
    else:
        return found
    return dict.fromkeys(questions.asked, _not_judged(reason)) | found


def _modules(files: Collection[str]) -> set[str]:
    """The modules that files beside a notebook would be."""
    modules = [PurePath(file).parts[0] for file in files if "/" in file or file.endswith((".py", ".pyc", ".so"))]
    return {module.partition(".")[0] for module in modules}


@cache
def packages_installed() -> frozenset[str]:
    """What can be imported here that is no student's: of Python's own all but its tests, whose name people give to files."""
    return frozenset(sys.stdlib_module_names - {"test"}) | frozenset(packages_distributions()) - {"tests", "test"}


def _search(notebook: NotebookNode, own: Collection[str]) -> tuple[Search, dict[str, int]]:
    """A notebook's code, to be searched, and the place of each marked cell in it."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    given = {number for number, cell in enumerate(code) if grade_id(cell) == SETUP or checked_exercise(cell)}
    return Search([cell.source for cell in code], given, own), {grade_id(cell): n for n, cell in enumerate(code)}


def _not_judged(reason: str) -> Verdict:
    return zero([], NOT_JUDGED, person=reason)


def _verdict(check: Check, cases: list[Case], found: Evidence, points: float, unreadable: str) -> Verdict:
    if found.payload is None:
        return zero(cases, f"No points: {found.reason}", person=unreadable)
    try:
        return judge(check, cases, found.payload, points)
    except Exception as error:  # a bug of ours in a check: no score is better than a wrong one
        return _not_judged(f"its check failed ({type(error).__name__}: {error})")
