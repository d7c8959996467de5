"""How long grading takes: a reference submission graded, against the same notebook run from top to bottom.

Prints one row per unit and backend. Run by `make bench`.
"""

import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from rich.console import Console
from rich.progress import track
from rich.table import Table

from course.cells import SETUP, is_untouched_look
from grader.classroom.compiled import compiled_reference
from grader.classroom.coursedir import release_file, source_file
from grader.classroom.plugin.restore import Release, restore
from grader.classroom.questions import questions_for, verdicts
from grader.handout.build import build, write
from grader.handout.demo import submissions
from grader.running.jobs import Job, plain_cells, run
from grader.running.kernels.settings import keras_environment
from grader.units.shelf import find_units
from grader.units.unit import Unit

COURSE = Path(__file__).parents[2]
BACKENDS = ("tensorflow", "jax", "torch")


def whole(notebook, backend: str) -> float:
    """Seconds to run every cell, as a student does; an error stops it."""
    client = NotebookClient(notebook, timeout=300, kernel_name="python3")
    start = time.perf_counter()
    client.execute(env=os.environ | keras_environment(backend))
    return time.perf_counter() - start


def graded(unit: Unit, notebook, source, backend: str, cache: Path | None) -> float:
    """Seconds to execute and judge; fewer points than the maximum are an error."""
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in source.cells if "nbgrader" in cell.metadata}
    checks = {id.removesuffix("-check"): cell.source for id, cell in cells.items() if id.endswith("-check")}
    points = {id.removesuffix("-check"): cell.metadata.nbgrader.points for id, cell in cells.items() if id.endswith("-check")}
    for cell in notebook.cells:
        cell.metadata["claims"] = [cell.id]
    looks = frozenset(cell.source for cell in source.cells if is_untouched_look(cell))
    notebook.cells = restore(notebook.cells, Release(cells[SETUP].source, checks, points, looks=looks))
    start = time.perf_counter()
    questions = questions_for(notebook, {}, True, unit, b"benchmark")
    outcome = run(Job(plain_cells(notebook), questions.requests, {}, backend, {}, sandboxed=True, cache=cache))
    found = verdicts(notebook, questions, outcome, files=())
    seconds = time.perf_counter() - start
    earned = sum(verdict.points for verdict in found.values())
    if earned != sum(points.values()):
        raise SystemExit(f"{unit.name} on {backend}: the reference earned {earned:g} of {sum(points.values()):g} points.")
    return seconds


def main() -> None:
    table = Table(title="One reference submission of a class (sandboxed) against running all cells in a kernel of Jupyter's")
    for column in ("unit", "backend", "graded (s)", "whole notebook (s)", "graded / whole"):
        table.add_column(column, justify="left" if column in ("unit", "backend") else "right")
    units = find_units(COURSE)
    pairs = [(unit, backend) for unit in units for backend in BACKENDS]
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        files = build(course, units)
        write(files)
        for unit, backend in track(pairs, description="timing"):
            source = nbformat.read(source_file(course, unit.name), as_version=4)
            release = nbformat.read(release_file(course, unit.name), as_version=4)
            reference = dict(submissions(unit, release))["reference"]
            cache = compiled_reference(course, unit, {}) if backend == "jax" else None
            # The first of a class waits for the fork server; all others are like the second.
            _, seconds = (graded(unit, nbformat.reads(reference, as_version=4), source, backend, cache) for _ in range(2))
            plain = whole(nbformat.reads(reference, as_version=4), backend)
            table.add_row(unit.name, backend, f"{seconds:.1f}", f"{plain:.1f}", f"{seconds / plain:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
