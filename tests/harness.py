"""Runs an answer and its check in this process, without a notebook: what the check-level tests share."""

import warnings
from functools import cache
from pathlib import Path

import keras
import numpy as np

from grader.proving.rehearsal import rehearse
from grader.units.shelf import SHIPPED

COURSE = Path(__file__).parent.parent
UNITS = {unit.name: unit for unit in sorted(SHIPPED.units(), key=lambda unit: unit.order)}
"""Those that the course ships, by name, in teaching order."""


@cache
def _setup(unit: str) -> dict:
    namespace: dict = {"__name__": "__main__"}
    exec(UNITS[unit].text.setup, namespace)
    return namespace


def reference(unit: str, exercise: str) -> str:
    """The source of the reference's answer."""
    return UNITS[unit].text.exercises[exercise].reference


def answer(unit: str, exercise: str, source: str):
    """The callable that a cell with this source defines, below the unit's set-up cell."""
    namespace = dict(_setup(unit))
    registered = keras.saving.get_custom_objects()
    before = dict(registered)
    exec(compile(source, f"<{exercise}>", "exec"), namespace)
    # A class registers itself for loading under its name: a mistake must not be what other tests load.
    registered.clear()
    registered.update(before)
    return namespace[exercise]


def grade(unit: str, exercise: str, source: str, seed: int = 0):
    """The verdict on a source, of 100 points, and what was judged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a student's kernel a warning is no error
        return rehearse(UNITS[unit].check(exercise), answer(unit, exercise, source), np.random.default_rng(seed))
