"""The cells of the course's notebooks: how they are marked, and how they are told apart."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import nbformat
from nbformat import NotebookNode, from_dict

from course.source import ALWAYS_THERE, defined, used

METADATA = "keras_course"
"""In a release's metadata, what `course.check` has to know: what is `off_limits`, by exercise, and the `files` beside it."""
CELL_SECONDS, NOTEBOOK_SECONDS = 120.0, 900.0
"""CPU seconds that grading allows a cell and a notebook, unless an instructor sets other limits."""
WALL_FACTOR = 3.0
"""A cell that sleeps or waits may take this many times as long by the clock."""
SETUP = "set-up"
LOOK = "look-"
WHY = "why"
"""In the metadata of a sanitised answer's cell, why it defines nothing."""
NAMES_KEPT = ("capture", "prun", "time")
"""Magics for a whole cell that leave what it defines in the notebook."""
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def read_notebook(found: Any) -> NotebookNode:
    """The notebook in a file's JSON; what it has of metadata, marks and attachments is made well formed.

    Raises:
        Exception: Of many kinds, if it is no notebook.
    """
    for cell in found.get("cells", ()):
        if isinstance(cell, dict):
            metadata = cell.get("metadata")
            cell["metadata"] = metadata if isinstance(metadata, dict) else {}
            mark = cell["metadata"].get("nbgrader", {})
            if not (isinstance(mark, dict) and isinstance(mark.get("grade_id"), str)):
                cell["metadata"].pop("nbgrader", None)
            if "attachments" in cell:
                given = cell["attachments"] if isinstance(cell["attachments"], dict) else {}
                cell["attachments"] = {name: bundle for name, bundle in given.items() if isinstance(bundle, dict)}
    notebook: NotebookNode = nbformat.reads(json.dumps(found), as_version=4)
    return notebook


def new_cell(kind: str, source: str, id: str, metadata: Mapping[str, Any] | None = None) -> NotebookNode:
    """A code or Markdown cell; `id` may be "" where whole notebooks are numbered later.

    nbformat's own makers validate each cell, which takes far longer than to validate the notebook.
    """
    cell: dict[str, Any] = {"cell_type": kind, "id": id, "metadata": metadata or {}, "source": source}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    made: NotebookNode = from_dict(cell)
    return made


def marked_cell(source: str, grade_id: str, **marks: Any) -> NotebookNode:
    """A code cell with nbgrader's metadata; `marks` are those that are not false."""
    metadata = {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "locked": False, "task": False}
    return new_cell("code", source, grade_id, {"nbgrader": metadata | marks})


def content_id(prefix: str, source: str) -> str:
    """An id that changes with the cell's source."""
    return prefix + hashlib.sha256(source.encode()).hexdigest()[:12]


def grade_id(cell: NotebookNode) -> str:
    """nbgrader's name of a cell, or ""."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def check_id(exercise: str) -> str:
    """The `grade_id` of an exercise's check cell."""
    return f"{exercise}-check"


def checked_exercise(cell: NotebookNode) -> str:
    """The exercise that a check cell checks; "" for any other cell."""
    marks = cell.metadata.get("nbgrader", {})
    return grade_id(cell).removesuffix("-check") if marks.get("grade") else ""


def grading_part(source: str) -> str:
    """What of a check cell grades: what students do not see, or all of it where nothing is hidden."""
    _, hidden, rest = source.partition(f"{BEGIN_HIDDEN}\n")
    return rest.partition(END_HIDDEN)[0] if hidden else source


def looks_needed(cells: Sequence[NotebookNode]) -> set[int]:
    """Which untouched look cells, and which checks, define a name that student's code uses and nothing else defines.

    Pictures and visible checks are not worth running for themselves, and some of them train a model. But code that works in
    a student's notebook has to work in grading.
    """
    code = {number: cell for number, cell in enumerate(cells) if cell.cell_type == "code"}
    looks = {number for number, cell in code.items() if is_untouched_look(cell) or checked_exercise(cell)}
    known = set(ALWAYS_THERE)
    known |= {name for number, cell in code.items() if number not in looks for name in defined(cell.source)}
    wanted = {name for number, cell in code.items() if number not in looks for name in used(cell.source)} - known
    definers: dict[str, list[int]] = defaultdict(list)
    for number in looks:
        for name in defined(code[number].source):
            definers[name].append(number)
    needed: set[int] = set()
    while wanted:
        more = {number for number in definers.pop(wanted.pop(), ()) if number not in needed}
        needed |= more
        wanted |= {name for number in more for name in used(code[number].source)}
    return needed


def hidden_line(exercise: str) -> str:
    """The line of an exercise's check that students do not see."""
    return f"probe({exercise})"


def asks_probe(exercise: str, source: str) -> bool:
    """Whether the source of an exercise's check asks the probe: what makes a notebook one of a unit."""
    return hidden_line(exercise) in grading_part(source).splitlines()


def why_nothing_runs(exercise: str, kind: str, source: str) -> str:
    """Why a cell that is an exercise's defines nothing, whatever stands in it; "" if it is code."""
    if kind != "code":
        called = "Markdown" if kind == "markdown" else kind
        return f"the cell of `{exercise}` is a {called} cell, so its code does not run: change its type to Code."
    magic = source.lstrip().partition("\n")[0].strip()
    if not magic.startswith("%%") or magic[2:].partition(" ")[0] in NAMES_KEPT:
        return ""
    return f"the cell of `{exercise}` begins with `{magic[:40]}`, so nothing that it defines is kept: delete that line."


def is_untouched_look(cell: NotebookNode) -> bool:
    """Whether a code cell is one of the release's that only shows something, unchanged: its id is its content."""
    return str(cell.get("id", "")).startswith(content_id(LOOK, cell.source))
