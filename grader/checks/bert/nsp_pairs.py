"""Pairs of sentences: first ones in order, true pairs, and random ones from other documents, spread evenly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course.probe import Randomness
from grader.judging import Array, Arrays, Call, Case, Check, Judged, Mistake
from grader.judging.contracts import booleans

DOCUMENTS, SENTENCES, LENGTH = 120, 26, 3
"""Few documents, so that whoever does not leave out the own one meets it: of 1,500 random sentences, 12 come from there."""
PAIRS = DOCUMENTS * (SENTENCES - 1)
ORDER = "first sentences"


def cases(rng: np.random.Generator) -> list[Case]:
    # Every sentence occurs once, so it tells where it comes from.
    numbers = rng.permutation(DOCUMENTS * SENTENCES).reshape(DOCUMENTS, SENTENCES, 1)
    documents = numbers * LENGTH + rng.permutation(LENGTH) + 4
    run = Call((documents, Randomness(int(rng.integers(2**31)))), returns=("first", "second", "is_next"), numpy=True)
    shapes = {"first": (PAIRS, LENGTH), "second": (PAIRS, LENGTH), "is_next": (PAIRS,)}

    def part(judge: Callable[[Places], bool]) -> Callable[[Arrays], bool]:
        return lambda arrays: judge(Places(documents, arrays))

    return [
        Case(ORDER, run, accept=part(Places.in_order), shapes=shapes, property=True),
        Case("true pairs", run, weight=2, accept=part(Places.pairs_are_true), shapes=shapes),
        Case("random pairs", run, weight=2, accept=part(Places.randoms_are_random), shapes=shapes),
        Case("half of each", run, accept=part(Places.balanced), shapes=shapes, property=True),
    ]


class Places:
    """Where the sentences of some pairs stand: the document and the number in it, or -1 for what is no sentence."""

    def __init__(self, documents: Array, arrays: Arrays) -> None:
        places = {tuple(row): k for k, row in enumerate(documents.reshape(-1, LENGTH).tolist())}
        find = np.vectorize(lambda *row: places.get(row, -SENTENCES), otypes=[int])
        first, second = (find(*arrays[name].T) for name in ("first", "second"))
        self.own, self.number = np.divmod(first, SENTENCES)
        self.other, self.other_number = np.divmod(second, SENTENCES)
        self.follows = (second == first + 1) & (self.number < SENTENCES - 1)
        self.is_next = arrays["is_next"].astype(bool)

    def in_order(self) -> bool:
        expected = np.divmod(np.delete(np.arange(DOCUMENTS * SENTENCES), np.s_[SENTENCES - 1 :: SENTENCES]), SENTENCES)
        return bool((self.own == expected[0]).all() and (self.number == expected[1]).all())

    def pairs_are_true(self) -> bool:
        """All that are called true are, and there are some."""
        return bool(self.is_next.any() and self.follows[self.is_next].all())

    def randoms_are_random(self) -> bool:
        random = ~self.is_next
        other, number = self.other[random], self.other_number[random]
        if not random.any() or (other < 0).any() or (other == self.own[random]).any():
            return False
        # Of n documents drawn from D, about D (1 - exp(-n / D)) occur; each sentence's number is equally frequent.
        counts = np.bincount(number, minlength=SENTENCES)
        spread = 6 * np.sqrt(len(number) / SENTENCES)
        occur = len(np.unique(other))
        return bool(
            np.abs(counts - len(number) / SENTENCES).max() < spread
            and occur > 0.8 * DOCUMENTS * (1 - np.exp(-len(other) / DOCUMENTS))
        )

    def balanced(self) -> bool:
        return bool(abs(self.is_next.mean() - 0.5) < 6 * 0.5 / np.sqrt(PAIRS))


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    arrays = judged.received.get(ORDER, {})
    if len(arrays) < 3 or not judged.failed:
        return ""
    places = Places(judged.cases[0].run.args[0], arrays)
    if ORDER in judged.failed or (places.other < 0).any():
        return ""
    if (places.follows == ~places.is_next).mean() > 0.99:
        return "inverted"
    if places.is_next.all():
        return "always next"
    if not places.is_next.any():
        return "never next"
    random = ~places.is_next
    if "half of each" in judged.failed:
        return "share"
    if "true pairs" in judged.failed:
        return "itself" if (places.other_number == places.number)[places.is_next].all() else ""
    own = (places.other == places.own)[random].mean()
    if own > 0.99:
        return "same document"
    if own > 0:
        return "own document too"
    return "first sentence only" if len(np.unique(places.other_number[random])) == 1 else ""


OTHER = "other = (own + rng.integers(1, number, size=len(own))) % number"
NEXT = "is_next = rng.random(len(own)) < 0.5"
RETURN = "return first, np.where(is_next[:, None], following, random), is_next"
SENTENCE = "rng.integers(sentences, size=len(own))"

CHECK = Check(
    cases,
    mistakes={
        "The labels are the wrong way round: `is_next` is true where the second sentence follows the first.": Mistake(
            (RETURN, RETURN.replace(", is_next", ", ~is_next")), matches="inverted"
        ),
        "Every second sentence is the one that follows: without random pairs there is nothing to learn.": Mistake(
            (NEXT, "is_next = np.ones(len(own), dtype=bool)"), matches="always next"
        ),
        "The share of true pairs is not a half.": Mistake((NEXT, NEXT.replace("0.5", "0.15")), matches="share"),
        "The random sentences come from the same document: they have to come from another one.": Mistake(
            (OTHER, "other = own"), matches="same document"
        ),
        "Some random sentences come from the same document, and may even be the next one: leave that document out.": Mistake(
            (OTHER, "other = rng.integers(number, size=len(own))"), matches="own document too"
        ),
        "The second sentence of the true pairs is the first one again: it is the one after it.": Mistake(
            (RETURN, RETURN.replace("following", "first")), matches="itself"
        ),
        "The random sentences are always the beginning of a document: every sentence should be equally probable.": Mistake(
            (SENTENCE, "0"), matches="first sentence only"
        ),
    },
    alternatives=(
        """
def nsp_pairs(documents, rng):
    first, second, is_next = [], [], []
    for d, document in enumerate(documents):
        others = np.delete(np.arange(len(documents)), d)
        for s in range(len(document) - 1):
            first.append(document[s])
            is_next.append(bool(rng.integers(2)))
            second.append(document[s + 1] if is_next[-1] else documents[rng.choice(others), rng.choice(len(document))])
    return np.array(first), np.array(second), np.array(is_next)
""",
        """
def nsp_pairs(documents, rng):
    number, sentences, length = documents.shape
    place = np.arange(number * sentences).reshape(number, sentences)
    first = place[:, :-1].ravel()
    second = first + 1
    swapped = rng.random(len(first)) >= 0.5
    while (wrong := swapped & (second // sentences == first // sentences)).any():
        second[wrong] = rng.integers(number * sentences, size=wrong.sum())
    rows = documents.reshape(-1, length)
    return rows[first], rows[second], ~swapped
""",
    ),
    symptom=symptom,
    contracts=(booleans(lambda documents, *args: (documents[:, 1:, 0].size,), "is_next"),),
)
