"""Diagrams of what is built: boxes, and arrows between them."""

from __future__ import annotations

from collections.abc import Mapping

from course.plots.picture import COLOURS, STYLES, figure_of, show, titled

ACROSS, DOWN = 1.45, 0.85
"""Inches from box to box."""


def diagram(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Mapping[tuple[str, str], str],
    back: Mapping[tuple[str, str], str] | None = None,
    title: str = "",
    alt: str | None = None,
) -> None:
    """Show boxes with text, joined by arrows.

    Args:
        boxes: By the text in it, which may have several lines and `$mathematics$`, the place of each box: column and row, from
            the left and from the top.
        arrows: By the texts of the boxes that an arrow leads from and to, what stands beside it, or "".
        back: More of them, for what flows back: in another colour, and dashed.
        title: Above the diagram.
        alt: The text alternative; by default, which box leads to which.

    Raises:
        KeyError: If an arrow names a box that there is not.
    """
    columns, rows = ([place[axis] for place in boxes.values()] for axis in (0, 1))
    width, height = max(columns) - min(columns) + 1, max(rows) - min(rows) + 1
    figure, (axis,) = figure_of(1, ACROSS * width, DOWN * height + 0.3)
    frame = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "#767676"}
    drawn = {text: axis.text(*place, text, ha="center", va="center", fontsize=8, bbox=frame) for text, place in boxes.items()}
    every = {**arrows, **(back or {})}
    for (start, end), label in every.items():
        patches = {"patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()}
        line = {"color": COLOURS[(start, end) not in arrows], "linestyle": STYLES[(start, end) not in arrows], "linewidth": 1.5}
        axis.annotate(
            "", boxes[end], boxes[start], arrowprops={"arrowstyle": "-|>", "shrinkA": 1, "shrinkB": 1, **patches, **line}
        )
        middle = [(a + b) / 2 for a, b in zip(boxes[start], boxes[end], strict=True)]
        axis.annotate(label, middle, (0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=7)
    axis.set(xlim=(min(columns) - 0.5, max(columns) + 0.5), ylim=(max(rows) + 0.5, min(rows) - 0.5), title=title)
    axis.set_axis_off()
    told = [f"{start} leads to {end}{f' ({label})' if label else ''}" for (start, end), label in every.items()]
    show(figure, alt or f"{titled('Diagram', title)}{'; '.join(told)}.".replace("$", ""))
