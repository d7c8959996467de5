"""Sees the laws of exercises that nobody has seen since something changed, and writes each down as soon as it is seen."""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.errors import CourseError
from grader.proving.calibrate import complaints
from grader.proving.laws import DRAWS, VISIBLE, Seen
from grader.proving.notebooks import NOTEBOOK
from grader.proving.processes import each
from grader.proving.proofs import BACKENDS, Row, file_of, laws, read_rows, source_of, stale, write_row
from grader.units.shelf import find_unit
from grader.units.unit import Unit

Task = tuple[str, str, str]
"""Unit, exercise, law."""


def parts_of(unit: Unit, exercise: str = "") -> list[str]:
    """What of a unit has rows: one exercise, or all of them and the notebook."""
    return [exercise] if exercise else [*unit.text.exercises, NOTEBOOK]


def installed() -> list[str]:
    """The backends of Keras that are installed."""
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def prove(
    course: Path, units: Sequence[Unit], exercise: str, backends: Sequence[str], draws: int, workers: int, console: Console
) -> None:
    """See what is stale of units, or of one exercise, and write it beside the checks.

    What is stopped goes on from there: a row is written when it was seen. This runs the solutions and the known wrong answers
    in processes of its own, without a sandbox.

    Args:
        course: The course directory.
        units: Whose.
        exercise: The only one of interest; "" for all, and the notebooks.
        backends: On which.
        draws: How often inputs are drawn where distances are measured.
        workers: Processes at once.
        console: Where progress is shown.
    """
    by_name = {unit.name: unit for unit in units}
    todo = {
        backend: [
            (unit.name, part, law)
            for unit in units
            for part in parts_of(unit, exercise)
            for law in stale(unit, part, backend, draws)
        ]
        for backend in backends
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=sum(map(len, todo.values())))
        for backend, tasks in todo.items():
            for (name, part, law), row in _rows(course, tasks, backend, draws, workers):
                known = list(laws(by_name[name], part))
                write_row(file_of(by_name[name], part), row, known)
                progress.update(bar, advance=1, description=f"{backend} · {name} · {part} · {law}")
                if not row.holds:
                    console.print(f"{backend} · {name} · {part} · {law}: {row.verdict}", style="red", markup=False)


def _rows(course: Path, tasks: Iterable[Task], backend: str, draws: int, workers: int) -> Iterator[tuple[Task, Row]]:
    """See laws in processes that use a backend. One that dies with a law has seen that it does not hold."""
    for task, row in each(partial(_see, course, backend=backend, draws=draws), tasks, backend, workers):
        yield task, row or _died(course, task, backend, draws)


def _see(course: Path, task: Task, backend: str, draws: int) -> Row:
    """See one law, in a process that uses the backend."""
    import keras

    name, part, law_name = task
    unit = find_unit(course, name)
    law = laws(unit, part)[law_name]
    source, begun = source_of(unit, part, law, backend), _seconds()
    with unit.beside():
        seen = law.seen(draws)
    keras.backend.clear_session()
    gc.collect()
    return Row.of(law, backend, seen, draws, _seconds() - begun, source)


def _seconds() -> float:
    """The processor's, of this process and those that it has waited for, such as a notebook's kernel."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _died(course: Path, task: Task, backend: str, draws: int) -> Row:
    unit = find_unit(course, task[0])
    law = laws(unit, task[1])[task[2]]
    return Row.of(law, backend, Seen(False, "the process died"), draws, 0, source_of(unit, task[1], law, backend))


# --- what is known ---


def faults(unit: Unit, exercise: str, backends: Sequence[str], draws: int = DRAWS) -> list[str]:
    """What keeps an exercise from being proven: laws, rows that are stale, bars that were not measured."""
    found, rows, known = complaints(unit, exercise), read_rows(file_of(unit, exercise)), laws(unit, exercise)
    for backend in backends:
        late = stale(unit, exercise, backend, draws)
        found += [f"{backend} · {law}: {why}" for law, why in late.items()]
        found += [
            f"{backend} · {row.law}: {row.verdict}"
            for row in rows.values()
            if row.backend == backend and not row.holds and row.law not in late and row.law in known
        ]
    return found


def table(units: Sequence[Unit], exercise: str, backends: Sequence[str], draws: int) -> tuple[Table, list[str]]:
    """What is proven of units, and what is missing: how many laws hold of each exercise on each backend, and how many of the
    known mistakes its visible check catches, on the first of them.
    """
    shown = Table("unit", "exercise", *backends, VISIBLE, "seconds", title="laws that hold")
    missing = []
    for unit in units:
        for part in parts_of(unit, exercise):
            total, rows = len(laws(unit, part)), read_rows(file_of(unit, part))
            wrong = faults(unit, part, backends, draws)
            missing += [f"{unit.name} · {part} · {line}" for line in wrong]
            counts = [total - sum(line.startswith(f"{backend} ·") for line in wrong) for backend in backends]
            cells = [f"[{'green' if count == total else 'red'}]{count} of {total}" for count in counts]
            spent = sum(row.seconds for row in rows.values() if row.backend in backends)
            visible = next((rows[VISIBLE, backend].verdict for backend in backends if (VISIBLE, backend) in rows), "")
            shown.add_row(unit.name, part, *cells, escape(visible), f"{spent:.0f}")
    return shown, missing


def demand_exercise(units: Sequence[Unit], exercise: str) -> None:
    """Demand that one unit was named if an exercise was, and that it has it.

    Raises:
        CourseError: If not; the message lists those that there are.
    """
    if exercise and (len(units) != 1 or exercise not in units[0].text.exercises):
        names = ", ".join(units[0].text.exercises) if len(units) == 1 else "one unit"
        raise CourseError(f"there is no exercise {exercise!r}; expected one of {names}.")
