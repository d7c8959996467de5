"""How long grading takes: a reference submission graded, against the same notebook run from top to bottom.

Prints one row per unit and backend. Run by `make bench`.
"""

import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from rich.console import Console
from rich.progress import track
from rich.table import Table

from course import syllabus
from grader.build import build
from grader.cells import SETUP
from grader.coursedir import digest_of
from grader.demo import submissions
from grader.execution import kernel_environment
from grader.grading import grade_notebook
from grader.notebooks import read_unit
from grader.plugin.restore import Canon, restore

COURSE = Path(__file__).parents[2]
BACKENDS = ("tensorflow", "jax", "torch")


def whole(notebook, backend: str) -> float:
    """Seconds to run every cell, as a student does; an error stops it."""
    client = NotebookClient(notebook, timeout=300, kernel_name="python3")
    start = time.perf_counter()
    client.execute(env=kernel_environment(backend))
    return time.perf_counter() - start


def graded(unit: str, notebook, source, backend: str) -> float:
    """Seconds to restore, execute and judge; fewer points than the maximum are an error."""
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in source.cells if "nbgrader" in cell.metadata}
    checks = {id.removesuffix("-check"): cell.source for id, cell in cells.items() if id.endswith("-check")}
    points = {id.removesuffix("-check"): cell.metadata.nbgrader.points for id, cell in cells.items() if id.endswith("-check")}
    for cell in notebook.cells:
        cell.metadata["claims"] = [cell.id]
    notebook.cells = restore(notebook.cells, Canon(cells[SETUP].source, checks, points))
    start = time.perf_counter()
    verdicts = grade_notebook(notebook, unit, b"benchmark", digest_of(notebook), backend, cell_timeout=300)
    seconds = time.perf_counter() - start
    earned = sum(verdict.points for _, verdict in verdicts.values())
    if earned != sum(points.values()):
        raise SystemExit(f"{unit} on {backend}: the reference earned {earned:g} of {sum(points.values()):g} points.")
    return seconds


def main() -> None:
    table = Table(title="One reference submission, kernel start included")
    for column in ("unit", "backend", "graded (s)", "whole notebook (s)", "graded / whole"):
        table.add_column(column, justify="left" if column in ("unit", "backend") else "right")
    files = build(COURSE)
    pairs = [(unit.id, backend) for unit in syllabus.UNITS for backend in BACKENDS]
    for unit, backend in track(pairs, description="timing"):
        source = nbformat.reads(files[COURSE / "build" / "source" / unit / f"{unit}.ipynb"], as_version=4)
        release = nbformat.reads(files[COURSE / "assignments" / unit / f"{unit}.ipynb"], as_version=4)
        reference = dict(submissions(read_unit(COURSE, unit), release))["reference"]
        seconds = graded(unit, nbformat.reads(reference, as_version=4), source, backend)
        plain = whole(nbformat.reads(reference, as_version=4), backend)
        table.add_row(unit, backend, f"{seconds:.1f}", f"{plain:.1f}", f"{seconds / plain:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
