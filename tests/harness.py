"""Runs an answer and its check in this process, without a notebook: what the check-level tests share."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from course import probe, syllabus
from grader import checks
from grader.judge import judge, runs_of
from grader.notebooks import UnitText, read_unit

COURSE = Path(__file__).parent.parent


@cache
def unit_text(unit: str) -> UnitText:
    return read_unit(COURSE, unit)


@cache
def _setup(unit: str) -> dict:
    namespace: dict = {"__name__": "__main__"}
    exec(unit_text(unit).setup, namespace)
    return namespace


def answer(unit: str, exercise: str, source: str):
    """The callable that a cell with this source defines, below the unit's set-up cell."""
    namespace = dict(_setup(unit))
    exec(compile(source, f"<{exercise}>", "exec"), namespace)
    return namespace[exercise]


def grade(unit: str, exercise: str, source: str, seed: int = 0, points: float = 100.0):
    """The verdict on a source, and the evidence."""
    check = checks.load(unit, exercise)
    cases = check.cases(np.random.default_rng(seed))
    off_limits = syllabus.unit(unit).off_limits.get(exercise, ())
    evidence = probe.collect(answer(unit, exercise, source), runs_of(cases), off_limits)
    evidence = json.loads(json.dumps(evidence))
    return judge(check, cases, evidence, points), cases, evidence
