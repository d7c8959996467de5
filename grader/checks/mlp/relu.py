"""ReLU: numbers of both signs, zeros, and some far from 0, in several shapes, a vector among them."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import apart, got, right


def cases(rng: np.random.Generator) -> list[Case]:
    def run(*shape: int) -> Call:
        z = apart(rng, shape, low=0.5, high=4.0).ravel()
        z[np.argmax(z)] += 500.0
        z[np.argmin(z)] -= 20.0
        z[np.argmin(np.abs(z))] = 0.0
        z[np.argsort(z)[-2]] = 0.0004
        return Call((z.reshape(shape),))

    return [Case("values", run(3, 4), weight=2), Case("other shapes", run(2, 5, 1)), Case("vector", run(7))]


def oracle(z: Array, way: str = "") -> Array:
    if way == "abs":
        return np.abs(z)
    if way == "negatives":
        return np.where(z < 0, z, 0.0)
    if way == "softplus":
        return np.logaddexp(0.0, z)
    return np.where(z > 0, z, 0.0)


def steps(judged: Judged) -> bool:
    """1 or True where a number is positive; on TensorFlow, a number times a comparison is a truth value too."""
    received = judged.received.get("values", {}).get("result")
    wanted = right(judged, "values")
    if received is None or received.shape != wanted.shape:
        return False
    return received.dtype.kind == "b" or bool((received == (wanted > 0)).all())


def leaks(judged: Judged) -> bool:
    """Negative numbers came back multiplied by one small positive number."""
    received, z = got(judged, "values"), judged.cases[0].run.args[0]
    if received.shape != z.shape:
        return False
    slopes = received[z < 0] / z[z < 0]
    right = np.allclose(received[z >= 0], z[z >= 0], atol=1e-5)
    return bool(right and slopes.min() > 1e-4 and slopes.max() < 0.99 and np.ptp(slopes) < 1e-4)


def clips(judged: Judged) -> bool:
    """Right up to some level, and that level above it."""
    received, wanted = got(judged, "values"), right(judged, "values")
    if received.shape != wanted.shape or not np.isfinite(received).all() or steps(judged):
        return False
    level = received.max()
    return bool(0 < level < wanted.max() - 1e-3 and np.allclose(received, np.minimum(wanted, level), atol=1e-5))


def reduces(judged: Judged) -> bool:
    return any("should have the shape" in error for error in judged.errors.values())


def needs_a_table(judged: Judged) -> bool:
    return "values" not in judged.failed and "vector" in judged.failed and not reduces(judged)


RETURN = "return ops.maximum(z, 0.0)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Negative numbers came back positive: they become 0, this is no absolute value.": Mistake(
            (RETURN, "return ops.abs(z)"), way="abs"
        ),
        "Positive numbers became 1 or True: ReLU keeps their size. Cast a comparison to float before you "
        "multiply by it.": Mistake((RETURN, 'return ops.cast(z > 0, "float32")'), matches=steps),
        "The negative numbers were kept and the positive ones lost: it is the other way round.": Mistake(
            (RETURN, "return ops.minimum(z, 0.0)"), way="negatives"
        ),
        "Negative numbers leak through with a small slope: that is leaky ReLU; here they become exactly 0.": Mistake(
            (RETURN, "return ops.maximum(z, 0.1 * z)"), matches=leaks
        ),
        "Large numbers are cut off: ReLU has no upper limit.": Mistake((RETURN, "return ops.clip(z, 0.0, 6.0)"), matches=clips),
        "The result is smooth around 0: that is softplus; ReLU has a corner.": Mistake(
            (RETURN, "return ops.softplus(z)"), way="softplus"
        ),
        "The shape changed: compare each number with 0 by itself, rather than take the largest of several.": Mistake(
            (RETURN, "return ops.max(z, axis=-1)"), matches=reduces
        ),
        "A vector goes wrong: z may have any number of axes, so treat each number by itself, whatever the shape.": Mistake(
            (RETURN, "return ops.maximum(z, ops.zeros((z.shape[0], z.shape[1])))"), matches=needs_a_table
        ),
    },
    alternatives=(
        ((RETURN, "return ops.where(z > 0, z, ops.zeros_like(z))"),),
        ((RETURN, "return (z + ops.abs(z)) / 2"),),
        ((RETURN, 'return z * ops.cast(z > 0, "float32")'),),
        """
def relu(z):
    z = np.asarray(z).astype("float64")
    z[z < 0] = 0
    return z.tolist()
""",
    ),
    off_limits=(
        "keras.ops.relu",
        "keras.ops.leaky_relu",
        "keras.activations.relu",
        "keras.activations.leaky_relu",
        "keras.ops.elu",
        "keras.activations.elu",
        "keras.ops.threshold",
        "keras.activations.threshold",
        "keras.layers.ReLU",
        "keras.layers.LeakyReLU",
        "keras.layers.PReLU",
        "keras.layers.ELU",
        "keras.layers.Activation",
    ),
)
