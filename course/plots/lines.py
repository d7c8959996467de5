"""Lines and bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from course.plots.picture import COLOURS, STYLES, array, figure_of, show, titled


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
    figure, (axis,) = figure_of(1, 4.8, 2.8)
    told = []
    for number, (label, values) in enumerate(series.items()):
        ys = array(values)
        across = np.arange(1, len(ys) + 1) if xs is None else array(xs)
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
    show(figure, alt or f"{titled('Line chart', title)}{ylabel} over {xlabel}. " + "; ".join(told) + ".")


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
    figure, (axis,) = figure_of(1, min(max(3.2, 0.95 * len(heights), 0.085 * len(title)), 5.0), 2.6)
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
    show(figure, alt or f"{titled('Bar chart', title)}{ylabel}. {told}.{line}")
