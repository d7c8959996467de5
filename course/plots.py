"""One helper per kind of picture: small, labelled, safe for colour-blind readers, with a text alternative.

Each helper shows its picture below the cell that calls it and returns nothing. The text alternative is written from the
data; pass `alt` to say more. Arrays may be NumPy arrays, tensors of any backend, or nested lists.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442", "#999999", "#882255")
"""Okabe and Ito's colours, which readers of every kind of colour vision tell apart, and two more for ten classes."""
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
DPI = 150
WIDTH = 100
"""Screen pixels per inch: fewer than `DPI`, so that the picture is sharp on dense screens."""
MAX_PRINTED = 110
"""Cells of a matrix up to which its numbers are printed."""

Labels = Sequence[Any] | None


class Picture:
    """A PNG with a text alternative, which a notebook shows and a terminal reads out."""

    def __init__(self, png: bytes, alt: str, width: int) -> None:
        self.png, self.alt, self.width = png, alt, width

    def __repr__(self) -> str:
        return self.alt

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        return self.png, {"alt": self.alt, "width": self.width}


# --- matrices ---


def heatmap(
    matrix: Any,
    rows: Labels = None,
    columns: Labels = None,
    title: str = "",
    xlabel: str = "key",
    ylabel: str = "query",
    alt: str | None = None,
) -> None:
    """Show a matrix as colours, and as numbers where it is small.

    Args:
        matrix: `(rows, columns)`.
        rows: A label for each row; by default its number.
        columns: A label for each column; by default its number.
    """
    heatmaps({title: matrix}, rows, columns, xlabel, ylabel, alt)


def heatmaps(
    matrices: Mapping[str, Any],
    rows: Labels = None,
    columns: Labels = None,
    xlabel: str = "key",
    ylabel: str = "query",
    alt: str | None = None,
) -> None:
    """Show matrices side by side on one colour scale; the keys are the titles."""
    grids = {title: _array(matrix) for title, matrix in matrices.items()}
    low, high = min(np.nanmin(g) for g in grids.values()), max(np.nanmax(g) for g in grids.values())
    colours, low, high = ("PuOr", -max(-low, high), max(-low, high)) if low < 0 else ("viridis", low, high)
    figure, axes = _figure(len(grids), *_size(next(iter(grids.values()))))
    for axis, (title, grid) in zip(axes, grids.items(), strict=True):
        image = axis.imshow(grid, cmap=colours, vmin=low, vmax=high, aspect="auto")
        _label_cells(axis, grid, rows, columns)
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel if axis is axes[0] else "")
        if grid.size <= MAX_PRINTED:
            fractions = bool(np.any(grid != np.round(grid)))
            for (row, column), value in np.ndenumerate(grid):
                red, green, blue, _ = image.cmap(image.norm(value))
                dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
                axis.text(
                    column,
                    row,
                    f"{value:.2f}" if fractions else f"{value:.0f}",
                    ha="center",
                    va="center",
                    size=7,
                    color="w" if dark else "k",
                )
    figure.colorbar(image, ax=axes, shrink=0.9)
    _show(figure, alt or " ".join(_tell_matrix(title, g, rows, columns, xlabel, ylabel) for title, g in grids.items()))


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
    grids = {title: _array(allowed) != 0 for title, allowed in patterns.items()}
    figure, axes = _figure(len(grids), *_size(next(iter(grids.values()))))
    told = []
    for axis, (title, grid) in zip(axes, grids.items(), strict=True):
        axis.imshow(grid, cmap=ListedColormap(["#2f2f45", "#F0E442"]), vmin=0, vmax=1, aspect="auto")
        axis.set(title=title, xlabel=xlabel, ylabel=ylabel if axis is axes[0] else "")
        _label_cells(axis, grid, rows, columns)
        axis.plot(*np.argwhere(grid).T[::-1], "k.", markersize=5)
        seen = [", ".join(_name(columns, column) for column in np.flatnonzero(line)) or "none" for line in grid]
        lines = [f"{_name(rows, row)}: {names}" for row, names in enumerate(seen)]
        told.append(f"{_titled('Mask', title)}the {xlabel}s that each {ylabel} may attend to. " + "; ".join(lines[:16]) + ".")
    _show(figure, alt or " ".join(told))


def positional_encoding(encoding: Any, title: str = "positional encoding", alt: str | None = None) -> None:
    """Show an encoding `(positions, dimensions)`: one row of colours per position."""
    heatmap(encoding, title=title, xlabel="dimension", ylabel="position", alt=alt)


# --- lines and bars ---


def curves(
    series: Mapping[str, Any],
    xlabel: str,
    ylabel: str,
    title: str = "",
    xs: Any = None,
    log: bool = False,
    alt: str | None = None,
) -> None:
    """Show a line for each series, over `xs` or over 1, 2, 3, …

    Args:
        log: Use a logarithmic vertical axis.
    """
    figure, (axis,) = _figure(1, 4.8, 2.8)
    told = []
    for number, (label, values) in enumerate(series.items()):
        ys = _array(values)
        across = np.arange(1, len(ys) + 1) if xs is None else _array(xs)
        dots = "." if len(ys) <= 12 else None
        axis.plot(across, ys, marker=dots, label=label, color=COLOURS[number % 7], linestyle=STYLES[number % 4], linewidth=1.8)
        told.append(
            f"{label}: from {ys[0]:.3g} at {across[0]:.3g} to {ys[-1]:.3g} at {across[-1]:.3g}, "
            f"lowest {np.nanmin(ys):.3g}, highest {np.nanmax(ys):.3g}"
        )
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if log:
        axis.set_yscale("log")
    if xs is None:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    _show(figure, alt or f"{_titled('Line chart', title)}{ylabel} over {xlabel}. " + "; ".join(told) + ".")


def bars(
    values: Mapping[Any, float],
    ylabel: str,
    title: str = "",
    reference: float | None = None,
    reference_label: str = "",
    top: float | None = None,
    alt: str | None = None,
) -> None:
    """Show a bar for each value, its number above it, and if wanted a dashed line at `reference`.

    Args:
        top: Upper end of the vertical axis, for pictures that are to be compared.
    """
    heights = [float(value) for value in values.values()]
    figure, (axis,) = _figure(1, min(max(3.2, 0.95 * len(heights), 0.085 * len(title)), 5.0), 2.6)
    drawn = axis.bar(range(len(heights)), heights, color=COLOURS[0], width=0.6)
    many = len(heights) > 7
    axis.bar_label(drawn, [f"{height:.2g}" if many else f"{height:.3g}" for height in heights], fontsize=6 if many else 8)
    axis.set_xticks(range(len(heights)), [str(label) for label in values], fontsize=8)
    axis.set(ylabel=ylabel, title=title)
    axis.margins(y=0.15)
    axis.set_ylim(top=top)
    if reference is not None:
        axis.axhline(reference, color=COLOURS[1], linestyle="--", label=reference_label or "reference")
        axis.legend(fontsize=8)
    told = ", ".join(f"{label} {height:.3g}" for label, height in zip(values, heights, strict=True))
    line = f" Dashed line: {reference_label} {reference:.3g}." if reference is not None else ""
    _show(figure, alt or f"{_titled('Bar chart', title)}{ylabel}. {told}.{line}")


# --- points in the plane ---


def decision_boundary(predict: Callable[[Any], Any], x: Any, y: Any, title: str = "", alt: str | None = None) -> None:
    """Show which class `predict` gives each point of the plane, and the samples.

    Args:
        predict: From `(points, 2)` to scores `(points, classes)`, or to class numbers `(points,)`.
        x: Samples, `(samples, 2)`.
        y: Their classes, `(samples,)`.
    """
    decision_boundaries({title: predict}, x, y, alt)


def decision_boundaries(predicts: Mapping[str, Callable[[Any], Any]], x: Any, y: Any, alt: str | None = None) -> None:
    """Show decision boundaries side by side; the keys are the titles."""
    x, y = _array(x), _array(y).astype(int)
    (left, bottom), (right, top) = x.min(axis=0) - 0.3, x.max(axis=0) + 0.3
    across, up = np.meshgrid(np.linspace(left, right, 120), np.linspace(bottom, top, 120))
    points = np.stack([across.ravel(), up.ravel()], axis=-1).astype("float32")
    figure, axes = _figure(len(predicts), 3.2, 2.9)
    told = []
    for axis, (title, predict) in zip(axes, predicts.items(), strict=True):
        areas = _classes(predict(points)).reshape(across.shape)
        classes = ListedColormap(COLOURS[: max(int(y.max()), int(areas.max())) + 1])
        axis.pcolormesh(across, up, areas, cmap=classes, vmin=-0.5, vmax=classes.N - 0.5, alpha=0.25, linewidth=0)
        for label in np.unique(y):
            axis.scatter(*x[y == label].T, s=14, c=COLOURS[label], marker=MARKERS[label], label=f"class {label}", linewidths=0)
        axis.set(title=title, xlabel="x1", ylabel="x2" if axis is axes[0] else "")
        right_share = np.mean(_classes(predict(x.astype("float32"))) == y)
        told.append(f"{title or 'This one'}: {right_share:.0%} of {len(y)} samples lie in the area of their own class")
    axes[-1].legend(fontsize=7, loc="upper right")
    _show(figure, alt or "Decision boundaries in the plane of x1 and x2. " + "; ".join(told) + ".")


def vectors(arrows: Mapping[str, Any], title: str = "", xlabel: str = "x1", ylabel: str = "x2", alt: str | None = None) -> None:
    """Show 2-D vectors as arrows from the origin."""
    ends = {label: _array(end) for label, end in arrows.items()}
    figure, (axis,) = _figure(1, 3.6, 3.3)
    for number, (label, end) in enumerate(ends.items()):
        colour = COLOURS[number % 7]
        axis.annotate("", xy=tuple(end), xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2})
        beyond = {
            "xytext": 4 * np.sign(end),
            "ha": "left" if end[0] >= 0 else "right",
            "va": "bottom" if end[1] >= 0 else "top",
        }
        axis.annotate(label, xy=tuple(end), textcoords="offset points", color=colour, fontsize=8, **beyond)
    reach = 1.45 * max(float(np.abs(end).max()) for end in ends.values())
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), title=title, xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axis.axhline(0, color="#999999", linewidth=0.6)
    axis.axvline(0, color="#999999", linewidth=0.6)
    told = ", ".join(f"{label} to ({end[0]:.3g}, {end[1]:.3g})" for label, end in ends.items())
    _show(figure, alt or f"{_titled('Arrows from the origin', title)}{told}.")


def points(groups: Mapping[str, Any], title: str = "", xlabel: str = "x1", ylabel: str = "x2", alt: str | None = None) -> None:
    """Show groups of points of the plane, each `(points, 2)`, with a colour and a marker for each group."""
    figure, (axis,) = _figure(1, 4.2, 3.0)
    told = []
    for number, (label, values) in enumerate(groups.items()):
        xy = _array(values)
        axis.scatter(*xy.T, s=14, c=COLOURS[number % 7], marker=MARKERS[number % 10], label=label, linewidths=0, alpha=0.7)
        told.append(f"{label}: {len(xy)} points around ({xy[:, 0].mean():.3g}, {xy[:, 1].mean():.3g})")
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    _show(figure, alt or f"{_titled('Points in the plane', title)}{'; '.join(told)}.")


# --- samples ---


def signals(x: Any, y: Any, alt: str | None = None) -> None:
    """Show the first signal of each class, `x` being `(samples, positions)`."""
    _samples(x, y, lambda axis, sample: axis.plot(sample, color=COLOURS[0], linewidth=1.4), "signals", alt)


def images(x: Any, y: Any, alt: str | None = None) -> None:
    """Show the first image of each class, `x` being `(samples, pixels)` of square images, or `(samples, height, width)`."""
    x = _array(x)
    side = round(x[0].size ** 0.5)
    _samples(x.reshape(len(x), side, side), y, _draw_image, "images", alt)


def feature_maps(maps: Any, alt: str | None = None) -> None:
    """Show what each filter answers for one image, `maps` being `(height, width, filters)`."""
    maps = _array(maps)
    height, width, filters = maps.shape
    figure = _grid({f"filter {number}": maps[:, :, number] for number in range(filters)}, _draw_image)
    strongest = ", ".join(f"filter {n}: {maps[:, :, n].max():.3g}" for n in range(filters))
    _show(figure, alt or f"{filters} feature maps of {height} by {width}. Largest in each: {strongest}.")


def _draw_image(axis: Axes, image: Any) -> None:
    axis.imshow(image, cmap="cividis")


def _grid(panels: Mapping[str, Any], draw: Callable[[Axes, Any], Any]) -> Figure:
    columns = min(5, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(1.3 * columns, 1.25 * lines), layout="constrained")
    for number, (title, panel) in enumerate(panels.items(), 1):
        axis = figure.add_subplot(lines, columns, number)
        draw(axis, panel)
        axis.set(title=title, xticks=[], yticks=[])
    return figure


def _samples(x: Any, y: Any, draw: Callable[[Axes, Any], Any], kind: str, alt: str | None) -> None:
    x, y = _array(x), _array(y).astype(int)
    labels = np.unique(y)
    figure = _grid({f"class {label}": x[y == label][0] for label in labels}, draw)
    if kind == "signals":
        figure.supxlabel("position", fontsize=8)
        figure.supylabel("value", fontsize=8)
    size = " by ".join(str(n) for n in x.shape[1:])
    span = f"values from {x.min():.3g} to {x.max():.3g}"
    _show(figure, alt or f"One example of each of {len(labels)} classes: {kind} of {size} {span}.")


# --- what they share ---


def _figure(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * count, height), layout="constrained")
    axes = [figure.add_subplot(1, count, number) for number in range(1, count + 1)]
    for axis in axes:
        axis.tick_params(labelsize=8)
    return figure, axes


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


def _titled(kind: str, title: str) -> str:
    return f"{kind} {title}: " if title else f"{kind}: "


def _name(labels: Labels, number: int) -> str:
    return str(number) if labels is None else str(labels[number])


def _tell_matrix(title: str, grid: np.ndarray, rows: Labels, columns: Labels, xlabel: str, ylabel: str) -> str:
    text = (
        f"{_titled('Heat map', title)}{grid.shape[0]} rows ({ylabel}) by {grid.shape[1]} columns ({xlabel}), "
        f"values from {np.nanmin(grid):.3g} to {np.nanmax(grid):.3g}."
    )
    if len(grid) > 16:
        return text
    best = [f"{_name(rows, row)}: {_name(columns, int(np.argmax(line)))} ({np.max(line):.3g})" for row, line in enumerate(grid)]
    return f"{text} Largest in each row: {', '.join(best)}."


def _classes(scores: Any) -> np.ndarray:
    scores = _array(scores)
    return (scores.argmax(axis=-1) if scores.ndim == 2 else scores).astype(int)


def _array(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "shape"):
        import keras

        return np.asarray(keras.ops.convert_to_numpy(value))
    return np.asarray(value)


def _show(figure: Figure, alt: str) -> None:
    for axis in figure.axes:
        axis.title.set_fontsize(10 if len(figure.axes) < 5 else 8)
        axis.xaxis.label.set_fontsize(9)
        axis.yaxis.label.set_fontsize(9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    display(Picture(buffer.getvalue(), " ".join(alt.split()), round(figure.get_figwidth() * WIDTH)))
