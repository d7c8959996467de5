"""Reads what a student handed in, whatever it is."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbformat.warnings import DuplicateCellId
from nbgrader.api import Gradebook

from course.cells import new_cell, read_notebook
from grader.classroom.coursedir import asked_exercises
from grader.classroom.plugin.attachments import harmless_pictures
from grader.errors import CourseError, SubmissionError
from grader.files import read_plain

MAX_BYTES, MAX_CELLS, MAX_CODE = 20_000_000, 2_000, 500_000
"""What is read of a notebook: bytes of its file, most of which are pictures, cells, and characters of code in all of them."""
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
        keep: Callable[[Any], NotebookNode | None] = plain_cell
        if names:
            with Gradebook(names["db_url"]) as gradebook:
                resources[OF_UNIT] = bool(asked_exercises(gradebook, names["assignment"], names["notebook"]))
                if not resources[OF_UNIT]:
                    keep = partial(_marked_cell, released_marks(gradebook, names["assignment"], names["notebook"]))
        own = bool(names) and not resources[OF_UNIT]
        sanitizing = getattr(self.parent, "_sanitizing", True)
        self.optimistic_validation = sanitizing  # nothing is saved then: once, at the end, is enough
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always", DuplicateCellId)  # for each cell
            notebook = read_submission(Path(filename), keep if sanitizing else None)
        if names and (equal := sum(warning.category is DuplicateCellId for warning in noted)):
            _warn_once(
                f"{names['student']}: {equal} cells of {names['notebook']}.ipynb have the id of another one; that is fine."
            )
        if own and UNREADABLE in notebook.metadata:
            raise CourseError(notebook.metadata[UNREADABLE])
        return self.from_notebook_node(notebook, resources=resources, **kwargs)  # type: ignore[no-untyped-call]


@lru_cache
def _warn_once(message: str) -> None:
    """Tell whoever grades, by whichever command, what would be told each time that a file is read."""
    logging.getLogger(__name__).warning(message)


def released_marks(gradebook: Gradebook, assignment: str, notebook: str) -> dict[str, dict[str, Any]]:
    """By `grade_id`, the mark that nbgrader gave each cell when it released an assignment."""
    released = gradebook.find_notebook(notebook, assignment)
    points = {cell.name: float(cell.max_score) for cell in [*released.grade_cells, *released.task_cells]}
    grades, solutions, tasks = (
        {cell.name for cell in cells} for cells in (released.grade_cells, released.solution_cells, released.task_cells)
    )
    return {
        cell.name: {
            "schema_version": 3,
            "grade_id": cell.name,
            "grade": cell.name in grades,
            "solution": cell.name in solutions,
            "task": cell.name in tasks,
            "locked": cell.locked,
            "cell_type": cell.cell_type,
            "checksum": cell.checksum,
        }
        | ({"points": points[cell.name]} if cell.name in points else {})
        for cell in released.source_cells
    }


def read_submission(path: Path, keep: Callable[[Any], NotebookNode | None] | None = None) -> NotebookNode:
    """Read a file that may be no notebook.

    Args:
        path: The file.
        keep: What to keep of each cell, None for nothing; what is kept is numbered. Everything stays as it is by default,
            the notebook's metadata included.
    """
    try:
        found = _json(path)
        for cell in found.get("cells", ()) if keep else ():  # outputs are not kept, and to check them takes longest
            if isinstance(cell, dict) and "outputs" in cell:
                cell["outputs"] = []
        notebook = read_notebook(found)
        if not isinstance(notebook.cells, list):
            raise TypeError("its cells are no list")
        if sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "code") > MAX_CODE:
            raise SubmissionError(f"holds more than {MAX_CODE} characters of code, so it was not read.")
    except SubmissionError as error:
        notebook = new_notebook(metadata={UNREADABLE: f"{path.name} {error}"})
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


def _json(path: Path) -> Any:
    """What a notebook's file holds, if it is not too large to be read.

    Raises:
        SubmissionError: If it is.
    """
    data = read_plain(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise SubmissionError(f"is larger than {MAX_BYTES // 1_000_000} MB, so it was not read; clear its outputs.")
    found = json.loads(data)  # in any encoding of Unicode
    older = [cell for sheet in found.get("worksheets", ()) for cell in sheet["cells"]]
    if len(found.get("cells", older)) > MAX_CELLS:
        raise SubmissionError(f"has more than {MAX_CELLS} cells, so it was not read.")
    return found


def plain_cell(cell: Any) -> NotebookNode | None:
    """A cell's kind, source, harmless pictures, and the two ids that tell whose it is; None if it is no cell."""
    if not isinstance(cell, dict) or not isinstance(cell.get("source"), str):
        return None
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    # A lone surrogate is valid JSON, but no file can be written with it. Lines end as they do in what was released.
    source = cell["source"].encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    kind = cell["cell_type"] if cell.get("cell_type") in ("code", "raw") else "markdown"
    marks = {"claims": [str(claim) for claim in (grade_id, cell.get("id")) if isinstance(claim, str)]}
    plain = new_cell(kind, source, "", marks)
    if kind == "markdown" and (pictures := harmless_pictures(cell.get("attachments"))):
        plain.attachments = NotebookNode(pictures)
    return plain


def _marked_cell(marks: Mapping[str, Mapping[str, Any]], cell: Any) -> NotebookNode | None:
    """A cell of an assignment that is none of the course's: nbgrader finds it by its mark; tags and the like are dropped.

    The mark is the released one of that name: what else stands in the file is a student's.
    """
    plain = plain_cell(cell)
    if plain is None:
        return None
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = mark.get("grade_id") if isinstance(mark, dict) else None
    known = marks.get(name) if isinstance(name, str) else None
    plain.metadata = NotebookNode(nbgrader=NotebookNode(known)) if known else NotebookNode()
    return plain
