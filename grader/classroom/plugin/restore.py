"""Puts a submission back into the form that was released, keeping what the student wrote.

Cells, checks and marks come from the gradebook; of the submission only text and code are kept, in the student's order,
as a notebook runs that is executed from the top. Whatever the metadata says, nothing of it survives.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader.api import Gradebook

from course.cells import (
    BEGIN_HIDDEN,
    END_HIDDEN,
    LOOK,
    SETUP,
    WHY,
    check_id,
    content_id,
    is_untouched_look,
    marked_cell,
    new_cell,
    why_nothing_runs,
)
from course.source import CELLS, names_given, parse, top_level
from grader.classroom.coursedir import source_file
from grader.classroom.plugin.attachments import written_with_pictures
from grader.classroom.plugin.submission import OF_UNIT
from grader.errors import CourseError

STUB_LINE = "raise NotImplementedError()"
"""What releases have in place of an answer."""


@dataclass(frozen=True)
class Release:
    """What the gradebook knows of a notebook.

    Args:
        setup: Source of the set-up cell.
        checks: By exercise, the source of its check cell.
        points: By exercise.
        texts: Sources of the Markdown cells; any other Markdown is a student's.
        looks: Sources of the code cells that only show something.
    """

    setup: str
    checks: Mapping[str, str]
    points: Mapping[str, float]
    texts: frozenset[str] = frozenset()
    looks: frozenset[str] = frozenset()

    @cached_property
    def released(self) -> set[str]:
        """The sources of the locked cells, with the hidden lines and as students have them."""
        hidden = re.compile(rf"^{BEGIN_HIDDEN}\n.*?^{END_HIDDEN}\n", flags=re.MULTILINE | re.DOTALL)
        locked = [self.setup, *self.checks.values()]
        return {source.strip() for source in [*locked, *(hidden.sub("", source) for source in locked)]}


class Restore(Preprocessor):
    """First of the sanitising preprocessors: `Autograde` calls it on what was submitted."""

    enabled = True

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Replace the notebook's cells; `SubmissionExporter` has dropped its metadata."""
        names = resources["nbgrader"]
        if not resources[OF_UNIT]:
            return notebook, resources
        with Gradebook(names["db_url"]) as gradebook:
            release = read_release(gradebook, names["notebook"], names["assignment"], Path.cwd())
        notebook.cells = restore(notebook.cells, release)
        return notebook, resources


def read_release(gradebook: Gradebook, notebook: str, assignment: str, course: Path) -> Release:
    """Read a notebook's locked cells from the gradebook, and its texts from the source notebook.

    Raises:
        CourseError: If the gradebook has no set-up cell, or a test that is not `<exercise>-check` of an answer's cell.
    """
    source = gradebook.find_notebook(notebook, assignment)
    cells = {cell.name: cell.source for cell in source.source_cells}
    points = {cell.name.removesuffix("-check"): float(cell.max_score) for cell in source.grade_cells}
    if missing := {SETUP, *points, *map(check_id, points)} - cells.keys():
        raise CourseError(
            f"{assignment!r} was released without the cells {', '.join(sorted(missing))}; release it again. In a unit "
            "each test is called <exercise>-check, and the cell that it checks <exercise>."
        )
    path = source_file(course, assignment).with_name(f"{notebook}.ipynb")
    texts, looks = _shown(path.read_text("utf-8")) if path.is_file() else (frozenset(), frozenset())
    return Release(cells[SETUP], {name: cells[check_id(name)] for name in points}, points, texts, looks)


@lru_cache(1)
def _shown(released: str) -> tuple[frozenset[str], frozenset[str]]:
    """The sources of a notebook's texts, and of its cells that only show something."""
    cells = nbformat.reads(released, as_version=4).cells
    texts = frozenset(cell.source for cell in cells if cell.cell_type == "markdown")
    return texts, frozenset(cell.source for cell in cells if is_untouched_look(cell))


def holds_answers(cells: Iterable[NotebookNode]) -> bool:
    """Whether a canonical notebook has anything in place of what releases have as an answer."""
    answers = (cell for cell in cells if cell.metadata.get("nbgrader", {}).get("solution"))
    return any(cell.source.strip() and STUB_LINE not in cell.source for cell in answers)


def restore(cells: Iterable[NotebookNode], release: Release) -> list[NotebookNode]:
    """The canonical notebook around a student's cells.

    A check follows the cell that answers its exercise (see `_strength`; of several the last). Code that answers nothing
    stays where it is, since an answer may need it, and so does text. The set-up cell stands where it stood, but not below
    code that may need it.
    """
    cells = list(cells)
    code = [(n, cell) for n, cell in enumerate(cells) if cell.cell_type == "code" and cell.source not in release.looks]
    setup = next((n for n, cell in code if _is_setup(cell)), 0)
    answers = _answers(cells, release)
    restored: list[NotebookNode] = []
    for number, cell in enumerate(cells):
        if number == setup:
            restored.append(marked_cell(release.setup, SETUP, locked=True))
        here = [name for name, answer in answers.items() if answer == number]
        if here:
            restored.append(_answer(here[0], cell.source, why_nothing_runs(here[0], "code", cell.source)))
        elif cell.cell_type != "code":
            restored.append(_text(cell, release))
        elif cell.source.strip() not in release.released:
            restored.append(_other(cell, release))
        for position, name in enumerate(here):
            restored += [_answer(name, f"# {name}: see above")] * (position > 0) + [_check(name, release)]
    if not cells:
        restored.append(marked_cell(release.setup, SETUP, locked=True))
    for name in sorted(release.checks.keys() - answers.keys()):
        texts = [
            cell for cell in cells if cell.cell_type != "code" and (name in _claims(cell) or name in _names(cell.source)[1])
        ]
        why = why_nothing_runs(name, texts[-1].cell_type, texts[-1].source) if texts else ""
        restored += [_answer(name, "", why), _check(name, release)]
    return _with_unique_ids(restored)


def _is_setup(cell: NotebookNode) -> bool:
    """Whether a code cell is the set-up, or has to stand below it: magics such as `%reset` need not."""
    return SETUP in _claims(cell) or parse(cell.source) is None or any(names_given(s) for s in top_level(cell.source))


def _answers(cells: Sequence[NotebookNode], release: Release) -> dict[str, int]:
    """By exercise, the number of the cell that answers it, in the order of these cells."""
    found: dict[str, tuple[int, int]] = {}
    for number, cell in enumerate(cells):
        if cell.cell_type != "code" or cell.source.strip() in release.released:
            continue
        for name in release.checks:
            strength = _strength(name, cell)
            if strength and (strength, number) > found.get(name, (0, 0)):
                found[name] = (strength, number)
    return dict(sorted(((name, number) for name, (_, number) in found.items()), key=lambda item: item[1]))


def _strength(name: str, cell: NotebookNode) -> int:
    """How surely a cell answers an exercise: 0 if it does not.

    A definition by `def` or `class` counts most, then the exercise's own cell, found by its `grade_id` or id, whatever it
    does; a plain assignment elsewhere may only be play. A stub that still raises counts less than all of them.
    """
    bound, made = _names(cell.source)
    defines = name in made or bool(
        parse(cell.source) is None
        and re.search(rf"^[ \t]*(?:def|class)[ \t]+{re.escape(name)}\b", cell.source, flags=re.MULTILINE)
    )
    claimed = name in _claims(cell)
    if not (defines or claimed or name in bound):
        return 0
    if STUB_LINE in cell.source:
        return 1
    return 4 if defines else 3 if claimed else 2


@lru_cache(CELLS)
def _names(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a cell binds, and of these the ones that it binds by `def` or `class`."""
    statements = list(top_level(source))
    made = [statement for statement in statements if isinstance(statement, ast.FunctionDef | ast.ClassDef)]
    return frozenset().union(*map(names_given, statements)), frozenset().union(*map(names_given, made))


def _claims(cell: NotebookNode) -> Sequence[str]:
    """The names that a cell's metadata and id give it; see `plain_cell`."""
    return list(cell.metadata.get("claims", []))


def _other(cell: NotebookNode, release: Release) -> NotebookNode:
    """Code that answers nothing; what is as released has the id that says so, whatever id it was handed in with."""
    return new_cell("code", cell.source, content_id(LOOK, cell.source) if cell.source in release.looks else "")


def _text(cell: NotebookNode, release: Release) -> NotebookNode:
    """A text with its pictures; a student's own only as it was written."""
    text, pictures = cell.source, cell.get("attachments", {})
    if text not in release.texts:
        text, pictures = written_with_pictures(text, pictures)
    shown = new_cell("markdown", text, "")
    if pictures:
        shown.attachments = pictures
    return shown


def _answer(name: str, source: str, why: str = "") -> NotebookNode:
    """The cell of an answer, and why it defines nothing, if that is known."""
    cell = marked_cell(source, name, solution=True)
    if why:
        cell.metadata[WHY] = why
    return cell


def _check(name: str, release: Release) -> NotebookNode:
    return marked_cell(release.checks[name], check_id(name), grade=True, locked=True, points=release.points[name])


def _with_unique_ids(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Number the ids, so that the same submission always gives the same file; marked cells keep theirs."""
    seen: set[str] = {cell.id for cell in cells if "nbgrader" in cell.metadata}
    for number, cell in enumerate(cells):
        if "nbgrader" in cell.metadata:
            continue
        if not is_untouched_look(cell):
            cell.id = f"student-{number}"
        elif cell.id in seen:
            cell.id = f"{cell.id}-{number}"
        seen.add(cell.id)
    return cells
