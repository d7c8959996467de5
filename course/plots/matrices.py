"""Matrices: as colours, as numbers, as masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from course.plots.picture import array, figure_of, luminance, show, titled

MAX_PRINTED = 110
"""Cells of a matrix up to which its numbers are printed."""
MIDDLE = 0.18
"""A luminance against which black and white stand out alike, by 4.6 : 1."""

Labels = Sequence[Any] | None


def heatmap(
    matrix: Any,
    rows: Labels = None,
    columns: Labels = None,
    title: str = "",
    xlabel: str = "key",
    ylabel: str = "query",
    zlabel: str = "weight",
    alt: str | None = None,
) -> None:
    """Show a matrix as colours, and as numbers where it is small.

    Args:
        matrix: `(rows, columns)`.
        rows: A label for each row; by default its number.
        columns: A label for each column; by default its number.
        zlabel: What the numbers are, beside the colour scale.
    """
    heatmaps({title: matrix}, rows, columns, xlabel, ylabel, zlabel, alt)


def heatmaps(
    matrices: Mapping[str, Any],
    rows: Labels = None,
    columns: Labels = None,
    xlabel: str = "key",
    ylabel: str = "query",
    zlabel: str = "weight",
    alt: str | None = None,
) -> None:
    """Show matrices side by side on one colour scale, on which 0 always is; the keys are the titles."""
    grids = {title: array(matrix) for title, matrix in matrices.items()}
    low, high = min(np.nanmin(g) for g in grids.values()), max(np.nanmax(g) for g in grids.values())
    # A scale from the smallest number on would paint weights that are nearly alike as different as can be.
    colours, low, high = ("PuOr", -max(-low, high), max(-low, high)) if low < 0 else ("viridis", 0, high)
    figure, axes = figure_of(len(grids), *_size(next(iter(grids.values()))))
    for axis, (title, grid) in zip(axes, grids.items(), strict=True):
        image = axis.imshow(grid, cmap=colours, vmin=low, vmax=high, aspect="auto")
        _label_cells(axis, grid, rows, columns)
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel if axis is axes[0] else "")
        if grid.size <= MAX_PRINTED:
            fractions = bool(np.any(grid != np.round(grid)))
            for (row, column), value in np.ndenumerate(grid):
                dark = luminance(image.cmap(image.norm(value))) < MIDDLE
                axis.text(
                    column,
                    row,
                    f"{value:.2f}" if fractions else f"{value:.0f}",
                    ha="center",
                    va="center",
                    size=7,
                    color="w" if dark else "k",
                )
    figure.colorbar(image, ax=axes, shrink=0.9, label=zlabel).ax.tick_params(labelsize=8)
    told = [_tell_matrix(title, grid, rows, columns, xlabel, ylabel, zlabel) for title, grid in grids.items()]
    show(figure, alt or " ".join(told))


def mask(
    allowed: Any,
    rows: Labels = None,
    columns: Labels = None,
    title: str = "",
    xlabel: str = "key",
    ylabel: str = "query",
    alt: str | None = None,
) -> None:
    """Show a boolean matrix: bright and dotted where attention is allowed, dark where it is not."""
    masks({title: allowed}, rows, columns, xlabel, ylabel, alt)


def masks(
    patterns: Mapping[str, Any],
    rows: Labels = None,
    columns: Labels = None,
    xlabel: str = "key",
    ylabel: str = "query",
    alt: str | None = None,
) -> None:
    """Show boolean matrices side by side; the keys are the titles."""
    grids = {title: array(allowed) != 0 for title, allowed in patterns.items()}
    figure, axes = figure_of(len(grids), *_size(next(iter(grids.values()))))
    told = []
    for axis, (title, grid) in zip(axes, grids.items(), strict=True):
        axis.imshow(grid, cmap=ListedColormap(["#2f2f45", "#F0E442"]), vmin=0, vmax=1, aspect="auto")
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel if axis is axes[0] else "")
        _label_cells(axis, grid, rows, columns)
        axis.plot(*np.argwhere(grid).T[::-1], "k.", markersize=5)
        seen = [", ".join(_name(columns, column) for column in np.flatnonzero(line)) or "none" for line in grid]
        lines = [f"{_name(rows, row)}: {names}" for row, names in enumerate(seen)]
        told.append(f"{titled('Mask', title)}the {xlabel}s that each {ylabel} may attend to. " + "; ".join(lines[:16]) + ".")
    show(figure, alt or " ".join(told))


def positional_encoding(encoding: Any, title: str = "positional encoding", alt: str | None = None) -> None:
    """Show an encoding `(positions, dimensions)`: one row of colours per position."""
    heatmap(encoding, title=title, xlabel="dimension", ylabel="position", zlabel="encoding", alt=alt)


def _size(grid: np.ndarray) -> tuple[float, float]:
    """Inches for a matrix: room for printed numbers, a fixed size for large ones."""
    rows, columns = grid.shape
    if grid.size > MAX_PRINTED:
        return 4.4, 3.2
    return min(max(0.52 * columns + 1.2, 2.6), 6.5), min(max(0.4 * rows + 0.8, 1.6), 4.6)


def _label_cells(axis: Axes, grid: np.ndarray, rows: Labels, columns: Labels) -> None:
    for labels, set_ticks, count in ((rows, axis.set_yticks, grid.shape[0]), (columns, axis.set_xticks, grid.shape[1])):
        if labels is not None:
            set_ticks(range(count), [str(label) for label in labels], fontsize=8)
        elif count <= 12:
            set_ticks(range(count))
    if columns is not None and max(len(str(label)) for label in columns) > 4:
        axis.tick_params(axis="x", rotation=45)


def _name(labels: Labels, number: int) -> str:
    return str(number) if labels is None else str(labels[number])


def _tell_matrix(title: str, grid: np.ndarray, rows: Labels, columns: Labels, xlabel: str, ylabel: str, zlabel: str) -> str:
    text = (
        f"{titled('Heat map', title)}{grid.shape[0]} rows ({ylabel}) by {grid.shape[1]} columns ({xlabel}), "
        f"{zlabel} from {np.nanmin(grid):.3g} to {np.nanmax(grid):.3g}."
    )
    if len(grid) > 16:
        return text
    best = [f"{_name(rows, row)}: {_name(columns, int(np.argmax(line)))} ({np.max(line):.3g})" for row, line in enumerate(grid)]
    return f"{text} Largest in each row: {', '.join(best)}."
