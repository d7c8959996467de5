"""Runs an answer and its check in this process, without a notebook: what the check-level tests share."""

import logging.config
import warnings
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from grader.cli import app
from grader.proving.rehearsal import answer_of, rehearse
from grader.units.shelf import SHIPPED

COURSE = Path(__file__).parent.parent
UNITS = {unit.name: unit for unit in sorted(SHIPPED.units(), key=lambda unit: unit.order)}
"""Those that the course ships, by name, in teaching order."""


def reference(unit: str, exercise: str) -> str:
    """The source of the reference's answer."""
    return UNITS[unit].text.exercises[exercise].reference


def answer(unit: str, exercise: str, source: str):
    """The callable that a cell with this source defines, below the unit's set-up cell."""
    return answer_of(UNITS[unit], exercise, source)


def call(*arguments: object, code: int = 0) -> str:
    """The words that a command of ours prints. It runs in this process, since it imports for seconds."""
    # An nbgrader's first log closes all handlers, and TensorFlow's closes its stream, unless that is standard error: inside the
    # runner it would be pytest's that is closed.
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def edit(path: Path, old: str, new: str) -> None:
    """Change a file's text in one place."""
    text = path.read_text()
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1))


def grade(unit: str, exercise: str, source: str, seed: int = 0):
    """The verdict on a source, of 100 points, and what was judged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a student's kernel a warning is no error
        return rehearse(UNITS[unit].check(exercise), answer(unit, exercise, source), np.random.default_rng(seed))
