"""Puts a submission back into the form that was released, keeping what the student wrote.

Cells, checks and marks come from the gradebook; of the submission only text and code are kept, in the student's order,
as a notebook runs that is executed from the top. Whatever the metadata says, nothing of it survives.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook

from grader.notebooks import BEGIN_HIDDEN, END_HIDDEN, SETUP, check_id, is_untouched_look, marked_cell


@dataclass(frozen=True)
class Canon:
    """What the gradebook knows of a notebook.

    Args:
        setup: Source of the set-up cell.
        checks: By exercise, the source of its check cell.
        points: By exercise.
    """

    setup: str
    checks: Mapping[str, str]
    points: Mapping[str, float]

    @property
    def released(self) -> set[str]:
        """The sources of the locked cells, as students have them."""
        hidden = re.compile(rf"^{BEGIN_HIDDEN}\n.*?^{END_HIDDEN}\n", flags=re.MULTILINE | re.DOTALL)
        return {hidden.sub("", source).strip() for source in [self.setup, *self.checks.values()]}


class Restore(Preprocessor):
    """First of the sanitising preprocessors: `Autograde` calls it on what was submitted."""

    enabled = True

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Replace the notebook's cells; `SubmissionExporter` has dropped its metadata."""
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            canon = read_canon(gradebook, names["notebook"], names["assignment"])
        notebook.cells = restore(notebook.cells, canon)
        return notebook, resources


def read_canon(gradebook: Gradebook, notebook: str, assignment: str) -> Canon:
    """Read a notebook's locked cells from the gradebook."""
    source = gradebook.find_notebook(notebook, assignment)
    cells = {cell.name: cell.source for cell in source.source_cells}
    points = {cell.name.removesuffix("-check"): float(cell.max_score) for cell in source.grade_cells}
    return Canon(cells.get(SETUP, ""), {name: cells[check_id(name)] for name in points}, points)


def restore(cells: Iterable[NotebookNode], canon: Canon) -> list[NotebookNode]:
    """The canonical notebook around a student's cells.

    A check follows the last cell that answers its exercise: found by `grade_id`, by cell id, or by what it defines. Code
    that answers nothing stays where it is, since an answer may need it.
    """
    kept = [cell for cell in cells if not _is_released(cell, canon)]
    given = [_answers(cell, canon.checks) for cell in kept]
    last = {name: index for index, names in enumerate(given) for name in names}
    restored: list[NotebookNode] = []
    for index, cell in enumerate(kept):
        if cell.cell_type != "code":
            restored.append(new_markdown_cell(cell.source))
            continue
        here = [name for name in canon.checks if last.get(name) == index]
        restored.append(_answer(here[0], cell.source) if here else _other(cell))
        for number, name in enumerate(here):
            if number > 0:
                restored.append(_answer(name, f"# {name}: see above"))
            restored.append(_check(name, canon))
    for name in sorted(canon.checks.keys() - last.keys()):
        restored += [_answer(name, ""), _check(name, canon)]
    first_code = next((number for number, cell in enumerate(restored) if cell.cell_type == "code"), 0)
    restored.insert(first_code, marked_cell(canon.setup, SETUP, locked=True))
    return _with_unique_ids(restored)


def _is_released(cell: NotebookNode, canon: Canon) -> bool:
    """Whether a cell is one of the locked ones: they are put back from the gradebook. An edited set-up cell stays, too."""
    if cell.cell_type != "code":
        return False
    is_check = any(claim.removesuffix("-check") in canon.checks for claim in _claims(cell) if claim.endswith("-check"))
    return is_check or cell.source.strip() in canon.released


def _claims(cell: NotebookNode) -> Sequence[str]:
    return list(cell.metadata.get("claims", []))


def _answers(cell: NotebookNode, exercises: Iterable[str]) -> list[str]:
    """The exercises that a cell answers."""
    if cell.cell_type != "code":
        return []
    claims, defined = _claims(cell), _top_level_names(cell.source)
    return [name for name in exercises if name in claims or name in defined]


def _top_level_names(source: str) -> set[str]:
    """What a cell defines; of one that does not parse, what its lines begin to define."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^(?:def|class)\s+(\w+)", source, flags=re.MULTILINE))
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _other(cell: NotebookNode) -> NotebookNode:
    """Code that answers nothing; one that is as released keeps the id that says so."""
    look = next((id for id in _claims(cell) if is_untouched_look(NotebookNode(id=id, source=cell.source))), None)
    other: NotebookNode = new_code_cell(cell.source, **({"id": look} if look else {}))
    return other


def _answer(name: str, source: str) -> NotebookNode:
    return marked_cell(source, name, solution=True)


def _check(name: str, canon: Canon) -> NotebookNode:
    return marked_cell(canon.checks[name], check_id(name), grade=True, locked=True, points=canon.points[name])


def _with_unique_ids(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Number the ids, so that the same submission always gives the same file; marked cells keep theirs."""
    seen: set[str] = {cell.id for cell in cells if "nbgrader" in cell.metadata}
    for number, cell in enumerate(cells):
        if "nbgrader" in cell.metadata:
            continue
        if not is_untouched_look(cell) or cell.id in seen:
            cell.id = f"student-{number}"
        seen.add(cell.id)
    return cells
