"""Points, arrows and areas in the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap

from course.plots.picture import COLOURS, MARKERS, array, figure_of, show, titled


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
    x, y = array(x), array(y).astype(int)
    (left, bottom), (right, top) = x.min(axis=0) - 0.3, x.max(axis=0) + 0.3
    across, up = np.meshgrid(np.linspace(left, right, 120), np.linspace(bottom, top, 120))
    points = np.stack([across.ravel(), up.ravel()], axis=-1).astype("float32")
    figure, axes = figure_of(len(predicts), 3.2, 2.9)
    told = []
    for axis, (title, predict) in zip(axes, predicts.items(), strict=True):
        areas = _classes(predict(points)).reshape(across.shape)
        classes = ListedColormap(COLOURS[: max(int(y.max()), int(areas.max())) + 1])
        axis.pcolormesh(across, up, areas, cmap=classes, vmin=-0.5, vmax=classes.N - 0.5, alpha=0.2, linewidth=0)
        if np.ptp(areas):  # else there is no boundary to draw
            axis.contour(across, up, areas, levels=np.arange(classes.N - 1) + 0.5, colors="k", linewidths=0.8)
        for label in np.unique(y):
            axis.scatter(*x[y == label].T, s=14, c=COLOURS[label], marker=MARKERS[label], label=f"class {label}", linewidths=0)
        axis.set(title=title, xlabel="x1", ylabel="x2" if axis is axes[0] else "")
        right_share = np.mean(_classes(predict(x.astype("float32"))) == y)
        told.append(f"{title or 'This one'}: {right_share:.0%} of {len(y)} samples lie in the area of their own class")
    axes[-1].legend(fontsize=7, loc="upper right")
    show(figure, alt or "Decision boundaries in the plane of x1 and x2. " + "; ".join(told) + ".")


def vectors(arrows: Mapping[str, Any], title: str = "", xlabel: str = "x1", ylabel: str = "x2", alt: str | None = None) -> None:
    """Show 2-D vectors as arrows from the origin."""
    ends = {label: array(end) for label, end in arrows.items()}
    figure, (axis,) = figure_of(1, 3.6, 3.3)
    for number, (label, end) in enumerate(ends.items()):
        arrow = {"arrowstyle": "-|>", "color": COLOURS[number % 7], "linewidth": 2}
        axis.annotate("", xy=tuple(end), xytext=(0, 0), arrowprops=arrow)
        beyond = {
            "xytext": 4 * np.sign(end),
            "ha": "left" if end[0] >= 0 else "right",
            "va": "bottom" if end[1] >= 0 else "top",
        }
        axis.annotate(label, xy=tuple(end), textcoords="offset points", fontsize=8, **beyond)
    reach = 1.45 * max(float(np.abs(end).max()) for end in ends.values())
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), title=title, xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axis.axhline(0, color="#767676", linewidth=0.6)
    axis.axvline(0, color="#767676", linewidth=0.6)
    told = ", ".join(f"{label} to ({end[0]:.3g}, {end[1]:.3g})" for label, end in ends.items())
    show(figure, alt or f"{titled('Arrows from the origin', title)}{told}.")


def points(groups: Mapping[str, Any], title: str = "", xlabel: str = "x1", ylabel: str = "x2", alt: str | None = None) -> None:
    """Show groups of points of the plane, each `(points, 2)`, with a colour and a marker for each group."""
    figure, (axis,) = figure_of(1, 4.2, 3.0)
    told = []
    for number, (label, values) in enumerate(groups.items()):
        xy = array(values)
        axis.scatter(*xy.T, s=14, c=COLOURS[number % 7], marker=MARKERS[number % 10], label=label, linewidths=0)
        told.append(f"{label}: {len(xy)} points around ({xy[:, 0].mean():.3g}, {xy[:, 1].mean():.3g})")
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    show(figure, alt or f"{titled('Points in the plane', title)}{'; '.join(told)}.")


def _classes(scores: Any) -> np.ndarray:
    scores = array(scores)
    return (scores.argmax(axis=-1) if scores.ndim == 2 else scores).astype(int)
