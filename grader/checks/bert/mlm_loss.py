"""The loss of a masked language model: few tokens chosen, all of them, large logits, and none chosen."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, not_finite, only

LARGE, NONE = "large logits", "no token chosen"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(size: float, share: float) -> Call:
        batch, length, vocabulary = 3, 6, 5
        logits = apart(rng, (batch, length, vocabulary), low=0.2 * size, high=size)
        labels = rng.integers(vocabulary, size=(batch, length)).astype("int32")
        chosen = rng.permutation(np.arange(batch * length) < share * batch * length).reshape(batch, length)
        return Call((logits, labels, chosen))

    return [
        Case("few tokens chosen", run(3.0, 0.3), weight=2),
        Case("all tokens chosen", run(3.0, 1.0)),
        Case(LARGE, run(300.0, 0.4)),
        Case(NONE, run(3.0, 0.0), weight=0.5, property=True),
    ]


def oracle(*arrays: Array, over: str = "chosen", base: float = np.e, sign: float = 1.0, softmax: str = "once") -> Array:
    logits, labels, chosen = arrays
    logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    if softmax == "twice":
        logs = np.exp(logs) - np.logaddexp.reduce(np.exp(logs), axis=-1, keepdims=True)
    losses = -np.take_along_axis(logs, labels[..., None], axis=-1)[..., 0] / np.log(base) * sign
    number = max(1, chosen.sum())
    return {
        "chosen": (losses * chosen).sum() / number,
        "all": losses.mean(),
        "all below": (losses * chosen).mean(),
        "sum": (losses * chosen).sum(),
        "rows": np.mean((losses * chosen).sum(axis=1) / np.maximum(1, chosen.sum(axis=1))),
    }[over]


LOSSES = "-ops.take_along_axis(ops.log_softmax(logits), labels[:, :, None], axis=-1)[:, :, 0]"
RETURN = "return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The loss is averaged over all tokens: the others are easy to copy, and hide how bad the guesses are.": Mistake(
            (RETURN, "return ops.mean(losses)"), over="all"
        ),
        "The sum over the chosen tokens is divided by the number of all tokens: divide by how many were chosen.": Mistake(
            (RETURN, "return ops.mean(losses * weights)"), over="all below"
        ),
        "The losses are added up, not averaged: divide by how many tokens were chosen.": Mistake(
            (RETURN, "return ops.sum(losses * weights)"), over="sum"
        ),
        "Each row is averaged by itself: average over all chosen tokens, or one counts more where few are.": Mistake(
            (RETURN, "return ops.mean(ops.sum(losses * weights, 1) / ops.maximum(ops.sum(weights, 1), 1.0))"), over="rows"
        ),
        "The sign is the other way round: a probable label should cost little.": Mistake((LOSSES, LOSSES[1:]), sign=-1.0),
        "Softmax is applied twice: take the logarithm of the probabilities, not another softmax of them.": Mistake(
            ("ops.log_softmax(logits)", "ops.log_softmax(ops.softmax(logits))"), softmax="twice"
        ),
        "With large logits the loss is not a number: a probability has become 0, and its logarithm infinite.": Mistake(
            ("ops.log_softmax(logits)", "ops.log(ops.softmax(logits))"),
            matches=lambda judged: LARGE in judged.failed and not_finite(judged, LARGE) and not not_finite(judged, NONE),
        ),
        "Where no token is chosen, the loss is not a number: 0 is divided by 0. It should be 0.": Mistake(
            (RETURN, "return ops.sum(losses * weights) / ops.sum(weights)"), matches=only(NONE)
        ),
    },
    alternatives=(
        """
def mlm_loss(logits, labels, chosen):
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    weights = ops.cast(chosen, "float32")
    return ops.divide_no_nan(ops.sum(losses * weights), ops.sum(weights))
""",
        """
def mlm_loss(logits, labels, chosen):
    own = ops.sum(logits * ops.one_hot(labels, logits.shape[-1]), axis=-1)
    losses = ops.where(chosen, ops.logsumexp(logits, axis=-1) - own, 0.0)
    return ops.sum(losses) / (ops.sum(ops.cast(chosen, "float32")) + 1e-9)
""",
        """
def mlm_loss(logits, labels, chosen):
    logits, labels, chosen = (ops.convert_to_numpy(value) for value in (logits, labels, chosen))
    if not chosen.any():
        return 0.0
    logits, labels = logits[chosen].astype("float64"), labels[chosen]
    logits = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]))
""",
    ),
    rtol=2e-5,
)
