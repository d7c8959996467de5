"""One helper per kind of picture: small, labelled, safe for colour-blind readers, with a text alternative.

Each helper shows its picture below the cell that calls it and returns nothing. The text alternative is written from the
data; pass `alt` to say more. Arrays may be NumPy arrays, tensors of any backend, or nested lists.
"""

from course.plots.diagrams import diagram
from course.plots.lines import bars, curves
from course.plots.matrices import heatmap, heatmaps, mask, masks, positional_encoding
from course.plots.plane import decision_boundaries, decision_boundary, points, vectors
from course.plots.samples import feature_maps, images, signals

__all__ = [
    "bars",
    "curves",
    "decision_boundaries",
    "decision_boundary",
    "diagram",
    "feature_maps",
    "heatmap",
    "heatmaps",
    "images",
    "mask",
    "masks",
    "points",
    "positional_encoding",
    "signals",
    "vectors",
]
