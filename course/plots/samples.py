"""Samples of data sets, and what a layer makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course.plots.picture import COLOURS, array, show


def signals(x: Any, y: Any, alt: str | None = None) -> None:
    """Show the first signal of each class, `x` being `(samples, positions)`."""
    _samples(x, y, lambda axis, sample: axis.plot(sample, color=COLOURS[0], linewidth=1.4), "signals", alt)


def images(x: Any, y: Any, alt: str | None = None) -> None:
    """Show the first image of each class, `x` being `(samples, pixels)` of square images, or `(samples, height, width)`."""
    x = array(x)
    side = round(x[0].size ** 0.5)
    _samples(x.reshape(len(x), side, side), y, _draw_image, "images", alt)


def feature_maps(maps: Any, alt: str | None = None) -> None:
    """Show what each filter answers for one image, `maps` being `(height, width, filters)`."""
    maps = array(maps)
    height, width, filters = maps.shape
    figure = _grid({f"filter {number}": maps[:, :, number] for number in range(filters)}, _draw_image)
    strongest = ", ".join(f"filter {n}: {maps[:, :, n].max():.3g}" for n in range(filters))
    show(figure, alt or f"{filters} feature maps of {height} by {width}. Largest in each: {strongest}.")


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
    x, y = array(x), array(y).astype(int)
    labels = np.unique(y)
    figure = _grid({f"class {label}": x[y == label][0] for label in labels}, draw)
    if kind == "signals":
        figure.supxlabel("position", fontsize=8)
        figure.supylabel("value", fontsize=8)
    size = " by ".join(str(n) for n in x.shape[1:])
    span = f"values from {x.min():.3g} to {x.max():.3g}"
    show(figure, alt or f"One example of each of {len(labels)} classes: {kind} of {size} {span}.")
