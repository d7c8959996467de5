"""Runs an answer and its check in this process, without a notebook: what the check-level tests share."""

import logging.config
import subprocess
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from grader.cli import app
from grader.proving.proofs import file_of, read_rows
from grader.proving.prove import parts_of
from grader.proving.rehearsal import answer_of, rehearse
from grader.units.shelf import SHIPPED

COURSE = Path(__file__).parent.parent
UNITS = {unit.name: unit for unit in sorted(SHIPPED.units(), key=lambda unit: unit.order)}
"""Those that the course ships, by name, in teaching order."""


def commit() -> str:
    """The commit that is tested, or "" where there is none, as in what was unpacked."""
    return git("rev-parse", "HEAD")


def day_before() -> datetime:
    """A day before the commit that is tested: what was changed or proven since then is new in it."""
    made = git("log", "-1", "--format=%cI")
    return (datetime.fromisoformat(made) if made else datetime.now(UTC)) - timedelta(days=1)


TESTS = [f"tests/test_{name}.py" for name in UNITS]
OF_UNITS = ("assignments", "course/data", "course/units", "grader/checks", "solutions", *TESTS)
"""What belongs to units; all else is the platform."""


def platform_changed() -> bool:
    """Whether something that belongs to no unit was changed in the day before the commit, or nobody can say so."""
    others = [f":(exclude){path}" for path in (*OF_UNITS, "README.md")]  # the README has a table of units
    made = git("log", "-1", "--format=%cI", "--", ".", *others)
    return not made or datetime.fromisoformat(made) > day_before()


def changed_units() -> list[str]:
    """Units of which something was proven anew in the day before the commit."""
    since = day_before()
    files = {name: [file_of(unit, part) for part in parts_of(unit)] for name, unit in UNITS.items()}
    rows = {name: [row for file in found for row in read_rows(file).values()] for name, found in files.items()}
    return [name for name, found in rows.items() if any(datetime.fromisoformat(row.made) > since for row in found)]


def graded_whole() -> list[str]:
    """Units whose whole classes are graded: `mlp`, and of those that changed one, chosen by the commit."""
    changed = [name for name in changed_units() if name != "mlp"]
    return ["mlp", *(changed[int(commit() or "0", 16) % len(changed)] for _ in changed[:1])]


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=COURSE, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


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


def grade(unit: str, exercise: str, source: str, seed: int = 0):
    """The verdict on a source, of 100 points, and what was judged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in a student's kernel a warning is no error
        return rehearse(UNITS[unit].check(exercise), answer(unit, exercise, source), np.random.default_rng(seed))
