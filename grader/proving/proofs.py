"""Proof files: what was seen of each exercise's laws on each backend, beside its check, in `<exercise>.csv`.

A row holds for what it reached: the answer, the check, what of `course` and of `judging` these lead to, and the versions of
Keras and of the backend. When one of them changes the row is stale, and its law has to be seen again: `grader prove`. A gate
demands that no row is stale, and sees anew what trains nothing, and a sample of the rest. What a notebook's own run has shown
is in `_notebook.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from grader.errors import CheckError
from grader.files import made_whole
from grader.proving.laws import DRAWS, Law, Seen, laws_of
from grader.proving.notebooks import NOTEBOOK, run_of
from grader.proving.reach import Source, check_argument, digest, effects, names_in, versions
from grader.proving.tables import tables_of
from grader.units.unit import Unit

BACKENDS = ("tensorflow", "jax", "torch")
"""The backends of Keras that rows are made on."""
NEWEST = 0.25
"""The share of rows that count as the newest ones, of which half of a sample is."""


@dataclass(frozen=True)
class Row:
    """What was seen of a law on a backend.

    Args:
        law: Its name.
        backend: Where.
        holds: Whether it held.
        verdict: What was seen, in a few words.
        draws: How often inputs were drawn at most.
        seconds: Of the processor.
        made: When, UTC.
        source: The digest of what it depends on.
    """

    law: str
    backend: str
    holds: bool
    verdict: str
    draws: int
    seconds: float
    made: str
    source: str

    @staticmethod
    def of(law: Law, backend: str, seen: Seen, draws: int, seconds: float, source: str) -> Row:
        """A row that is made now."""
        made = datetime.now(UTC).isoformat(timespec="seconds")
        return Row(law.name, backend, seen.holds, " ".join(seen.verdict.split()), draws, round(seconds, 1), made, source)


HEAD = [field.name for field in fields(Row)]


def file_of(unit: Unit, exercise: str) -> Path:
    """Where the rows of an exercise are, or, with `NOTEBOOK`, those of the unit's notebook."""
    return unit.checks_folder / f"{exercise}.csv"


def read_rows(file: Path) -> dict[tuple[str, str], Row]:
    """Rows by law and backend; none where there is no file yet.

    Raises:
        CheckError: If it is no file of rows.
    """
    if not file.is_file():
        return {}
    with file.open(newline="") as opened:
        head, *records = csv.reader(opened)
    try:
        if head != HEAD:
            raise ValueError(f"the first line is {','.join(head)}")
        rows = [_row(*record) for record in records]
    except (TypeError, ValueError) as error:
        raise CheckError(f"{file}: expected rows that `grader prove` writes: {error}.") from error
    return {(row.law, row.backend): row for row in rows}


def _row(law: str, backend: str, holds: str, verdict: str, draws: str, seconds: str, made: str, source: str) -> Row:
    return Row(law, backend, holds == "True", verdict, int(draws), float(seconds), made, source)


def write_row(file: Path, row: Row, known: Sequence[str]) -> None:
    """Add a row, in place of an older one; rows of laws that are not known any more go. The file is whole at any time."""
    rows = {place: old for place, old in read_rows(file).items() if place[0] in known} | {(row.law, row.backend): row}
    with made_whole(file) as new, new.open("w", newline="") as opened:
        write = csv.writer(opened, lineterminator="\n")
        write.writerow(HEAD)
        write.writerows(astuple(rows[place]) for place in sorted(rows, key=lambda place: (known.index(place[0]), place[1])))


# --- what is stale ---


def laws(unit: Unit, exercise: str) -> dict[str, Law]:
    """The laws of an exercise, or, with `NOTEBOOK`, the one of the unit's notebook."""
    return {law.name: law for law in [run_of(unit)]} if exercise == NOTEBOOK else laws_of(unit, exercise)


def stale(unit: Unit, exercise: str, backend: str, draws: int = DRAWS) -> dict[str, str]:
    """The laws of which no row holds what it says any more, and why."""
    found, rows = {}, read_rows(file_of(unit, exercise))
    for name, law in laws(unit, exercise).items():
        row = rows.get((name, backend))
        if not row:
            found[name] = "never seen"
        elif row.source != source_of(unit, exercise, law, backend):
            found[name] = "something that it depends on has changed"
        elif row.draws < draws:
            found[name] = f"seen on {row.draws} draws, expected {draws}"
    return found


def source_of(unit: Unit, exercise: str, law: Law, backend: str) -> str:
    """The digest of all that decides what is seen of a law on a backend."""
    setup = unit.text.setup
    answer = Source(f"{setup}\n{law.answer}", beside=unit.files_folder, judging=True)
    data = [content for name, content in unit.files.items() if not name.endswith(".py")]
    data += [versions(backend).encode()]
    if exercise == NOTEBOOK:
        data += [table.file.read_bytes() for table in tables_of(unit) if table.file.is_file()]
        return digest((answer, names_in(answer.text)), data=[*data, law.answer.encode()])
    check = Source(unit.check_file(exercise).read_text(), unit.checks_folder, judging=True)
    given = [text for name in law.of if (text := check_argument(check, name))]
    names = {name for text in given for name in names_in(text)} | {"Check"}
    data += ["\n".join([*given, *(effects(setup) if law.answer else ())]).encode()]
    return digest((answer, {exercise, *names_in("\n".join(effects(setup)))} if law.answer else ()), (check, names), data=data)


# --- a sample ---

Place = tuple[str, str, str]
"""Unit, exercise, law."""


def sample(rows: Iterable[tuple[Place, Row]], seed: str, seconds: float) -> list[Place]:
    """Some of the rows, chosen by a seed, that together took about so many seconds: half of it from the newest ones.

    Whatever a single row costs, there is one at least of each half.
    """
    known = sorted(rows, key=lambda item: (item[1].made, item[0]))
    split = len(known) - max(1, round(NEWEST * len(known))) if known else 0
    rng = np.random.default_rng(list(seed.encode()))
    chosen: list[Place] = []
    for half in (known[split:], known[:split]):
        left = seconds / 2
        for k in rng.permutation(len(half)):
            place, row = half[k]
            if left == seconds / 2 or row.seconds <= left:
                chosen.append(place)
                left -= max(row.seconds, 0.1)
    return chosen
