"""What all pictures share: colours, a figure, and a PNG with a text alternative."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape
from typing import Any

import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#008E67", "#B65C92", "#A97500", "#3A86C8", "#000000", "#8A8000", "#767676", "#882255")
"""After Okabe and Ito, whose colours every kind of colour vision tells apart, but dark enough to stand out from white:
3 : 1 or more, as WCAG 2.2 asks of graphics (1.4.11). No picture needs them alone: lines differ in style, points in shape."""
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
DPI = 150
WIDTH = 100
"""Screen pixels per inch: fewer than `DPI`, so that the picture is sharp on dense screens."""


class Picture:
    """A PNG with a text alternative, which a notebook shows and a terminal reads out."""

    def __init__(self, png: bytes, alt: str, width: int) -> None:
        self.png, self.alt, self.width = png, alt, width

    def __repr__(self) -> str:
        return self.alt

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        return self.png, {"alt": self.alt, "width": self.width}

    def _repr_html_(self) -> str:
        # JupyterLab and nbconvert's default page read no `alt` from a PNG's metadata, and prefer this to it. The grader and
        # PDFs take the PNG.
        png = b64encode(self.png).decode()
        return f'<img alt="{escape(self.alt)}" width="{self.width}" src="data:image/png;base64,{png}">'


def figure_of(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * count, height), layout="constrained")
    axes = [figure.add_subplot(1, count, number) for number in range(1, count + 1)]
    for axis in axes:
        axis.tick_params(labelsize=8)
    return figure, axes


def luminance(colour: Any) -> float:
    """Of any colour that matplotlib knows, from 0 for black to 1 for white (WCAG 2.2, "relative luminance")."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def titled(kind: str, title: str) -> str:
    return f"{kind} {title}: " if title else f"{kind}: "


def array(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "shape"):
        import keras

        return np.asarray(keras.ops.convert_to_numpy(value))
    return np.asarray(value)


def show(figure: Figure, alt: str) -> None:
    for axis in figure.axes:
        axis.title.set_fontsize(10 if len(figure.axes) < 5 else 8)
        axis.xaxis.label.set_fontsize(9)
        axis.yaxis.label.set_fontsize(9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    display(Picture(buffer.getvalue(), " ".join(alt.split()), round(figure.get_figwidth() * WIDTH)))
