"""What the checks of classifiers share: what shows in the numbers that a model gives, trained or not."""

from __future__ import annotations

import numpy as np

from grader.bars import Bar
from grader.checks import Array, Arrays, Judged

CHANCE = 0.2
"""Above what guessing one of ten classes ever reaches on 4,000 samples."""


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
