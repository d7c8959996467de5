"""Tables that take longer to measure than a notebook may; each names in its first line what it was measured of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("measured")
"""Where the tables of shipped units are."""


def measured(name: str) -> np.ndarray:
    """A table that was measured for a unit, and that its notebook shows.

    Args:
        name: Unit and table, as in `"cnn-stacks"`.

    Returns:
        Structured array, `(rows,)`: `table["loss"]` is a column.

    Raises:
        FileNotFoundError: If there is no such table.
    """
    file = FOLDER / f"{name}.csv"
    if not file.is_file():
        known = sorted(path.stem for path in FOLDER.glob("*.csv"))
        raise FileNotFoundError(f"no table {name!r} was measured; expected one of {known}.")
    # The first line is what the table was measured of.
    table: np.ndarray = np.genfromtxt(
        file, delimiter=",", names=True, dtype=None, encoding="utf-8", skip_header=1, comments=None, ndmin=1
    )
    return table
