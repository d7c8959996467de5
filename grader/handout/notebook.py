"""A unit's source notebook, from which nbgrader makes the release, and what a release must not hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.cells import (
    BEGIN_HIDDEN,
    CELL_SECONDS,
    END_HIDDEN,
    LOOK,
    METADATA,
    NOTEBOOK_SECONDS,
    SETUP,
    check_id,
    content_id,
    hidden_line,
    marked_cell,
)
from grader.errors import BuildError
from grader.units.splice import BEGIN_SOLUTION, END_SOLUTION
from grader.units.text import OWN_CELLS, UnitText
from grader.units.unit import Unit

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
LIMITS = (
    f"Grading stops a cell that takes more than {CELL_SECONDS:g} s of the processor's time, "
    f"and a notebook that takes more than {NOTEBOOK_SECONDS:g} s. It also puts random numbers in the place of the trained "
    "weights: a model that is as good after that has its answers from elsewhere, and earns nothing."
)
"""What a text says where training is asked for; an instructor may set other limits."""
CHECK = """\
from course.check import check_notebook

check_notebook("{unit}.ipynb");"""


def source_notebook(unit: Unit) -> NotebookNode:
    """The source notebook, with answers and hidden lines.

    Raises:
        BuildError: If an exercise has no heading.
    """
    text_of = unit.text
    cells, titled = [], set()
    for cell in text_of.cells:
        if OWN_CELLS & set(cell.metadata):
            continue
        if cell.metadata.get("setup"):
            cells.append(_look(COLAB))
        if cell.cell_type == "markdown":
            text = cell.source.replace("{points}", f"{text_of.points:g}").replace("{minutes}", f"{unit.head.minutes:g}")
            text = text.replace("{limits}", LIMITS)
            text, names = _add_points(text, text_of)
            titled |= names
            cells.append(new_markdown_cell(text, id=content_id("text-", text)))
        else:
            cells.append(_code_cell(text_of, cell))
    cells += [new_markdown_cell(HAND_IN, id=content_id("text-", HAND_IN)), _look(CHECK.format(unit=unit.name))]
    if untitled := [name for name in text_of.exercises if name not in titled]:
        raise BuildError(f'{unit.text_file}: no heading "### `{untitled[0]}`" introduces exercise {untitled[0]!r}.')
    _make_unique(cells)
    notebook: NotebookNode = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            METADATA: {"off_limits": _off_limits(unit), "files": list(unit.files)},
        },
    )
    nbformat.validate(notebook)
    return notebook


def _off_limits(unit: Unit) -> dict[str, list[str]]:
    return {name: list(names) for name in unit.text.exercises if (names := unit.check(name).off_limits)}


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
        source = f"{BEGIN_HIDDEN}\n{hidden_line(name)}\n{END_HIDDEN}\n{cell.source}"
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
