"""A notebook's own run: every cell, with the reference's answers, as a student would run it, and what its text claims."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook
from rich.console import Console

from course import check
from grader.proving.laws import Law, Seen
from grader.units.unit import Unit

NOTEBOOK = "_notebook"
"""What stands for an exercise where the notebook as a whole is meant: no exercise's name begins so."""


def run_of(unit: Unit) -> Law:
    """The law that a unit's notebook runs from the first cell to the last, and that what its text says of the cells is so."""
    references = {name: exercise.reference for name, exercise in unit.text.exercises.items()}
    every = [(number, cell) for number, cell in enumerate(unit.text.cells, start=1) if cell.cell_type == "code"]
    code = [(number, cell) for number, cell in every if not cell.metadata.get("measure")]
    named = [(cell.metadata.get("exercise") or f"cell {number}", cell.source) for number, cell in code]
    cells = {name: references.get(name, source) for name, source in named}
    return Law("run", lambda draws: _run(unit, cells), "\n\n".join(cells.values()), of=(), trains=True)


def _run(unit: Unit, cells: dict[str, str]) -> Seen:
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells.values()])
    with tempfile.TemporaryDirectory() as folder:
        for name, content in unit.files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        seconds, ended = check.run_all(notebook, Path(folder), Console(quiet=True))
    names = list(cells)
    for number, cell in enumerate(notebook.cells):
        if error := check.error_of(cell):
            return Seen(False, f"{names[number]} fails: {error.ename}: {error.evalue}")
    if ended or len(seconds) < len(names):
        return Seen(False, f"{names[len(seconds)]} was not run to its end. {' '.join(ended)}")
    longest = max(seconds, key=seconds.__getitem__)
    return Seen(True, f"{len(names)} cells, the longest {names[longest]}: {seconds[longest]:.1f} s")
