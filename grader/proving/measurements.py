"""The committed tables of what right and weak answers of training exercises reach, from which the bars are taken.

One table per unit, `calibration.md`, beside its checks. `grader calibrate` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from grader.files import made_whole
from grader.judging import Bar

FILE = "calibration.md"
INTRODUCTION = """# Calibration

What the training exercises' references, the other ways to write them and weak baselines reach on fresh samples. Written by
`grader calibrate`, which measures on the backend in use, and read by the tests: each bar lies at least 5 standard deviations
(between runs) under the mean of every right answer, of the reference on every backend, and above what any baseline reached in
any run. Each run has other data, another secret and other initial weights. `source` is a digest of all that was measured: the
answer's code, the check's cases, the data's generators. When one of them changes, measure again.

"""
REFERENCE, ALTERNATIVE = "reference", "alternative "
"""Names of right variants: the solution itself, and, each with its number, the check's other ways to write it. Every other
variant in the table is a weak baseline."""
ROOM = 5.0
"""Standard deviations between a bar and the mean of each backend."""
SEEDS = {"tensorflow": 100, "jax": 20, "torch": 20}
"""Seeds that the reference needs, per backend."""
JUDGED = 4000
"""Judged predictions that each measurement needs."""


@dataclass(frozen=True)
class Row:
    """Measurements of one part by one variant of the answer on one backend.

    Args:
        source: Digest of all that was measured: the variant, and what it and the check's cases reach; see `reach`.
        seeds: Number of runs; each has its own data, secret and initial weights.
        judged: Judged predictions per run.
        sd: Standard deviation between the runs.
    """

    exercise: str
    part: str
    variant: str
    backend: str
    source: str
    seeds: int
    judged: int
    mean: float
    sd: float
    min: float
    max: float

    @property
    def key(self) -> tuple[str, ...]:
        """What a new measurement replaces."""
        return (self.exercise, self.part, self.variant, self.backend)


def read_table(path: Path) -> list[Row]:
    """The table's rows; none where there is no table yet."""
    if not path.is_file():
        return []
    convert = {"int": int, "float": float, "str": str}
    _, _, *lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(*(convert[str(f.type)](cell) for f, cell in zip(fields(Row), row, strict=True))) for row in rows]


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Add rows to the table, in place of those with the same key. A reader sees the old table or the new one, never half."""
    merged = {row.key: row for row in [*read_table(path), *rows]}
    head = [[f.name for f in fields(Row)], ["---"] * len(fields(Row))]
    body = [[_shown(value) for value in astuple(row)] for _, row in sorted(merged.items())]
    with made_whole(path) as new:
        new.write_text(INTRODUCTION + "".join(f"| {' | '.join(cells)} |\n" for cells in head + body))


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def demands(bar: Bar, rows: Iterable[Row]) -> list[str]:
    """What is wrong with a bar, given its part's rows; nothing if it stands where it should.

    It has to lie at least `ROOM` standard deviations under the mean of every right answer, of the reference on every backend,
    and above what any weak baseline reached in any run.
    """
    rows = list(rows)
    right = [row for row in rows if row.variant == REFERENCE or row.variant.startswith(ALTERNATIVE)]
    complaints = []
    for backend, seeds in SEEDS.items():
        found = [row for row in right if row.variant == REFERENCE and row.backend == backend]
        if not found:
            complaints.append(f"no measurement of the reference on {backend}")
        complaints += [
            f"{backend}: {row.seeds} seeds of {row.judged} predictions; needs {seeds} of {JUDGED}"
            for row in found
            if row.seeds < seeds or row.judged < JUDGED or row.judged != bar.judged
        ]
    complaints += [
        f"{row.backend}: {bar.least} is less than {ROOM:g} sd under {row.mean:.4f} (sd {row.sd:.4f}) of {row.variant!r}"
        for row in right
        if bar.least > row.mean - ROOM * row.sd
    ]
    weak = [row for row in rows if row not in right]
    if not weak:
        complaints.append("no weak baseline was measured")
    complaints += [
        f"{row.backend}: {bar.least} is reached by {row.variant!r} ({row.max:.4f})" for row in weak if row.max >= bar.least
    ]
    return complaints
