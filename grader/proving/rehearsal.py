"""Judges an answer in this very process: for instructors in their own Jupyter, and for tests. Never for submissions."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from course import probe
from course.off_limits import Search
from grader.errors import CheckError
from grader.judging import Check, Judged
from grader.judging.judge import OFF_LIMITS, Verdict, judge, read, runs_of, zero
from grader.units.shelf import having
from grader.units.unit import Unit


def rehearse(check: Check, answer: Any, rng: np.random.Generator, points: float = 100.0) -> tuple[Verdict, Judged]:
    """Call an answer on drawn inputs, and judge what came out.

    Args:
        check: The exercise's.
        answer: The callable.
        rng: Draws the inputs.
        points: The maximum.
    """
    cases = check.draw(rng)
    evidence = probe.collect(answer, runs_of(cases), check.off_limits)
    evidence = json.loads(json.dumps(evidence))  # what a kernel's message would carry
    return judge(check, cases, evidence, points), read(check, cases, evidence)


def answer_of(unit: Unit, exercise: str, source: str) -> Any:
    """The callable that a cell with this source defines, below the unit's set-up cell."""
    return namespace_of(unit, exercise, source)[exercise]


def namespace_of(unit: Unit, exercise: str, source: str) -> dict[str, Any]:
    """What a cell with this source, and the unit's set-up cell above it, define."""
    import keras

    namespace: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):  # the set-up cell reports backend and device
        exec(unit.text.setup, namespace)
    registered = keras.saving.get_custom_objects()
    before = dict(registered)
    exec(compile(source, f"<{exercise}>", "exec"), namespace)
    # A class registers itself for loading under its name: a mistake must not be what others load.
    registered.clear()
    registered.update(before)
    return namespace


def show_verdict(answer: Any, units: Sequence[Unit]) -> None:
    """Print the verdict on an answer that bears its exercise's name, one for each unit that has such an exercise."""
    name = getattr(answer, "__name__", type(answer).__name__)
    found = having(units, name)
    if not found:
        raise CheckError(f"no exercise is named {name!r}.")
    for unit in found:
        check = unit.check(name)
        verdict, _ = rehearse(check, answer, np.random.default_rng())
        with contextlib.suppress(OSError, TypeError):  # no source: the kernel's block is all there is
            if banned := Search([inspect.getsource(answer)]).find(name, check.off_limits):
                verdict = zero([], OFF_LIMITS.format(name=banned))
        where = name if len(found) == 1 else f"{unit.name}/{name}"
        print(f"{where}: {verdict.points:g} %. {verdict.sentence}")
