"""Judges an answer in this very process: for instructors in their own Jupyter, and for tests. Never for submissions."""

from __future__ import annotations

import contextlib
import inspect
import json
from typing import Any

import numpy as np

from course import probe, syllabus
from course.off_limits import find
from grader.classroom.questions import OFF_LIMITS
from grader.errors import CheckError
from grader.judging.judge import Verdict, judge, read, runs_of, zero
from grader.judging.vocabulary import Judged
from grader.units import checks


def rehearse(unit: str, exercise: str, answer: Any, rng: np.random.Generator, points: float = 100.0) -> tuple[Verdict, Judged]:
    """Call an answer on drawn inputs, and judge what came out.

    Args:
        unit: The unit's id.
        exercise: Name of the exercise.
        answer: The callable.
        rng: Draws the inputs.
        points: The maximum.
    """
    check = checks.load(unit, exercise)
    cases = list(check.cases(rng))
    evidence = probe.collect(answer, runs_of(cases), syllabus.unit(unit).off_limits.get(exercise, ()))
    evidence = json.loads(json.dumps(evidence))  # what a kernel's message would carry
    return judge(check, cases, evidence, points), read(check, cases, evidence)


def show_verdict(answer: Any) -> None:
    """Print the verdict on an answer that bears its exercise's name; `%load_ext grader` makes `probe` do this."""
    name = getattr(answer, "__name__", type(answer).__name__)
    units = [unit.id for unit in syllabus.UNITS if name in checks.names(unit.id)]
    if not units:
        raise CheckError(f"no exercise is named {name!r}.")
    verdict, _ = rehearse(units[0], name, answer, np.random.default_rng())
    with contextlib.suppress(OSError, TypeError):  # no source: the kernel's block is all there is
        if banned := find(name, [inspect.getsource(answer)], syllabus.unit(units[0]).off_limits.get(name, ())):
            verdict = zero([], OFF_LIMITS.format(name=banned))
    print(f"{name}: {verdict.points:g} %. {verdict.sentence}")
