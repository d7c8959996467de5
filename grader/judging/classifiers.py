"""What the checks of classifiers share: what shows in the numbers that a model gives, trained or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grader.judging.bars import Bar
from grader.judging.matching import named
from grader.judging.vocabulary import Array, Arrays, Case, Judged, Mistake, ModelCall

CHANCE = 0.2
"""Above what guessing one of ten classes ever reaches on 4,000 samples."""
EASY = 0.7
"""An accuracy that is far above guessing, and far below what is reached on an easy problem."""


COUNT = "number of parameters"
"""The part that compares a model's size."""
PARAMETERS, TRAINABLE = "parameters", "trainable"


def counts(**switches: Any) -> Callable[[Judged], bool]:
    """A matcher: the number of parameters is that of the oracle with these switches."""

    def match(judged: Judged) -> bool:
        expected, received = judged.check.expected(named(judged, COUNT), **switches), judged.received.get(COUNT, {})
        return COUNT in judged.failed and bool(received.get(PARAMETERS) == expected[PARAMETERS])

    return match


def differ(arrays: Arrays) -> bool:
    """Whether a fresh model's logits come from units that differ: all hidden units or all classes equal cannot do that.

    Equal units give the classes one pattern over the rows, more or less of it each: beside their means, logits of rank 1.
    """
    logits = np.asarray(arrays["logits"], dtype=float)
    if not np.abs(logits).max() < 1e6:  # NaN too
        return False
    first, second, *_ = np.linalg.svd(logits - logits.mean(axis=0), compute_uv=False)
    return bool(second > 1e-3 * first > 0)


def sums_to_one(z: Array) -> bool:
    return bool(np.allclose(z.sum(axis=1), 1, atol=1e-3))


def are_logits(arrays: Arrays) -> bool:
    """Whether the outputs can be any number: finite, and not all of one kind as after softmax, sigmoid or ReLU."""
    z = arrays["fresh"]
    return bool(np.isfinite(z).all()) and bool((z < 0).any()) and not sums_to_one(z)


def _accuracy(labels: Array) -> Callable[[Arrays], float]:
    """The share of the fresh samples that a model calls what they are."""
    return lambda arrays: float((np.argmax(arrays["fresh"], axis=1) == labels).mean())


def trained(least: float, run: ModelCall, labels: Array, logits: float) -> list[Case]:
    """What is judged of a trained classifier: its accuracy, and whether it gives logits.

    Args:
        least: The bar of the accuracy.
        run: Trains it, and calls it on `fresh` samples.
        labels: Of these, `(n,)`; each class occurs.
        logits: Weight of that part; the accuracy weighs 4.
    """
    shapes = {"fresh": (len(labels), int(labels.max()) + 1)}
    return [
        Case("accuracy", run, 4, accept=Bar(least, _accuracy(labels), len(labels)), shapes=shapes),
        Case("logits", run, logits, accept=are_logits, shapes=shapes, property=True),
    ]


def learns(part: str, args: tuple[Any, ...], fresh: Array, labels: Array, weight: float = 1) -> Case:
    """A part that trains once more, on an easy problem of other sizes: who takes the sizes from the data gets most of it."""
    accuracy = _accuracy(labels)
    run = ModelCall(args, numpy=True, inputs={"fresh": fresh})
    shapes = {"fresh": (len(labels), int(labels.max()) + 1)}
    return Case(part, run, weight, accept=lambda arrays: accuracy(arrays) > EASY, shapes=shapes, property=True)


def no_logits(z: Array) -> str:
    """How the outputs show that they are none: "constant", "probabilities", "sigmoid" or "relu"; "" if they may be logits."""
    if np.ptp(z, axis=0).max() < 1e-6 * max(1.0, np.abs(z).max()):
        return "constant"
    if (z < 0).any():
        return ""
    if sums_to_one(z):
        return "probabilities"
    return "sigmoid" if z.max() <= 1 else "relu"


def answers(judged: Judged) -> tuple[Array, float] | None:
    """The logits of the fresh samples and their accuracy, or `None` if there are none that are numbers."""
    arrays = judged.received.get("accuracy", {})
    bar = next(case.accept for case in judged.cases if case.part == "accuracy")
    if "fresh" not in arrays or not np.isfinite(arrays["fresh"]).all() or not isinstance(bar, Bar):
        return None
    return np.asarray(arrays["fresh"], dtype=float), bar.measure(arrays)


def symptom(judged: Judged, too_low: Callable[[float], str] = lambda accuracy: "undertrained", chance: float = CHANCE) -> str:
    """The one thing that the evidence of a trained classifier shows first; "" for none.

    Args:
        judged: What was judged.
        too_low: What an accuracy under the bar, but better than guessing, is called.
        chance: Above what guessing ever reaches.
    """
    if (found := answers(judged)) is None or not judged.failed:
        return ""
    z, accuracy = found
    if squeezed := no_logits(z):
        return squeezed
    if accuracy < chance:
        return "untrained"
    return too_low(accuracy) if "accuracy" in judged.failed else ""


ACTIVATED = {
    "softmax": (
        "probabilities",
        "Every row of the output sums to 1: these are probabilities, where logits are asked for. Does the last layer have a "
        "softmax? With a loss that has `from_logits=True`, softmax is even applied twice.",
    ),
    "relu": (
        "relu",
        "No output is ever negative: a ReLU on the last layer cuts off the logits of the classes that are ruled out.",
    ),
    "sigmoid": (
        "sigmoid",
        "Every output lies between 0 and 1, yet rows do not sum to 1: a sigmoid on the last layer squeezes the logits.",
    ),
}
"""By activation of a last layer that should have none: what `no_logits` calls it, and the sentence."""


def activated_outputs(output: str) -> dict[str, Mistake]:
    """The mistakes of a last layer that should give logits and does not, for symptoms in the words of `no_logits`.

    Args:
        output: The layer's source in the reference, such as `"layers.Dense(classes)"`.
    """
    return {
        sentence: Mistake((output, f'{output[:-1]}, activation="{activation}")'), matches=name)
        for activation, (name, sentence) in ACTIVATED.items()
    }


def untrained(*edits: tuple[str, str]) -> dict[str, Mistake]:
    """The mistake of a model that was never fitted, made by these edits."""
    sentence = "The model does no better than guessing: has it been fitted, and does the loss know that it gets logits?"
    return {sentence: Mistake(*edits, matches="untrained")}
