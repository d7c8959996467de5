"""Reads what a student handed in, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook

from course.cells import new_cell
from grader.classroom.coursedir import asked_exercises
from grader.errors import CourseError, SubmissionError

MAX_BYTES, MAX_CELLS, MAX_CODE = 20_000_000, 2_000, 500_000
"""What is read of a notebook: bytes of its file, which may hold pictures, its cells, and characters of code in all of them."""
UNREADABLE = "unreadable"
OF_UNIT = "of_unit"
"""Key of nbconvert's resources: whether the notebook was released as a unit's; else it is an ordinary assignment's."""


class SubmissionExporter(NotebookExporter):
    """nbconvert's notebook exporter, for files that may be no notebook.

    nbgrader's `Autograde` calls `from_filename` twice per submission: on what was submitted and on the sanitised copy.
    """

    def from_filename(self, filename: str, resources: Any = None, **kwargs: Any) -> Any:
        """Convert a file; one that cannot be read becomes an empty notebook that says why.

        Raises:
            CourseError: If it cannot be read and is of the instructor's own assignment, where nothing could tell students.
        """
        names = (resources or {}).get("nbgrader")
        if names:
            with Gradebook(names["db_url"]) as gradebook:
                resources[OF_UNIT] = bool(asked_exercises(gradebook, names["assignment"], names["notebook"]))
        own = bool(names) and not resources[OF_UNIT]
        keep = _marked_cell if own else _plain_cell
        sanitizing = getattr(self.parent, "_sanitizing", True)
        self.optimistic_validation = sanitizing  # nothing is saved then: once, at the end, is enough
        notebook = read_submission(Path(filename), keep if sanitizing else None)
        if own and UNREADABLE in notebook.metadata:
            raise CourseError(notebook.metadata[UNREADABLE])
        return self.from_notebook_node(notebook, resources=resources, **kwargs)  # type: ignore[no-untyped-call]


def read_submission(path: Path, keep: Callable[[Any], NotebookNode | None] | None = None) -> NotebookNode:
    """Read a file that may be no notebook.

    Args:
        path: The file.
        keep: What to keep of each cell, None for nothing; what is kept is numbered. Everything stays as it is by default,
            the notebook's metadata included.
    """
    try:
        text = _text(path)
        notebook: NotebookNode = nbformat.reads(text, as_version=4)
        if not isinstance(notebook.cells, list):
            raise TypeError("its cells are no list")
        if sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "code") > MAX_CODE:
            raise SubmissionError(f"{path.name} holds more than {MAX_CODE} characters of code, so it was not read.")
    except SubmissionError as error:
        notebook = new_notebook(metadata={UNREADABLE: str(error)})
    except Exception as error:  # any damage at all: the submission gets a verdict, and the batch goes on
        reason = f"{path.name} is no notebook ({type(error).__name__}); save it in Jupyter and submit again."
        notebook = new_notebook(metadata={UNREADABLE: reason})
    else:
        if keep:
            cells = [kept for cell in notebook.cells if (kept := keep(cell))]
            for number, cell in enumerate(cells):
                cell.id = f"cell-{number}"  # not at random: a job's key holds it
            notebook = new_notebook(cells=cells)
    return notebook


def _text(path: Path) -> str:
    """What a notebook's file holds, if it is not too large to be read.

    Raises:
        SubmissionError: If it is.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise SubmissionError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB, so it was not read; clear its outputs.")
    text = data.decode("utf-8-sig")  # some editors begin with a mark
    found = json.loads(text)
    older = [cell for sheet in found.get("worksheets", ()) for cell in sheet["cells"]]
    if len(found.get("cells", older)) > MAX_CELLS:
        raise SubmissionError(f"{path.name} has more than {MAX_CELLS} cells, so it was not read.")
    return text


def _plain_cell(cell: Any) -> NotebookNode | None:
    """A cell's kind, source and the two ids that tell whose it is; None if it is no cell."""
    if not isinstance(cell, dict) or not isinstance(cell.get("source"), str):
        return None
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    # A lone surrogate is valid JSON, but no file can be written with it. Lines end as they do in what was released.
    source = cell["source"].encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    marks = {"claims": [str(claim) for claim in (grade_id, cell.get("id")) if isinstance(claim, str)]}
    return new_cell("code" if cell.get("cell_type") == "code" else "markdown", source, "", marks)


def _marked_cell(cell: Any) -> NotebookNode | None:
    """A cell of an assignment that is none of the course's: nbgrader finds it by its mark; tags and the like are dropped."""
    plain = _plain_cell(cell)
    if plain is None:
        return None
    plain.cell_type = cell["cell_type"] if cell.get("cell_type") in ("code", "markdown", "raw") else "markdown"
    marks = cell.get("metadata")
    mark = marks.get("nbgrader") if isinstance(marks, dict) else None
    plain.metadata = NotebookNode(nbgrader=mark) if isinstance(mark, dict) else NotebookNode()
    return plain
