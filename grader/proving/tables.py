"""Tables that a text shows and that take longer than a notebook may: made by a cell of the text, and kept under a key.

The cell, `# %% measure="depths"`, defines a generator `depths` of rows, which uses what cells above have defined. It stands in
no notebook; what it gives is a file that `data.measured` reads, or, in a course directory, one beside the notebook.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from course.data.tables import FOLDER
from course.source import ALWAYS_THERE, defined, used
from grader.errors import CheckError
from grader.files import made_whole
from grader.proving.reach import Source, digest, effects, names_in, versions
from grader.proving.rehearsal import namespace_of
from grader.proving.visible import needed
from grader.units.unit import Unit


@dataclass(frozen=True)
class Table:
    """A table of a unit.

    Args:
        unit: Whose.
        name: Of the table, and of the generator that makes it.
        source: The generator, below the statements of earlier cells that it needs, with the reference's answers.
    """

    unit: Unit
    name: str
    source: str

    @property
    def file(self) -> Path:
        """Where it is kept."""
        if self.unit.own:
            return self.unit.files_folder / f"{self.name}.csv"
        return FOLDER / f"{self.unit.name}-{self.name}.csv"

    def key(self, backend: str) -> str:
        """What changes with all that decides what is measured."""
        setup, own = self.unit.text.setup, {f"{table.name}.csv" for table in tables_of(self.unit)}
        source = Source(f"{setup}\n{self.source}", beside=self.unit.files_folder)
        names = {self.name, *names_in("\n".join(effects(setup)))}
        data = [content for name, content in self.unit.files.items() if not name.endswith(".py") and name not in own]
        return f"# {backend} {digest((source, names), data=[*data, versions(backend).encode()])}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Measure it."""
        with self.unit.beside():
            yield from namespace_of(self.unit, self.name, self.source)[self.name]()


def tables_of(unit: Unit) -> list[Table]:
    """Those that a unit's text describes, in its order."""
    code = [cell for cell in unit.text.cells if cell.cell_type == "code"]
    found = []
    for number, cell in enumerate(code):
        if name := cell.metadata.get("measure"):
            known = ALWAYS_THERE | defined(unit.text.setup)
            wanted = used(cell.source) - defined(cell.source) - known
            found.append(Table(unit, name, "\n".join([*needed(unit, code[:number], wanted, known), cell.source])))
    return found


def stale(table: Table) -> str:
    """Why a table no longer holds what its text says; "" if it does."""
    if not table.file.is_file():
        return "was never measured"
    first, *_ = table.file.read_text("utf-8").splitlines() or [""]
    backend = [*first.split(), "", ""][1]
    return "" if first == table.key(backend) else "something that it depends on has changed"


def measure(units: Sequence[Unit], backend: str, console: Console) -> None:
    """Measure all tables of some units on a backend, and write each when it is whole.

    Raises:
        CheckError: If a generator fails, or gives no row, another column, or something that would need quotes.
    """
    for table in (table for unit in units for table in tables_of(unit)):
        key, rows = table.key(backend), []  # of what is measured now, whatever is edited meanwhile
        with console.status(f"{table.unit.name} · {table.name}") as status:
            try:
                for row in table.rows():
                    rows.append(row)
                    _demand_plain(row, rows[0])
                    status.update(f"{table.unit.name} · {table.name}: {len(rows)} rows, the last {row}")
            except Exception as error:
                raise CheckError(f"{table.unit.text_file}: measuring {table.name!r} failed: {error!r}") from error
        if not rows:
            raise CheckError(f"{table.unit.text_file}: {table.name!r} yields no row.")
        with made_whole(table.file) as new, new.open("w", encoding="utf-8", newline="") as opened:
            opened.write(f"{key}\n")
            writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        console.print(f"{table.file}: {len(rows)} rows")


def _demand_plain(row: dict[str, Any], first: dict[str, Any]) -> None:
    if list(row) != list(first):
        raise ValueError(f"expected the columns {list(first)}, received {list(row)}")
    if odd := [text for value in (*row, *row.values()) if set(text := str(value)) & set(',"\n')]:
        raise ValueError(f"expected texts without commas, quotes and line breaks, received {odd}")
