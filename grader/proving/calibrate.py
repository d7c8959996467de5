"""Measures what right answers and weak baselines of the training exercises reach, for the table that the bars are taken from.

One call measures on the backend that Keras uses. It goes the way of a submission: cases drawn by the check, the probe, the
check's own measurement. Each seed draws other data and another secret and starts from other weights.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.errors import CheckError
from grader.judging import Edits
from grader.judging.bars import Bar, bars, bars_of
from grader.proving.measurements import ALTERNATIVE, FILE, REFERENCE, Row, demands, read_table, write_rows
from grader.proving.reach import Source, check_argument, digest, effects, names_in
from grader.proving.rehearsal import answer_of, rehearse
from grader.units.unit import Unit
from grader.units.variants import vary

SHARE = 10
"""Every other variant gets this many times fewer runs than the reference, but at least five."""


def table_of(unit: Unit) -> Path:
    """Where a unit's measurements are."""
    return unit.checks_folder / FILE


def trained_exercises(unit: Unit) -> list[str]:
    """The exercises of a unit whose answers train, as their checks have a bar."""
    return [name for name, check in unit.checks().items() if bars_of(check)]


def variants(unit: Unit, exercise: str) -> dict[str, Edits | str]:
    """What is measured of an exercise, by name: the reference, its check's alternatives, and its module's `BASELINES`.

    Raises:
        CheckError: If there are no baselines: then nobody knows what the bar is above of.
    """
    alternatives = {f"{ALTERNATIVE}{k}": edits for k, edits in enumerate(unit.check(exercise).alternatives, start=1)}
    weak: Mapping[str, Edits | str] = getattr(unit.check_module(exercise), "BASELINES", {})
    if not weak:
        raise CheckError(f"{unit.check_file(exercise)}: expected BASELINES = {{…}}, weak answers by name, found none.")
    return {REFERENCE: (), **alternatives, **weak}


def source_digest(unit: Unit, exercise: str, source: str) -> str:
    """The digest of all that a measurement of an answer depends on: the answer, and what it and the check's cases reach."""
    answer = Source(f"{unit.text.setup}\n{source}", beside=unit.files_folder)
    check = Source(unit.check_file(exercise).read_text(), unit.checks_folder)
    data = [content for name, content in unit.files.items() if not name.endswith(".py")]
    cases = check_argument(check, "cases")
    return digest((answer, {exercise, *names_in("\n".join(effects(unit.text.setup)))}), (check, names_in(cases)), data=data)


def complaints(unit: Unit, exercise: str) -> list[str]:
    """What is wrong with the bars of an exercise, and with the measurements that they rest on."""
    if exercise not in unit.text.exercises or not (found := bars_of(unit.check(exercise))):
        return []
    reference = unit.text.exercises[exercise].reference
    sources = {name: vary(reference, edits) for name, edits in variants(unit, exercise).items()}
    now = {name: source_digest(unit, exercise, source) for name, source in sources.items()}
    rows = [row for row in read_table(table_of(unit)) if row.exercise == exercise]
    wrong = []
    for part, bar in found.items():
        measured = [row for row in rows if row.part == part]
        if {(row.variant, row.source) for row in measured} != set(now.items()):
            wrong.append(f"{part}: what was measured has changed; run `grader calibrate {unit.name}` on each backend")
        wrong += [f"{part}: {complaint}" for complaint in demands(bar, measured)]
    return wrong


def calibrate(
    unit: Unit, seeds: int = 100, exercises: Sequence[str] = (), table: Path | None = None, console: Console | None = None
) -> list[Row]:
    """Train every variant of a unit's training exercises over many seeds and write the table.

    The table is written after each variant, so that a run that is stopped keeps what it has measured. This process runs the
    solutions themselves, without a sandbox.

    Args:
        unit: Whose.
        seeds: Runs of each reference; the other variants get fewer, see `SHARE`.
        exercises: Which of the unit's; empty means all that have a bar.
        table: The file to write; the unit's own by default.
        console: Where progress and results are printed.

    Returns:
        The new rows.

    Raises:
        CheckError: If an exercise has no bar, or a variant raises or gives evidence of the wrong form.
    """
    console = console or Console()
    table = table or table_of(unit)
    known = trained_exercises(unit)
    if unknown := sorted(set(exercises) - set(known)):
        raise CheckError(f"{unit.name}: no bar in the check of {unknown[0]!r}; there is one for {', '.join(known) or 'none'}.")
    few = min(seeds, max(5, seeds // SHARE))
    plan = [
        (name, variant, vary(unit.text.exercises[name].reference, edits), seeds if variant == REFERENCE else few)
        for name in exercises or known
        for variant, edits in variants(unit, name).items()
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    rows: list[Row] = []
    with Progress(*columns, console=console) as progress, unit.beside():
        task = progress.add_task(unit.name, total=sum(count for *_, count in plan))
        for exercise, variant, source, count in plan:
            answer = answer_of(unit, exercise, source)
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


def measure(unit: Unit, exercise: str, answer: Any, seed: int) -> dict[str, float]:
    """What an answer reaches on the cases of one seed: one number per part that has a bar.

    Raises:
        CheckError: If the answer raises, or its evidence has the wrong form.
    """
    import keras

    keras.backend.clear_session()
    gc.collect()
    _, judged = rehearse(unit.check(exercise), answer, np.random.default_rng(seed))
    if judged.errors:
        part, error = next(iter(judged.errors.items()))
        raise CheckError(f"{unit.name}/{exercise}, seed {seed}, {part}: {error}")
    return {part: float(bar.measure(judged.received[part])) for part, bar in bars(judged.cases).items()}


def _rows(unit: Unit, exercise: str, variant: str, source: str, values: Mapping[str, Sequence[float]]) -> list[Row]:
    import keras

    found: dict[str, Bar] = bars_of(unit.check(exercise))
    return [
        Row(
            exercise,
            part,
            variant,
            keras.backend.backend(),
            source_digest(unit, exercise, source),
            seeds=len(numbers),
            judged=found[part].judged,
            mean=statistics.fmean(numbers),
            sd=statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
            min=min(numbers),
            max=max(numbers),
        )
        for part, numbers in values.items()
    ]
