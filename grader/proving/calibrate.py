"""Measures what right answers and weak baselines of the training exercises reach, for the table that the bars are taken from.

One call measures on the backend that Keras uses. It goes the way of a submission: cases drawn by the check, the probe, the
check's own measurement. Each seed draws other data and another secret and starts from other weights.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.errors import CheckError
from grader.judging.bars import ALTERNATIVE, REFERENCE, TABLE, Bar, Row, bars, digest, write_rows
from grader.judging.vocabulary import Edits
from grader.proving.rehearsal import rehearse
from grader.units import checks
from grader.units.text import UnitText, read_unit
from grader.units.variants import vary

COURSE = Path(__file__).parents[2]
SHARE = 10
"""Every other variant gets this many times fewer runs than the reference, but at least five."""


def trained_exercises(unit: str) -> list[str]:
    """The exercises of a unit whose check has a bar."""
    rng = np.random.default_rng
    return [name for name in checks.names(unit) if bars(checks.load(unit, name).cases(rng(0)))]


def variants(unit: str, exercise: str) -> dict[str, Edits | str]:
    """What is measured of an exercise, by name: the reference, its check's alternatives, and its module's `BASELINES`."""
    alternatives = {f"{ALTERNATIVE}{k}": edits for k, edits in enumerate(checks.load(unit, exercise).alternatives, start=1)}
    weak: Mapping[str, Edits | str] = importlib.import_module(f"grader.checks.{unit}.{exercise}").BASELINES
    return {REFERENCE: (), **alternatives, **weak}


def calibrate(
    unit: str,
    seeds: int = 100,
    exercises: Sequence[str] = (),
    course: Path = COURSE,
    table: Path = TABLE,
    console: Console | None = None,
) -> list[Row]:
    """Train every variant of a unit's training exercises over many seeds and write the table.

    The table is written after each variant, so that a run that is stopped keeps what it has measured. This process runs the
    solutions themselves, without a sandbox.

    Args:
        unit: The unit's id.
        seeds: Runs of each reference; the other variants get fewer, see `SHARE`.
        exercises: Which of the unit's; empty means all that have a bar.
        course: The course directory.
        table: The file to write.
        console: Where progress and results are printed.

    Returns:
        The new rows.

    Raises:
        CheckError: If an exercise has no bar, or a variant raises or gives evidence of the wrong form.
    """
    console = console or Console()
    text = read_unit(course, unit)
    known = trained_exercises(unit)
    if unknown := sorted(set(exercises) - set(known)):
        raise CheckError(f"{unit}: no bar in the check of {unknown[0]!r}; there is one for {', '.join(known) or 'none'}.")
    few = min(seeds, max(5, seeds // SHARE))
    plan = [
        (name, variant, vary(text.exercises[name].reference, edits), seeds if variant == REFERENCE else few)
        for name in exercises or known
        for variant, edits in variants(unit, name).items()
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    rows: list[Row] = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(unit, total=sum(count for *_, count in plan))
        for exercise, variant, source, count in plan:
            answer = answer_of(text, exercise, source)
            values: dict[str, list[float]] = {}
            for seed in range(count):
                progress.update(task, description=f"{exercise} · {variant}")
                for part, value in measure(unit, exercise, answer, seed).items():
                    values.setdefault(part, []).append(value)
                progress.advance(task)
            new = _rows(unit, exercise, variant, source, values)
            write_rows(new, table)
            rows += new
            for row in new:
                console.print(
                    f"{row.exercise} · {row.part} · {row.variant} · {row.backend}: mean {row.mean:.4f}, sd {row.sd:.4f}, "
                    f"min {row.min:.4f}, max {row.max:.4f}, {row.seeds} seeds"
                )
    return rows


def measure(unit: str, exercise: str, answer: Any, seed: int) -> dict[str, float]:
    """What an answer reaches on the cases of one seed: one number per part that has a bar.

    Raises:
        CheckError: If the answer raises, or its evidence has the wrong form.
    """
    import keras

    keras.backend.clear_session()
    gc.collect()
    _, judged = rehearse(unit, exercise, answer, np.random.default_rng(seed))
    if judged.errors:
        part, error = next(iter(judged.errors.items()))
        raise CheckError(f"{unit}/{exercise}, seed {seed}, {part}: {error}")
    return {part: float(bar.measure(judged.received[part])) for part, bar in bars(judged.cases).items()}


def answer_of(text: UnitText, exercise: str, source: str) -> Any:
    """The callable that a cell with this source defines, below the unit's set-up cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):  # the set-up cell reports backend and device
        exec(text.setup, namespace)
    exec(compile(source, f"<{exercise}>", "exec"), namespace)
    return namespace[exercise]


def _rows(unit: str, exercise: str, variant: str, source: str, values: Mapping[str, Sequence[float]]) -> list[Row]:
    import keras

    found: dict[str, Bar] = bars(checks.load(unit, exercise).cases(np.random.default_rng(0)))
    return [
        Row(
            unit,
            exercise,
            part,
            variant,
            keras.backend.backend(),
            digest(source),
            seeds=len(numbers),
            judged=found[part].judged,
            mean=statistics.fmean(numbers),
            sd=statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
            min=min(numbers),
            max=max(numbers),
        )
        for part, numbers in values.items()
    ]
