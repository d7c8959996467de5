"""Min–max scaling: two tables whose columns have ranges far apart, of both signs, none of which begins at 0."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake


def cases(rng: np.random.Generator) -> list[Case]:
    """What the answer is called on: drawn anew for each submission, with no size twice."""

    def run(samples: int, features: int) -> Call:
        scales = 3.0 ** rng.permutation(features) * rng.choice([-1, 1], size=features)
        table = rng.uniform(1, 2, size=(samples, features)) * scales
        return Call((table,))

    return [Case("values", run(5, 3), weight=2), Case("a wide table", run(4, 7))]


def oracle(x: Array, way: str = "") -> Array:
    """What should come out, written independently of the solution; `way` makes a known mistake."""
    axis = {"rows": 1, "whole table": None}.get(way, 0)
    low, high = x.min(axis, keepdims=True), x.max(axis, keepdims=True)
    if way == "not moved":
        return x / (high - low)
    if way == "standardised":
        return (x - x.mean(0)) / x.std(0)
    return (x - low) / (high - low)


LIMITS = "low, high = ops.min(x, axis=0), ops.max(x, axis=0)"
RETURN = "return (x - low) / (high - low)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "One minimum and one maximum were taken for the whole table: each column has its own.": Mistake(
            (LIMITS, "low, high = ops.min(x), ops.max(x)"), way="whole table"
        ),
        "The rows were scaled, not the columns: a sample mixes metres and euros, a column does not.": Mistake(
            (LIMITS, "low, high = ops.min(x, axis=1, keepdims=True), ops.max(x, axis=1, keepdims=True)"), way="rows"
        ),
        "The range has length 1, but does not begin at 0: subtract the minimum before you divide.": Mistake(
            (RETURN, "return x / (high - low)"), way="not moved"
        ),
        "Each column has mean 0 and standard deviation 1: that is standardising, which has no fixed range.": Mistake(
            (RETURN, "return (x - ops.mean(x, axis=0)) / ops.std(x, axis=0)"), way="standardised"
        ),
    },
    alternatives=(
        ((RETURN, "return ops.subtract(x, low) * ops.reciprocal(ops.subtract(high, low))"),),
        """
def rescale(x):
    x = np.asarray(x, dtype="float64")
    return [[(value - column.min()) / np.ptp(column) for value, column in zip(row, x.T)] for row in x]
""",
    ),
    off_limits=("keras.layers.Normalization", "keras.layers.Rescaling", "sklearn.preprocessing.MinMaxScaler"),
)
