"""Sigmoid: moderate numbers of both signs, and numbers whose exponential overflows."""

import numpy as np

from grader.checks import Array, Call, Case, Check, Mistake
from grader.checks.mlp._shared import apart, not_finite


def cases(rng: np.random.Generator) -> list[Case]:
    z = apart(rng, (3, 4), low=0.3, high=4.0)
    # Moderate numbers among the large ones, so that a threshold at 0 does not pass.
    large = np.concatenate([[1000.0, -1000.0, 300.0, -300.0], apart(rng, (4,), low=0.3, high=2.0)])
    return [
        Case("values", Call((z.astype("float32"),)), weight=2),
        Case("large numbers", Call((rng.permutation(large).astype("float32"),))),
    ]


def oracle(run: Call, way: str = "") -> Array:
    z = np.asarray(run.args[0], dtype=float)
    if way == "tanh":
        return np.asarray(np.tanh(z))
    if way == "softmax":
        exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
    if way == "mirrored":
        z = -z
    if way == "no sign":
        z = np.abs(z)
    result = np.exp(-np.logaddexp(0.0, -z))
    return np.asarray(result * (1 - result) if way == "derivative" else result)


RETURN = "return ops.where(z >= 0, 1.0 / (1.0 + small), small / (1.0 + small))"

CHECK = Check(
    cases,
    oracle,
    mistakes=(
        Mistake(
            "Large positive numbers give NaN: infinity was divided by infinity. Take exp only of numbers up to 0.",
            edits=((RETURN, "return ops.exp(z) / (1.0 + ops.exp(z))"),),
            matches=lambda judged: judged.failed == {"large numbers"} and not_finite(judged, "large numbers"),
        ),
        Mistake(
            "The curve falls where it should rise: check the sign in the exponent.",
            edits=(("z >= 0", "z < 0"),),
            switches={"way": "mirrored"},
        ),
        Mistake(
            "Negative numbers give more than one half: the formula for positive numbers was used on both sides of 0.",
            edits=((RETURN, "return 1.0 / (1.0 + small)"),),
            switches={"way": "no sign"},
        ),
        Mistake(
            "Some results are negative: that is tanh, which goes from -1 to 1.",
            edits=((RETURN, "return ops.tanh(z)"),),
            switches={"way": "tanh"},
        ),
        Mistake(
            "Large numbers of either sign give 0: that is the slope of the sigmoid, not its value.",
            edits=((RETURN, "return small / (1.0 + small) ** 2"),),
            switches={"way": "derivative"},
        ),
        Mistake(
            "Each row sums to 1: that is softmax; sigmoid looks at each number by itself.",
            edits=((RETURN, "return ops.softmax(z, axis=-1)"),),
            switches={"way": "softmax"},
        ),
    ),
    alternatives=(
        ((RETURN, "return 0.5 * (1.0 + ops.tanh(0.5 * z))"),),
        ((RETURN, "return 1.0 / (1.0 + ops.exp(-z))"),),
        ((RETURN, "return ops.exp(-ops.softplus(-z))"),),
        """
def sigmoid(z):
    z = np.asarray(z, dtype="float64")
    result = np.empty_like(z)
    positive = z >= 0
    result[positive] = 1 / (1 + np.exp(-z[positive]))
    powers = np.exp(z[~positive])
    result[~positive] = powers / (1 + powers)
    return result
""",
    ),
)
