"""A unit's text and its solutions become a source notebook, and that becomes a release.

The text, `course/units/<unit>.py`, marks its places in py:percent cells:

    # %% setup=true                                       the imports; locked, runs first
    # %% exercise="softmax"                               empty: filled from solutions/<unit>.py
    # %% exercise="MultiHeadAttention" write=["call"]     of a class, the methods that the student writes
    # %% check="softmax" points=4                         the visible check

Source lines are spliced, never regenerated, so that a notebook shows the solution's own formatting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import syllabus
from course.cells import BEGIN_HIDDEN, END_HIDDEN, LOOK, SETUP, check_id, content_id, marked_cell
from course.source import ALWAYS_THERE, defined, used
from grader.errors import BuildError
from grader.units.splice import BEGIN_SOLUTION, END_SOLUTION, Exercise, parsed, splice

MARKERS = {"setup", "exercise", "write", "check", "points", "lines_to_next_cell"}
"""Those that a text may use, and one that jupytext adds."""
COLAB = """\
# On Google Colab this asks for the course's wheel, a file of your kit. Anywhere else it does nothing.
import importlib.util, sys

if "google.colab" in sys.modules and not importlib.util.find_spec("course"):
    from google.colab import files
    %pip install --quiet {next(iter(files.upload()))}"""
HAND_IN = """\
## Before you hand in

Save this notebook, then run the cell below. It runs the saved file from the top in a fresh kernel, as grading does, and tells
which checks pass and what else would cost points. It takes about as long as running all cells."""
CHECK = """\
from course.check import check_notebook

check_notebook("{unit}.ipynb");"""


@dataclass(frozen=True)
class UnitText:
    """A unit's text, joined with its solutions.

    Args:
        name: The unit's id.
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


def read_unit(course: Path, name: str) -> UnitText:
    """Read and join `course/units/<name>.py` and `solutions/<name>.py`.

    Raises:
        BuildError: If a marker is wrong, names nothing, or is used twice; the message names the file and the line.
    """
    path = course / "course" / "units" / f"{name}.py"
    solution = course / "solutions" / f"{name}.py"
    for file in (path, solution):
        if not file.is_file():
            raise BuildError(f"{file}: not found; unit {name!r} needs it.")
    text = path.read_text()
    parsed(path)
    cells = jupytext.reads(text, fmt="py:percent").cells
    lines = _marker_lines(text)
    if len(cells) != len(lines):
        raise BuildError(f"{path}: {len(lines)} lines start with '# %%', but they make {len(cells)} cells; is one in a string?")
    setups: list[str] = []
    places: dict[str, tuple[str, list[str]]] = {}
    points: dict[str, float] = {}
    for cell, line in zip(cells, lines, strict=True):
        where, mark = f"{path}:{line}", cell.metadata
        if unknown := set(mark) - MARKERS:
            raise BuildError(f"{where}: unknown marker {sorted(unknown)}; expected setup, exercise, write, check or points.")
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
            if not isinstance(mark.get("points"), int | float) or mark["points"] <= 0 or mark["points"] % 0.25:
                raise BuildError(f"{where}: check {check!r} needs points=<a positive multiple of 0.25>.")
            points[check] = mark["points"]
    if len(setups) != 1:
        raise BuildError(f"{path}: expected one cell marked setup=true, found {len(setups)}.")
    if "probe" not in defined(setups[0]):
        raise BuildError(f"{path}: the set-up cell does not import probe, which the hidden line of each check calls.")
    exercises = {}
    for exercise, (where, write) in places.items():
        if exercise not in points:
            raise BuildError(f'{where}: exercise {exercise!r} has no check; add # %% check="{exercise}" points=….')
        exercises[exercise] = splice(solution, exercise, write, points[exercise], where)
    unit = UnitText(name, path, setups[0], exercises, cells)
    _demand_defined_names(unit, lines)
    return unit


def source_notebook(unit: UnitText) -> NotebookNode:
    """The source notebook, with answers and hidden lines.

    Raises:
        BuildError: If the points do not add up to the syllabus's, or an exercise has no heading.
    """
    listed = syllabus.unit(unit.name)
    if unit.points != listed.points:
        raise BuildError(f"{unit.path}: the checks' points sum to {unit.points:g}, the syllabus says {listed.points:g}.")
    cells, titled = [], set()
    for cell in unit.cells:
        if cell.metadata.get("setup"):
            cells.append(_look(COLAB))
        if cell.cell_type == "markdown":
            text = cell.source.replace("{points}", f"{unit.points:g}").replace("{minutes}", str(listed.minutes))
            text, names = _add_points(text, unit)
            titled |= names
            cells.append(new_markdown_cell(text, id=content_id("text-", text)))
        else:
            cells.append(_code_cell(unit, cell))
    cells += [new_markdown_cell(HAND_IN, id=content_id("text-", HAND_IN)), _look(CHECK.format(unit=unit.name))]
    if untitled := [name for name in unit.exercises if name not in titled]:
        raise BuildError(f'{unit.path}: no heading "### `{untitled[0]}`" introduces exercise {untitled[0]!r}.')
    _make_unique(cells)
    notebook: NotebookNode = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(notebook)
    return notebook


def demand_clean_release(unit: UnitText, release: NotebookNode) -> None:
    """Demand that a release holds no line of an answer and nothing hidden.

    Raises:
        BuildError: With the exercise and the line that was found.
    """
    for number, cell in enumerate(release.cells):
        where = f"{unit.name}.ipynb, cell {number} ({cell.id})"
        for mark in ("probe(", BEGIN_HIDDEN, END_HIDDEN, BEGIN_SOLUTION, END_SOLUTION):
            if mark in cell.source:
                raise BuildError(f"{where}: the release shows {mark!r}.")
        lines = {line.strip() for line in cell.source.splitlines()}
        for exercise in unit.exercises.values():
            for line in exercise.answer:
                if _tells(line) and line.strip() in lines:
                    raise BuildError(f"{where}: the release shows a line of the answer to {exercise.name!r}: {line.strip()}")


def _tells(line: str) -> bool:
    """Whether a line of an answer gives something away: not a bare return or a bracket."""
    return len(line.strip()) >= 16


# --- cells ---


def _code_cell(unit: UnitText, cell: NotebookNode) -> NotebookNode:
    mark = cell.metadata
    if mark.get("setup"):
        return marked_cell(cell.source, SETUP, locked=True)
    if name := mark.get("exercise"):
        return marked_cell(unit.exercises[name].cell, name, solution=True)
    if name := mark.get("check"):
        source = f"{BEGIN_HIDDEN}\nprobe({name})\n{END_HIDDEN}\n{cell.source}"
        return marked_cell(source, check_id(name), grade=True, locked=True, points=mark["points"])
    return _look(cell.source)


def _look(source: str) -> NotebookNode:
    look: NotebookNode = new_code_cell(source, id=content_id(LOOK, source))
    return look


def _make_unique(cells: Sequence[NotebookNode]) -> None:
    seen: dict[str, int] = {}
    for cell in cells:
        seen[cell.id] = count = seen.get(cell.id, 0) + 1
        if count > 1:
            cell.id = f"{cell.id}-{count}"


def _add_points(text: str, unit: UnitText) -> tuple[str, set[str]]:
    """Append the points to each heading that is an exercise's name in backticks."""
    found = set()

    def add(match: re.Match[str]) -> str:
        name = match[1]
        if name not in unit.exercises:
            return match[0]
        found.add(name)
        points = unit.exercises[name].points
        return f"{match[0]} · {points:g} point{'s' if points != 1 else ''}"

    return re.sub(r"^### `(\w+)`$", add, text, flags=re.MULTILINE), found


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
        known |= defined(source)
