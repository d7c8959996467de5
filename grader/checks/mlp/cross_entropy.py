"""Cross-entropy: a mean that is no sum, logits whose softmax rounds to 0 at the label, and a batch of one row."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.matching import got, not_finite, only, right

ONE = "batch of one row"


def cases(rng: np.random.Generator) -> list[Case]:
    # Labels are all different where they can be, and bounded logits keep every probability above 0.01.
    logits = rng.uniform(-1.5, 1.5, size=(5, 4))
    labels = rng.permutation(np.array([0, 1, 2, 3, rng.integers(4)]))
    large_labels = rng.permutation(3)
    large = rng.normal(size=(3, 3)) + np.array([[1000.0], [-1000.0], [0.0]])
    # Two rows are far from their label: softmax gives it a probability that float32 and float64 round to 0.
    large[[0, 2], large_labels[[0, 2]]] -= rng.uniform(800, 1200, size=2)
    # A row that spans so much that no shift but its largest score helps: neither its mean nor its first score.
    wide = rng.normal(size=3) + np.append(-1000.0, rng.permutation([1000.0, -1000.0]))
    large, large_labels = np.vstack([large, wide]), np.append(large_labels, rng.integers(3))
    one, label = rng.uniform(-1.5, 1.5, size=(1, 4)), rng.integers(3, size=1)  # without the last class
    return [
        Case("values", Call((logits, labels.astype("int32"))), weight=3),
        Case("large logits", Call((large, large_labels.astype("int32")))),
        Case(ONE, Call((one, label.astype("int32")))),
    ]


def oracle(logits: Array, labels: Array, way: str = "") -> Array:
    if way == "double softmax":
        exponentials = np.exp(logits - logits.max(axis=1)[:, None])
        logits = exponentials / exponentials.sum(axis=1)[:, None]
    losses = np.array([np.logaddexp.reduce(row) - row[label] for row, label in zip(logits, labels, strict=True)])
    if way == "sum":
        return losses.sum()
    if way == "sign":
        return -losses.mean()
    if way == "all entries":
        return losses.sum() / logits.size
    if way == "no log":
        return -np.exp(-losses).mean()
    if way == "raw":
        return -logits[np.arange(len(labels)), labels].mean()
    return losses.mean()


def is_clipped(judged: Judged) -> bool:
    """Right, but for a loss of 1000 nats something much smaller."""
    received, wanted = got(judged, "large logits"), right(judged, "large logits")
    return judged.failed == {"large logits"} and received.size == 1 and 0 < float(received) < float(wanted) / 2


SAFE = "log_probabilities = shifted - log_sums"
RETURN = "return -ops.mean(of_labels)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The loss grows with the batch: take the mean over the rows, not the sum.": Mistake(
            (RETURN, "return -ops.sum(of_labels)"), way="sum"
        ),
        "The loss is negative: a log of a probability is at most 0, so it needs a minus sign.": Mistake(
            (RETURN, "return ops.mean(of_labels)"), way="sign"
        ),
        "The loss is too small by a factor of the number of classes: divide by the rows alone, not by all entries.": Mistake(
            (RETURN, "return -ops.mean(ops.one_hot(labels, logits.shape[-1]) * log_probabilities)"), way="all entries"
        ),
        "Softmax was applied twice: the arguments are logits, and one softmax is part of the loss.": Mistake(
            ("shifted = logits - ops.max(logits, axis=-1, keepdims=True)", "shifted = ops.softmax(logits)"),
            way="double softmax",
        ),
        "Large logits give NaN or infinity: exp overflowed, or a probability was rounded to 0 before its log. Simplify "
        "log(softmax), and subtract each row's largest score first.": Mistake(
            (SAFE, "log_probabilities = ops.log(ops.exp(shifted) / ops.exp(log_sums))"),
            matches=lambda judged: judged.failed == {"large logits"} and not_finite(judged, "large logits"),
        ),
        "Large losses are cut off: a small number inside the log hides the problem. Simplify log(softmax) instead.": Mistake(
            (SAFE, "log_probabilities = ops.log(ops.maximum(ops.exp(shifted) / ops.exp(log_sums), 1e-7))"), matches=is_clipped
        ),
        "The log is missing: the loss is minus the log of the probability, not minus the probability.": Mistake(
            (RETURN, "return -ops.mean(ops.exp(of_labels))"), way="no log"
        ),
        "The scores of the labels were averaged as they are: turn them into log-probabilities first.": Mistake(
            (SAFE, "log_probabilities = logits"), way="raw"
        ),
        "Only a batch of one row goes wrong: `squeeze` removes its batch axis as well, or the classes were counted from "
        "the labels.": Mistake(("ops.expand_dims(labels, -1)", "ops.expand_dims(ops.squeeze(labels), -1)"), matches=only(ONE)),
        "There is one loss per row: average them into a single number.": Mistake(
            (RETURN, "return -of_labels[:, 0]"),
            matches=lambda judged: "shape (), received (5,)" in judged.errors.get("values", ""),
        ),
    },
    alternatives=(
        """
def cross_entropy(logits, labels):
    chosen = ops.sum(ops.one_hot(labels, logits.shape[-1]) * logits, axis=-1)
    return ops.mean(ops.logsumexp(logits, axis=-1) - chosen)
""",
        """
def cross_entropy(logits, labels):
    log_probabilities = ops.log_softmax(logits, axis=-1)
    return -ops.sum(ops.one_hot(labels, logits.shape[1]) * log_probabilities) / logits.shape[0]
""",
        """
def cross_entropy(logits, labels):
    logits, labels = np.asarray(logits, dtype="float64"), np.asarray(labels)
    logits = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(losses.mean())
""",
        """
def cross_entropy(logits, labels):
    total = 0.0
    for row, label in zip(ops.convert_to_numpy(logits), ops.convert_to_numpy(labels)):
        total = total + np.log(np.sum(np.exp(row - row[label] - np.max(row - row[label])))) + np.max(row - row[label])
    return total / len(ops.convert_to_numpy(labels))
""",
    ),
    off_limits=(
        "keras.ops.sparse_categorical_crossentropy",
        "keras.ops.categorical_crossentropy",
        "keras.losses.sparse_categorical_crossentropy",
        "keras.losses.categorical_crossentropy",
        "keras.losses.SparseCategoricalCrossentropy",
        "keras.losses.CategoricalCrossentropy",
        "keras.metrics.sparse_categorical_crossentropy",
        "keras.metrics.categorical_crossentropy",
        "keras.metrics.SparseCategoricalCrossentropy",
        "keras.metrics.CategoricalCrossentropy",
        "tensorflow.nn.sparse_softmax_cross_entropy_with_logits",
        "tensorflow.nn.softmax_cross_entropy_with_logits",
        "torch.nn.CrossEntropyLoss",
        "torch.nn.functional.cross_entropy",
        "torch.nn.functional.nll_loss",
    ),
)
