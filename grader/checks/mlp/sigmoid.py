"""Sigmoid: numbers of both signs, some where it is close to 0 or 1, and numbers whose exponential overflows."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import apart, got, not_finite, right


def cases(rng: np.random.Generator) -> list[Case]:
    # A third lies where the sigmoid is nearly flat, yet not 0 or 1; one number on each side is near 0.
    near, moderate, tails = (apart(rng, (n,), low=a, high=b) for n, a, b in ((2, 0.3, 0.9), (6, 0.3, 4.0), (4, 5.0, 10.0)))
    z = rng.permutation(np.concatenate([near, moderate, tails])).reshape(3, 1, 4)
    # Moderate numbers among the large ones, so that no threshold but 0 passes.
    large = np.concatenate([[1000.0, -3000.0, 95.0, -95.0], -near, apart(rng, (2,), low=0.3, high=2.0)])
    # The number in front has either sign once: who chooses for all numbers by one of them is wrong once.
    negative = np.concatenate([[-95.0], rng.permutation(np.delete(large, 3))])
    return [
        Case("values", Call((z,)), weight=2),
        Case("large numbers", Call((negative,)), weight=0.5),
        Case("a large one first", Call((-negative,)), weight=0.5),
    ]


def oracle(z: Array, way: str = "") -> Array:
    if way == "tanh":
        return np.tanh(z)
    if way == "softmax":
        exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)
    if way == "mirrored":
        z = -z
    if way == "no sign":
        z = np.abs(z)
    result = np.exp(-np.logaddexp(0.0, -z))
    return result * (1 - result) if way == "derivative" else result


def cuts_off(judged: Judged) -> bool:
    """Right, but for numbers from some size on, all of which give the same."""
    z, received = judged.cases[0].run.args[0], got(judged, "values")
    if "values" not in judged.failed or received.shape != z.shape:
        return False
    wrong = ~np.isclose(received, right(judged, "values"), atol=judged.check.atol, rtol=judged.check.rtol)
    if wrong.all() or not wrong.any() or np.abs(z[wrong]).min() < np.abs(z[~wrong]).max():
        return False
    return all(np.ptp(received[wrong & side]) == 0 for side in (z > 0, z < 0) if (wrong & side).any())


RETURN = "return ops.where(negative, below / (1.0 + below), 1.0 / (1.0 + above))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Large positive numbers give NaN: infinity was divided by infinity. Take exp only of numbers up to 0.": Mistake(
            (RETURN, "return ops.exp(z) / (1.0 + ops.exp(z))"),
            matches=lambda judged: (
                judged.failed == {"large numbers", "a large one first"} and not_finite(judged, "large numbers")
            ),
        ),
        "The curve falls where it should rise: check the sign in the exponent.": Mistake(
            (RETURN, "return ops.where(negative, 1.0 / (1.0 + below), above / (1.0 + above))"), way="mirrored"
        ),
        "Negative numbers give more than one half: the formula for positive numbers was used on both sides of 0.": Mistake(
            (RETURN, "return 1.0 / (1.0 + below * above)"), way="no sign"
        ),
        "Some results are negative: that is tanh, which goes from -1 to 1.": Mistake(
            (RETURN, "return ops.tanh(z)"), way="tanh"
        ),
        "Large numbers of either sign give 0: that is the slope of the sigmoid, not its value.": Mistake(
            (RETURN, "return below * above / (1.0 + below * above) ** 2"), way="derivative"
        ),
        "Each row sums to 1: that is softmax; sigmoid looks at each number by itself.": Mistake(
            (RETURN, "return ops.softmax(z, axis=-1)"), way="softmax"
        ),
        "From some size on, all numbers give the same: the sigmoid comes ever closer to 0 and 1. exp can stand more.": Mistake(
            (RETURN, f'return ops.where(ops.abs(z) > 5, ops.cast(z > 0, "float32"), {RETURN.removeprefix("return ")})'),
            matches=cuts_off,
        ),
    },
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
    # Sigmoid of -10 is 5e-5, which must differ from 0. Not less, since 0.5 + tanh(z / 2) / 2 is right and cancels there.
    atol=2e-6,
    rtol=2e-6,
    off_limits=(
        "keras.ops.sigmoid",
        "keras.ops.log_sigmoid",
        "keras.activations.sigmoid",
        "keras.activations.log_sigmoid",
        "keras.ops.silu",
        "keras.ops.swish",
        "keras.activations.silu",
        "keras.activations.swish",
        "keras.ops.glu",
        "keras.activations.glu",
        "keras.layers.Activation",
        "scipy.special.expit",
        "scipy.special.log_expit",
    ),
)
