"""Scaled dot-product attention: all sizes differ, keys are not queries, and a mask that must hold at scores of 20,000.

There are inputs with two, three and four axes, and masks with as many axes as the scores and with fewer.
"""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import shows
from grader.judging.off_limits import ATTENTION

RETURNS = ("output", "weights")
MODERATE = ("weights", "output", "one sequence", "more leading axes", "mask")
LARGE = {"large scores", "mask strength"}
"""Parts with scores so large that rounding may hide what a mistake looks like."""


def _mask(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Each row allows half of the keys: with one key alone, the weights would not depend on the scores."""
    return np.asarray(np.argsort(rng.random(shape), axis=-1) < shape[-1] / 2)


def _strong(rng: np.random.Generator, masked: bool) -> Call:
    """Whole numbers, so that float32 is exact: half of a row's scores are about -20,000, half about +20,000.

    In some rows it is 10,000, so that no number but each row's own maximum makes the exponentials safe. With a mask, only the
    keys with negative scores may be attended to.
    """
    query, key = rng.integers(1, 4, size=(1, 5, 4)), rng.integers(-3, 4, size=(1, 6, 4))
    # One key of each sign has all the weight: of numbers near 20,000, a sum's logarithm is not known to four digits.
    key[..., 1] = 100 * rng.permutation(6)
    signs = rng.permutation([1, 1, 1, -1, -1, -1])
    query[..., 0], key[..., 0] = 100 * rng.permutation([2, 2, 1, -2, -1]), 200 * signs
    mask = query[..., 0][..., :, None] * key[..., 0][..., None, :] < 0
    value = rng.normal(size=(1, 6, 3)) + np.arange(6)[:, None]
    arrays = query.astype(float), key.astype(float), value
    return Call((*arrays, mask) if masked else arrays, returns=RETURNS)


def cases(rng: np.random.Generator) -> list[Case]:
    def draw(*lead: int, queries: int, keys: int, key_dim: int, value_dim: int) -> tuple[Array, ...]:
        shapes = ((queries, key_dim), (keys, key_dim), (keys, value_dim))
        return tuple(rng.normal(size=(*lead, *shape)) * 1.5 for shape in shapes)

    plain = Call(draw(2, queries=4, keys=7, key_dim=5, value_dim=3), returns=RETURNS)
    rows = draw(2, queries=5, keys=6, key_dim=3, value_dim=4)
    rows[0][:, 0] = 0  # scores of 0, which are no sign that a key is hidden
    # One mask for the whole batch, as a causal mask is.
    masked = Call((*rows,), {"mask": _mask(rng, (5, 6))}, returns=RETURNS)
    heads = draw(2, 3, queries=5, keys=4, key_dim=6, value_dim=7)
    wide = Call((*heads,), {"mask": _mask(rng, (2, 1, 1, 4))}, returns=RETURNS)
    single = Call(draw(queries=3, keys=5, key_dim=6, value_dim=2), returns=RETURNS)
    return [
        Case("weights", plain, of=("weights",), weight=2),
        Case("output", plain, of=("output",)),
        Case("one sequence", single, weight=0.5),
        Case("more leading axes", wide, weight=0.5),
        Case("large scores", _strong(rng, masked=False), weight=0.5),
        Case("mask", masked),
        Case("mask strength", _strong(rng, masked=True), weight=0.5),
    ]


def oracle(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    scale: str = "root",
    softmax: str = "keys",
    masking: str = "before",
) -> tuple[Array, Array]:
    scores = np.einsum("...qd,...kd->...qk", query, key)
    root = np.sqrt(query.shape[-1])
    scores = scores / {"root": root, "none": 1.0, "dim": root**2, "length": np.sqrt(key.shape[-2]), "late": 1.0}[scale]
    if mask is not None:
        allowed = np.broadcast_to(mask, scores.shape)
        if masking == "times":
            scores = scores * allowed
        elif masking == "plus":
            scores = scores + allowed
        elif masking in ("before", "inverted"):
            scores = np.where(allowed if masking == "before" else ~allowed, scores, -np.inf)
    axis = -1 if softmax == "keys" else -2
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    weights = weights / weights.sum(axis=axis, keepdims=True)
    if mask is not None and masking == "after":
        weights = weights * allowed
    if scale == "late":
        weights = weights / root
    return np.einsum("...qk,...kv->...qv", weights, value), weights


def _mask_does_nothing(judged: Judged) -> bool:
    return {"mask", "more leading axes"} <= judged.failed and shows(*MODERATE, masking="ignored")(judged)


def _lower_rank_ignored(judged: Judged) -> bool:
    return judged.failed == {"mask"} and shows(*MODERATE, masking="ignored")(judged)


def _needs_three_axes(judged: Judged) -> bool:
    """Only inputs with other than three axes fail, and they raise."""
    return judged.failed == {"one sequence", "more leading axes"} <= judged.errors.keys()


def _nan(judged: Judged, part: str) -> bool:
    return bool(np.isnan(judged.received.get(part, {}).get("weights", np.zeros(1))).any())


def _leaks(judged: Judged) -> bool:
    """Only the strong mask fails, and weight lies on keys that it forbids."""
    weights = judged.received.get("mask strength", {}).get("weights")
    if judged.failed != {"mask strength"} or weights is None or not np.isfinite(weights).all():
        return False
    mask = next(case.run.args[3] for case in judged.cases if case.part == "mask strength")
    return bool((weights[~mask] > 1e-6).any())


SCALE = "/ key_dim**0.5"
WHERE = "ops.where(mask, scores, -np.inf)"
SOFTMAX = "ops.softmax(scores, axis=-1)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The weights are too sharp: the scores are not divided by √key_dim.": Mistake(
            (f" {SCALE}", ""), matches=shows(*MODERATE, scale="none")
        ),
        "The weights are too even: the scores are divided by key_dim itself, not by its square root.": Mistake(
            (SCALE, "/ key_dim"), matches=shows(*MODERATE, scale="dim")
        ),
        "The scores are divided by the root of the number of keys: it is the number of features of a key that counts.": Mistake(
            (SCALE, "/ key.shape[-2] ** 0.5"), matches=shows(*MODERATE, scale="length")
        ),
        "The rows of the weights do not sum to 1: scale the scores before the softmax, not the weights after it.": Mistake(
            (f" {SCALE}", ""), (SOFTMAX, f"{SOFTMAX} {SCALE}"), matches=shows(*MODERATE, scale="late")
        ),
        "The columns of the weights sum to 1, not the rows: softmax runs over the keys, the last axis.": Mistake(
            (SOFTMAX, "ops.softmax(scores, axis=-2)"), matches=shows("weights", "output", softmax="queries")
        ),
        'The mask is upside down: True means "may attend", and your weights lie on the keys where it is False.': Mistake(
            (WHERE, "ops.where(mask, -np.inf, scores)"), matches=shows(*MODERATE, masking="inverted")
        ),
        "The mask does nothing: keys that may not be attended to still have their full weight.": Mistake(
            (WHERE, "scores"), matches=_mask_does_nothing
        ),
        "A mask with fewer axes than the scores does nothing: it is to broadcast, one (query_len, key_len) "
        "for the batch.": Mistake(
            ("if mask is not None:", "if mask is not None and len(mask.shape) == len(scores.shape):"),
            matches=_lower_rank_ignored,
        ),
        "Inputs without a batch axis fail, and those with two leading axes: count axes from the end, with -1 and -2.": Mistake(
            ("ops.swapaxes(key, -1, -2)", "ops.transpose(key, (0, 2, 1))"), matches=_needs_three_axes
        ),
        "Masked keys still get weight: their scores became 0, not minus infinity, and exp(0) is 1.": Mistake(
            (WHERE, "scores * ops.cast(mask, scores.dtype)"), matches=shows(*MODERATE, masking="times")
        ),
        "With a mask the rows no longer sum to 1: masking after the softmax takes weight away and gives it to nobody.": Mistake(
            (f"scores = {WHERE}", "pass"),
            (SOFTMAX, "ops.softmax(scores, axis=-1) * (1.0 if mask is None else ops.cast(mask, scores.dtype))"),
            matches=shows(*MODERATE, masking="after"),
        ),
        "The mask hardly changes the weights: adding True adds 1 to a score, a forbidden score must become "
        "minus infinity.": Mistake((WHERE, "scores + ops.cast(mask, scores.dtype)"), matches=shows(*MODERATE, masking="plus")),
        "The mask leaks when scores are large: your stand-in for minus infinity, such as -10,000, is not "
        "negative enough.": Mistake((WHERE, "ops.where(mask, scores, -1e4)"), matches=_leaks),
        "The weights are NaN when scores are large: exp overflows or all of a row underflows; subtract each "
        "row's maximum.": Mistake(
            (SOFTMAX, "ops.exp(scores) / ops.sum(ops.exp(scores), axis=-1, keepdims=True)"),
            matches=lambda judged: judged.failed <= LARGE and all(_nan(judged, part) for part in judged.failed),
        ),
        "The weights are NaN as soon as there is a mask. 0 times minus infinity gives that, and so does a score of plus "
        "infinity: choose between score and minus infinity with ops.where.": Mistake(
            (WHERE, "scores + (1.0 - ops.cast(mask, scores.dtype)) * -np.inf"),
            matches=lambda judged: _nan(judged, "mask") and not judged.failed & {"weights", "output"},
        ),
    },
    alternatives=(
        ((WHERE, "ops.where(mask, scores, -1e9)"),),
        ((WHERE, "scores + (1.0 - ops.cast(mask, scores.dtype)) * -1e9"),),
        (
            (
                "ops.matmul(query, ops.swapaxes(key, -1, -2)) / key_dim**0.5",
                'ops.einsum("...qd,...kd->...qk", query / ops.sqrt(float(key_dim)), key)',
            ),
            (WHERE, 'ops.where(mask, scores, float(np.finfo("float32").min))'),
            (
                "return ops.matmul(weights, value), weights",
                'return [ops.einsum("...qk,...kd->...qd", weights, value), weights]',
            ),
        ),
        """
def scaled_dot_product_attention(query, key, value, mask=None):
    query, key, value = (np.asarray(x, dtype="float64") for x in (query, key, value))
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(key.shape[-1])
    if mask is not None:
        scores = np.where(np.asarray(mask), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return [weights @ value, weights]
""",
        """
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = ops.matmul(query, ops.moveaxis(key, -1, -2)) * ops.rsqrt(ops.cast(ops.shape(key)[-1], "float32"))
    scores = scores - ops.max(scores, axis=-1, keepdims=True) if mask is None else scores
    if mask is not None:
        allowed = ops.cast(mask, "float32")
        highest = ops.max(ops.where(mask, scores, -3e38), axis=-1, keepdims=True)
        weights = ops.exp(ops.minimum(scores - highest, 0.0)) * allowed
    else:
        weights = ops.exp(scores)
    weights = weights / ops.sum(weights, axis=-1, keepdims=True)
    return weights @ value, weights
""",
    ),
    off_limits=ATTENTION,
)
