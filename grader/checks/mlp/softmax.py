"""Softmax over classes: rows that differ in level, logits far outside the range of exp, and a batch of one row."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import got, only, right

ONE = "batch of one row"
WIDE = -1


def cases(rng: np.random.Generator) -> list[Case]:
    logits = rng.normal(size=(4, 3)) * 1.5 + rng.permutation(4)[:, None] / 2
    large = rng.normal(size=(4, 5)) + np.array([[1000.0], [-1000.0], [0.0], [0.0]])
    # The last row spans so much that no shift but its largest score helps: neither its mean, its smallest nor its first one.
    large[WIDE] += np.append(-1000.0, rng.permutation([1000.0, 1000.0, -1000.0, -1000.0]))
    return [
        Case("values", Call((logits,)), weight=2),
        Case("large logits", Call((large,))),
        Case(ONE, Call((rng.normal(size=(1, 4)) * 1.5,))),
    ]


def oracle(logits: Array, way: str = "") -> Array:
    if way == "no exp":
        return logits / logits.sum(axis=-1, keepdims=True)
    logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return logs if way == "log" else np.exp(logs)


def nan_in(judged: Judged) -> str:
    """Which large logits gave NaN, where nothing else is wrong: "wide" for the last row alone, or "low" or "high"."""
    received = got(judged, "large logits")
    if judged.failed != {"large logits"} or received.ndim != 2:
        return ""
    high, low, _, wide = [not np.isfinite(row).all() for row in received]
    if high:
        return "high"
    return "low" if low else "wide" if wide else ""


def columns_sum_to_one(judged: Judged) -> bool:
    """Whatever was subtracted before: a sum along the batch makes the columns probabilities."""
    received = got(judged, "values")
    return "values" in judged.failed and received.size > 0 and np.allclose(received.sum(axis=0), 1, atol=1e-4)


def table_sums_to_one(judged: Judged) -> bool:
    received = got(judged, "values")
    return "values" in judged.failed and bool((received > 0).all()) and abs(received.sum() - 1) < 1e-4


def not_divided(judged: Judged) -> bool:
    """Each row is a multiple of what it should be, with or without the shift."""
    received, wanted = got(judged, "values"), right(judged, "values")
    if received.shape != wanted.shape or "values" not in judged.failed:
        return False
    ratios = received / wanted
    same = np.abs(ratios / ratios[:, :1] - 1) < 1e-3
    return bool(same.all() and (received > 0).all()) and not table_sums_to_one(judged)


RETURN = "return exponentials / ops.sum(exponentials, axis=-1, keepdims=True)"
SHIFT = "shifted = logits - ops.max(logits, axis=-1, keepdims=True)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The columns sum to 1 instead of the rows: softmax runs over the classes, the last axis, not over the batch.": Mistake(
            ("ops.max(logits, axis=-1, keepdims=True)", "ops.max(logits, axis=0, keepdims=True)"),
            ("ops.sum(exponentials, axis=-1, keepdims=True)", "ops.sum(exponentials, axis=0, keepdims=True)"),
            matches=columns_sum_to_one,
        ),
        "Logits of 1000 give NaN: exp overflows, so subtract each row's maximum first; it changes nothing else.": Mistake(
            (SHIFT, "shifted = logits"), matches=lambda judged: nan_in(judged) == "high"
        ),
        "A row far below the largest score of the table gives NaN, 0 divided by 0: subtract the maximum of each row.": Mistake(
            (SHIFT, "shifted = logits - ops.max(logits)"), matches=lambda judged: nan_in(judged) == "low"
        ),
        "A row that holds 1000 and -1000 gives NaN: what is subtracted must be the row's largest score, "
        "nothing smaller.": Mistake(
            (SHIFT, "shifted = logits - ops.mean(logits, axis=-1, keepdims=True)"),
            matches=lambda judged: nan_in(judged) == "wide",
        ),
        "Only a batch of one row goes wrong: `squeeze` removes its batch axis as well. Name the axis, or "
        "keep dimensions.": Mistake((RETURN, RETURN.replace("return ", "return ops.squeeze(") + ")"), matches=only(ONE)),
        "The whole table sums to 1 instead of each row: give the sum an axis.": Mistake(
            (RETURN, "return exponentials / ops.sum(exponentials)"), matches=table_sums_to_one
        ),
        "The rows do not sum to 1: divide the exponentials by their sum over the row.": Mistake(
            (RETURN, "return exponentials"), matches=not_divided
        ),
        "All results are negative: these are the logs of the probabilities.": Mistake(
            (RETURN, "return shifted - ops.log(ops.sum(exponentials, axis=-1, keepdims=True))"), way="log"
        ),
        "The rows sum to 1, but the scores were divided as they are: take their exponentials first.": Mistake(
            (SHIFT, "shifted = logits"), ("ops.exp(shifted)", "shifted"), way="no exp"
        ),
    },
    alternatives=(
        ((RETURN, "return ops.exp(shifted - ops.logsumexp(shifted, axis=-1, keepdims=True))"),),
        "def softmax(logits):\n    return ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))\n",
        """
def softmax(logits):
    logits = np.asarray(logits, dtype="float64")
    exponentials = np.exp(logits - logits.max(axis=1)[:, None])
    return (exponentials / exponentials.sum(axis=1)[:, None]).tolist()
""",
        """
def softmax(logits):
    rows = []
    for row in np.asarray(logits):
        differences = row[:, None] - row[None, :]
        with np.errstate(over="ignore"):
            rows.append(1 / np.exp(-differences).sum(axis=1))
    return np.stack(rows)
""",
    ),
    # Numbers near 1000 are 6e-5 apart in float32, so the log of a sum of exponentials there is that much off.
    atol=1e-4,
    off_limits=(
        "keras.ops.softmax",
        "keras.ops.log_softmax",
        "keras.activations.softmax",
        "keras.activations.log_softmax",
        "keras.layers.Softmax",
        "keras.layers.Activation",
    ),
)
