"""Judges the mutants of exercises in processes of their own, and demands a reason for each that a check lets through.

The reasons stand beside the check, in `<exercise>.survivors`: a line with the mutant's name, and below it, indented, why it is
right, or why no input can show that it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.errors import CheckError
from grader.proving.mutants import EQUIVALENT, KILLED, STILLBORN, STRICT, SURVIVOR, UNJUDGED, UNSTEADY, Fate, Trial
from grader.proving.processes import each
from grader.units.shelf import find_unit
from grader.units.unit import Unit

Task = tuple[str, str, int]
"""Unit, exercise, which of its mutants."""


def file_of(unit: Unit, exercise: str) -> Path:
    """Where the reasons for an exercise's survivors are."""
    return unit.checks_folder / f"{exercise}.survivors"


def read_reasons(file: Path) -> dict[str, str]:
    """Reasons by the name of the mutant; none where there is no file.

    Raises:
        CheckError: If a reason stands below no mutant, or a mutant has none.
    """
    found: dict[str, str] = {}
    name = ""
    for number, line in enumerate(file.read_text("utf-8").splitlines() if file.is_file() else [], start=1):
        if not line.strip():
            continue
        if not line[0].isspace():
            name = line.strip()
            if name in found:
                raise CheckError(f"{file}:{number}: this mutant is there twice.")
            found[name] = ""
        elif not name:
            raise CheckError(f"{file}:{number}: expected a mutant's name before its reason, which is indented.")
        else:
            found[name] = f"{found[name]} {line.strip()}".strip()
    if bare := [name for name, reason in found.items() if not reason]:
        raise CheckError(f"{file}: expected a reason, indented, below {bare[0]!r}.")
    return found


def judge_mutants(
    course: Path, units: Sequence[Unit], exercise: str, backend: str, draws: int, workers: int, train: bool, console: Console
) -> dict[tuple[str, str], list[Fate]]:
    """What becomes of the mutants of units, or of one exercise. Writes nothing.

    Args:
        course: The course directory.
        units: Whose.
        exercise: The only one of interest; "" for all.
        backend: On which.
        draws: On how many broad inputs a mutant is compared with the reference.
        workers: Processes at once.
        train: Whether mutants that train are judged, too, each once.
        console: Where progress is shown.

    Returns:
        By unit and exercise, in the order of the mutants.
    """
    trials = {
        (unit.name, part): Trial(unit, part, draws)
        for unit in units
        for part in ([exercise] if exercise else unit.text.exercises)
    }
    mutants = {place: trial.mutants() for place, trial in trials.items()}
    found = {place: [Fate(mutant, UNJUDGED) for mutant in made] for place, made in mutants.items()}
    tasks = [
        (*place, number) for place, made in mutants.items() if train or not trials[place].trains for number in range(len(made))
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(tasks))
        for (unit_name, part, number), fate in each(partial(_judge, course, draws), tasks, backend, workers):
            mutant = mutants[unit_name, part][number]
            found[unit_name, part][number] = fate or Fate(mutant, KILLED, sentence="the process died")
            progress.update(bar, advance=1, description=f"{unit_name} · {part}")
    return found


@cache
def _trial(course: Path, name: str, exercise: str, draws: int) -> Trial:
    return Trial(find_unit(course, name), exercise, draws)


def _judge(course: Path, draws: int, task: Task) -> Fate:
    """What becomes of one mutant, in a process that uses the backend."""
    name, exercise, number = task
    trial = _trial(course, name, exercise, draws)
    with trial.unit.beside():
        return trial.fate(trial.mutants()[number])


# --- what is shown ---


def table(judged: Mapping[tuple[str, str], Sequence[Fate]]) -> Table:
    """How many mutants each exercise has, and what became of them."""
    heads = ("unit", "exercise", "mutants", "raise", "killed", "named", "sometimes", "equal", "equal, rejected", "survive")
    shown = Table(*heads, title="mutants")
    for (unit, exercise), fates in judged.items():
        ends = Counter(fate.end for fate in fates)
        if ends[UNJUDGED]:
            shown.add_row(unit, exercise, str(len(fates)), "they train")
            continue
        dead = [fate for fate in fates if fate.end in (KILLED, UNSTEADY)]
        named = f"{100 * sum(fate.named for fate in dead) / len(dead):.0f} %" if dead else "–"
        counts = [ends[STILLBORN], ends[KILLED], named, ends[UNSTEADY], ends[EQUIVALENT], ends[STRICT], ends[SURVIVOR]]
        shown.add_row(unit, exercise, str(len(fates)), *map(str, counts))
    return shown


def described(fates: Iterable[Fate], *ends: str) -> list[str]:
    """Lines about mutants that ended so: what was changed, and what the line says now."""
    return [
        f"{fate.end}, all points on {fate.passed} of {fate.seeds}: {fate.mutant.name}\n"
        f"    line {fate.mutant.line}: {fate.mutant.after}"
        for fate in fates
        if fate.end in ends
    ]


def unexplained(unit: Unit, exercise: str, fates: Sequence[Fate]) -> list[str]:
    """What is wrong: survivors without a reason, and reasons without a survivor."""
    if any(fate.end == UNJUDGED for fate in fates):
        return []
    reasons = read_reasons(file_of(unit, exercise))
    survivors = {fate.mutant.name: fate for fate in fates if fate.end == SURVIVOR}
    alone = [survivors[name] for name in survivors if name not in reasons]
    unsteady = {fate.mutant.name for fate in fates if fate.end == UNSTEADY}
    idle = [name for name in reasons if name not in survivors and name not in unsteady]
    return [*described(alone, SURVIVOR), *(f"explained, but no survivor: {name}" for name in idle)]
