"""A unit's text and its solutions, read and joined.

The text, `<unit>.py`, begins with what is known of the unit, and marks its places in py:percent cells:

    # %% [markdown] title="Attention" minutes=90 order=4 builds="scores, masks, heads"     the first cell
    # %% setup=true                                       the imports; locked, runs first
    # %% exercise="softmax"                               empty: filled from the solutions
    # %% exercise="MultiHeadAttention" write=["call"]     of a class, the methods that the student writes
    # %% check="softmax" points=4                         the visible check; with points=0 it counts nothing any more
    # %% claims=true                                      asserts that what the text says of the cells above is so: in no
                                                          notebook, and run by `grader prove` with the rest
    # %% measure="depth"                                  defines a generator of rows, for a table that takes longer than a
                                                          notebook may: in no notebook, and run by `grader measure`

Source lines are spliced, never regenerated, so that a notebook shows the solution's own formatting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from course.source import ALWAYS_THERE, defined, used
from grader.errors import BuildError
from grader.units.splice import Exercise, parsed, read_source, splice

MARKERS = {"setup", "exercise", "write", "check", "points", "claims", "measure", "lines_to_next_cell"}
"""Those that any cell may use, and one that jupytext adds."""
OWN_CELLS = {"claims", "measure"}
"""What marks cells that stand in no notebook."""


@dataclass(frozen=True)
class Head:
    """What a text's first cell says of its unit.

    Args:
        title: What a student reads.
        minutes: Time to plan for.
        order: Place among the units; the last for one that does not say.
        builds: What students build in it, for a table of the units.
    """

    title: str
    minutes: float
    order: float = float("inf")
    builds: str = ""


HEAD = {field.name for field in fields(Head)}


@dataclass(frozen=True)
class UnitText:
    """A unit's text, joined with its solutions.

    Args:
        name: The unit's name.
        path: Where the text stands.
        setup: Source of the set-up cell.
        exercises: By name, in the order of the text.
        cells: The cells of the text as jupytext reads them.
    """

    name: str
    path: Path
    setup: str
    exercises: dict[str, Exercise]
    cells: Sequence[NotebookNode]

    @property
    def points(self) -> float:
        """The sum of the exercises' points."""
        return sum(exercise.points for exercise in self.exercises.values())


def read_head(path: Path) -> Head:
    """Read what a text's first cell says of its unit.

    Raises:
        BuildError: If it says too little, or what it says is of the wrong kind.
    """
    first, *_ = re.split(r"^(?=# %%)", read_source(path), maxsplit=2, flags=re.MULTILINE)[1:] or [""]
    mark = jupytext.reads(first, fmt="py:percent").cells[0].metadata if first else {}
    known = {name: mark[name] for name in HEAD & set(mark)}
    wanted = f'{path}:1: the first cell must begin with # %% [markdown] title="…" minutes=… and may say order=… and builds="…"'
    for name, kind, what in (("title", str, "a text"), ("minutes", int | float, "a positive number")):
        if not isinstance(known.get(name), kind) or not known[name] or (name == "minutes" and known[name] <= 0):
            raise BuildError(f"{wanted}; {name} is {f'{known[name]!r}' if name in known else 'missing'}, expected {what}.")
    if not isinstance(known.get("order", 0), int | float) or not isinstance(known.get("builds", ""), str):
        raise BuildError(f"{wanted}; order is a number, and builds a text.")
    return Head(**known)


def read_text(name: str, path: Path, solution: Path) -> UnitText:
    """Read a text, and join it with the solutions.

    Raises:
        BuildError: If a marker is wrong, names nothing, or is used twice; the message names the file and the line.
    """
    for file in (path, solution):
        if not file.is_file():
            raise BuildError(f"{file}: not found; unit {name!r} needs it.")
    text = read_source(path)
    parsed(path)
    cells = jupytext.reads(text, fmt="py:percent").cells
    lines = _marker_lines(text)
    if len(cells) != len(lines):
        raise BuildError(f"{path}: {len(lines)} lines start with '# %%', but they make {len(cells)} cells; is one in a string?")
    setups: list[str] = []
    places: dict[str, tuple[str, list[str]]] = {}
    points: dict[str, float] = {}
    measured: list[str] = []
    for cell, line in zip(cells, lines, strict=True):
        where, mark = f"{path}:{line}", cell.metadata
        if "incorrectly_encoded_metadata" in mark:
            raise BuildError(
                f"{where}: the marker cannot be read: {mark['incorrectly_encoded_metadata']}; texts stand in quotes."
            )
        if "points" in mark and not mark.get("check"):
            raise BuildError(f"{where}: points= stands in a cell that is no check.")
        if unknown := set(mark) - MARKERS - (HEAD if cell is cells[0] else set()):
            raise BuildError(
                f"{where}: unknown marker {sorted(unknown)}; expected setup, exercise, write, check, points, claims or measure."
            )
        for own in OWN_CELLS & set(mark):
            if cell.cell_type != "code" or set(mark) & {"setup", "exercise", "check"}:
                raise BuildError(f"{where}: what is marked {own}= stands in a cell of code of its own.")
        if "measure" in mark:
            if mark["measure"] in measured:
                raise BuildError(f"{where}: a table {mark['measure']!r} is measured twice.")
            if mark["measure"] not in defined(cell.source):
                raise BuildError(f"{where}: the cell defines no {mark['measure']!r}, a generator of the table's rows.")
            measured.append(mark["measure"])
        if mark.get("setup"):
            setups.append(cell.source)
        if exercise := mark.get("exercise"):
            if exercise in places:
                raise BuildError(f"{where}: exercise {exercise!r} is there twice.")
            if cell.source.strip():
                raise BuildError(f"{where}: the cell of exercise {exercise!r} must be empty; it is filled from {solution}.")
            places[exercise] = (where, mark.get("write", []))
        if check := mark.get("check"):
            if check in points:
                raise BuildError(f"{where}: the check of {check!r} is there twice.")
            if check not in places:
                raise BuildError(f"{where}: check {check!r} stands before its exercise, or there is none of that name.")
            if type(mark.get("points")) not in (int, float) or mark["points"] < 0 or mark["points"] % 0.25:
                raise BuildError(f"{where}: check {check!r} needs points=<a multiple of 0.25>, found {mark.get('points')!r}.")
            points[check] = mark["points"]
    if len(setups) != 1:
        raise BuildError(f"{path}: expected one cell marked setup=true, found {len(setups)}.")
    if "probe" not in defined(setups[0]):
        raise BuildError(f"{path}: the set-up cell does not import probe, which the hidden line of each check calls.")
    if not places:
        raise BuildError(f'{path}: expected an exercise, a cell # %% exercise="…", found none.')
    exercises = {}
    for exercise, (where, write) in places.items():
        if exercise not in points:
            raise BuildError(f'{where}: exercise {exercise!r} has no check; add # %% check="{exercise}" points=….')
        exercises[exercise] = splice(solution, exercise, write, points[exercise], where)
    unit = UnitText(name, path, setups[0], exercises, cells)
    _demand_defined_names(unit, lines)
    return unit


def _marker_lines(text: str) -> list[int]:
    """The line on which each cell of a py:percent text starts, as jupytext counts cells."""
    starts = [number for number, line in enumerate(text.splitlines(), 1) if re.match(r"# %%( |$)", line)]
    before = text.splitlines()[: starts[0] - 1] if starts else text.splitlines()
    return starts if not any(line.strip() for line in before) else [1, *starts]


def _demand_defined_names(unit: UnitText, lines: Sequence[int]) -> None:
    """Demand that each cell uses only names that the notebook has defined, and each reference only the set-up cell's."""
    known = set(ALWAYS_THERE)
    setup = known | defined(unit.setup)
    for cell, line in zip(unit.cells, lines, strict=True):
        if cell.cell_type != "code":
            continue
        where = f"{unit.path}:{line}"
        if name := cell.metadata.get("exercise"):
            source, allowed = unit.exercises[name].reference, setup | {name}
            what = f"the reference of {name!r} uses {{}}, which the set-up cell does not define"
        else:
            source, allowed = cell.source, known
            what = "the cell uses {}, which no cell above defines"
        if unknown := sorted(used(source) - allowed - (set() if name else defined(source))):
            raise BuildError(f"{where}: {what.format(', '.join(map(repr, unknown)))}.")
        if not OWN_CELLS & set(cell.metadata):
            known |= defined(source)
        elif again := sorted(defined(source) & known):
            raise BuildError(f"{where}: the cell defines {', '.join(map(repr, again))} anew, which a cell above has defined.")
