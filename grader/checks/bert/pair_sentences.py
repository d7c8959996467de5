"""Pairs of sentences: rows without gaps, segments, first ones in order, true pairs, random ones from other documents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course.data.text import CLS, PAD, SEP, WORDS
from course.probe import Randomness
from grader.judging import Array, Arrays, Call, Case, Check, Judged, Mistake
from grader.judging.contracts import booleans

DOCUMENTS, SENTENCES, LENGTH = 120, 26, 4
"""Few documents, so that whoever does not leave out the own one meets it: of 1,500 random sentences, 12 come from there."""
PAIRS, WIDTH = DOCUMENTS * (SENTENCES - 1), 2 * LENGTH + 3
ROWS, SEGMENTS, ORDER, TRUE, RANDOM, HALF = (
    *("rows", "segments", "first sentences"),
    *("true pairs", "random pairs", "half of each"),
)
NAMES = ("ids", "segment_ids", "is_next")


def cases(rng: np.random.Generator) -> list[Case]:
    # Every token occurs once, so it tells which sentence it is of; its first one, where that begins.
    tokens = WORDS + np.arange(DOCUMENTS * SENTENCES * LENGTH).reshape(DOCUMENTS * SENTENCES, LENGTH)
    tokens = rng.permuted(rng.permutation(tokens), axis=1).reshape(DOCUMENTS, SENTENCES, LENGTH)  # type: ignore[assignment]
    lengths = rng.integers(1, LENGTH + 1, size=(DOCUMENTS, SENTENCES, 1))
    lengths[:, 0] = LENGTH  # some rows are full, whatever is drawn
    lengths[:, 1] = rng.permutation([LENGTH, LENGTH, 2] * (DOCUMENTS // 3))[:, None]
    documents = np.where(np.arange(LENGTH) < lengths, tokens, PAD)
    run = Call((documents, Randomness(int(rng.integers(2**31)))), returns=NAMES, numpy=True)
    shapes = {"ids": (PAIRS, WIDTH), "segment_ids": (PAIRS, WIDTH), "is_next": (PAIRS,)}

    def part(judge: Callable[[Pairs], bool]) -> Callable[[Arrays], bool]:
        return lambda arrays: judge(Pairs(documents, arrays))

    return [
        Case(ROWS, run, weight=2, accept=part(Pairs.are_rows), shapes=shapes),
        Case(SEGMENTS, run, weight=2, accept=part(Pairs.have_segments), shapes=shapes),
        Case(ORDER, run, accept=part(Pairs.are_in_order), shapes=shapes, property=True),
        Case(TRUE, run, weight=2, accept=part(Pairs.are_true), shapes=shapes),
        Case(RANDOM, run, weight=2, accept=part(Pairs.are_random), shapes=shapes),
        Case(HALF, run, accept=part(Pairs.are_balanced), shapes=shapes, property=True),
    ]


class Pairs:
    """Which sentences stand in each row, told by its first word and its last one: numbers, or -1 for what is no sentence."""

    def __init__(self, documents: Array, arrays: Arrays) -> None:
        self.texts = documents.reshape(-1, LENGTH)
        self.ids, self.segments = (arrays[name].astype(float) for name in ("ids", "segment_ids"))
        self.is_next = arrays["is_next"].astype(bool)
        sentence_of = np.full(WORDS + documents.size, -1)
        sentence_of[self.texts] = np.arange(len(self.texts))[:, None]
        sentence_of[:WORDS] = -1
        known = (self.ids >= WORDS) & (self.ids < len(sentence_of))
        sentences = sentence_of[np.where(known, self.ids, PAD).astype(int)]
        last = WIDTH - 1 - known[:, ::-1].argmax(axis=1)
        self.first, self.second = sentences[np.arange(PAIRS), known.argmax(axis=1)], sentences[np.arange(PAIRS), last]
        self.own, self.number = np.divmod(self.first, SENTENCES)
        self.other, self.other_number = np.divmod(self.second, SENTENCES)
        self.follows = (self.second == self.first + 1) & (self.number < SENTENCES - 1)

    def rows(self, begin: tuple[int, ...] = (CLS,), end: tuple[int, ...] = (SEP,), gaps: bool = False) -> Array:
        """What these sentences look like in a row."""
        rows = np.full((PAIRS, WIDTH + 2), PAD)
        for row, *pair in zip(rows, self.texts[self.first], self.texts[self.second], strict=True):
            first, second = (text if gaps else text[text != PAD] for text in pair)
            tokens = [*begin, *first, SEP, *second, *end]
            row[: len(tokens)] = tokens
        return rows[:, :WIDTH]

    def are_rows(self) -> bool:
        return bool((self.first >= 0).all() and (self.ids == self.rows()).all())

    def behind(self, early: int = 0, padding: bool = False) -> Array:
        """The segments of these rows: 1 behind the first `[SEP]`, and with `early` 1 for that itself, too."""
        ends = self.ids == SEP
        behind = np.cumsum(ends, axis=1) - ends * (1 - early) > 0
        return behind & (padding | (self.ids != PAD))

    def have_segments(self) -> bool:
        return bool((self.ids == SEP).any() and (self.segments == self.behind()).all())

    def are_in_order(self) -> bool:
        expected = np.delete(np.arange(DOCUMENTS * SENTENCES), np.s_[SENTENCES - 1 :: SENTENCES])
        return bool((self.first == expected).all())

    def are_true(self) -> bool:
        """All that are called true are, and there are some."""
        return bool(self.is_next.any() and self.follows[self.is_next].all())

    def are_random(self) -> bool:
        random = ~self.is_next
        other, number = self.other[random], self.other_number[random]
        if not random.any() or (self.second < 0).any() or (other == self.own[random]).any():
            return False
        counts = np.bincount(number, minlength=SENTENCES)
        spread = 6 * np.sqrt(len(number) / SENTENCES)
        # Each sentence's number is equally frequent. So is each document, whichever the own one is and however far it is away.
        return bool(np.abs(counts - len(number) / SENTENCES).max() < spread) and (
            many(other, DOCUMENTS)
            and many(self.further()[random], DOCUMENTS - 1)
            and many(self.own[random] * DOCUMENTS + other, DOCUMENTS * (DOCUMENTS - 1))
        )

    def further(self) -> Array:
        """How many documents further on the second sentences are, around the corner."""
        return (self.other - self.own) % DOCUMENTS

    def are_balanced(self) -> bool:
        """One half are true, and what is true of one pair tells nothing of the next ones."""
        labels = self.is_next
        shares = [labels.mean(), *((labels[k:] == labels[:-k]).mean() for k in (1, 2, 3))]
        return bool(np.abs(np.array(shares) - 0.5).max() < 6 * 0.5 / np.sqrt(PAIRS - 3))


def many(found: Array, possible: int) -> bool:
    """Whether about as many occur as of so many drawn from all that are possible: of n from D, about D (1 - exp(-n / D))."""
    return len(np.unique(found)) > 0.8 * possible * (1 - np.exp(-len(found) / possible))


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    arrays = judged.received.get(ROWS, {})
    if any(name not in arrays for name in NAMES) or not judged.failed:
        return ""
    pairs = Pairs(judged.cases[0].run.args[0], arrays)
    if ORDER in judged.failed or (pairs.second < 0).any():
        return ""
    if ROWS in judged.failed:
        wrong = {"gaps": {"gaps": True}, "no [CLS]": {"begin": ()}, "one [SEP]": {"end": ()}}
        return next((name for name, ways in wrong.items() if (pairs.ids == pairs.rows(**ways)).all()), "")  # type: ignore[arg-type]
    if SEGMENTS in judged.failed:
        early = {"[SEP] in B": {"early": 1}, "padding in B": {"padding": True}}
        return next((name for name, ways in early.items() if (pairs.segments == pairs.behind(**ways)).all()), "")  # type: ignore[arg-type]
    if (pairs.follows == ~pairs.is_next).mean() > 0.99:
        return "inverted"
    if pairs.is_next.all():
        return "always next"
    if not pairs.is_next.any():
        return "never next"
    random = ~pairs.is_next
    if HALF in judged.failed:
        return "rule" if abs(pairs.is_next.mean() - 0.5) < 0.05 else "share"
    if TRUE in judged.failed:
        return "itself" if (pairs.first == pairs.second)[pairs.is_next].all() else ""
    own = (pairs.other == pairs.own)[random].mean()
    if own > 0.99:
        return "same document"
    if own > 0:
        return "own document too"
    if len(np.unique(pairs.further()[random])) == 1:
        return "same way on"
    return "first sentence only" if len(np.unique(pairs.other_number[random])) == 1 else ""


OTHER = "other = (document + rng.integers(1, number)) % number"
NEXT = "is_next = rng.random(pairs) < 0.5"
RETURN = "return ids, segment_ids, is_next"
SENTENCE = "documents[other, rng.integers(sentences)]"
FOLLOWS = "documents[document, sentence + 1]"
TOKENS = "tokens = [1, *first[first > 0], 2, *second[second > 0], 2]"
BEHIND = "segment_ids[pair, (first > 0).sum() + 2 : len(tokens)] = 1"

CHECK = Check(
    cases,
    mistakes={
        "There are gaps in the rows: padding belongs behind the second [SEP], not between the sentences.": Mistake(
            (TOKENS, "tokens = [1, *first, 2, *second, 2]"), matches="gaps"
        ),
        "The rows do not begin with [CLS].": Mistake(
            (TOKENS, TOKENS.replace("[1, ", "[")), (BEHIND, BEHIND.replace("+ 2", "+ 1")), matches="no [CLS]"
        ),
        "The [SEP] behind the second sentence is missing: BERT closes both.": Mistake(
            (TOKENS, TOKENS.replace("0], 2]", "0]]")), matches="one [SEP]"
        ),
        "The [SEP] between the sentences is put into segment 1: it closes A, and belongs to segment 0.": Mistake(
            (BEHIND, BEHIND.replace("+ 2", "+ 1")), matches="[SEP] in B"
        ),
        "Padding is put into segment 1: only B and the [SEP] behind it belong there.": Mistake(
            (BEHIND, BEHIND.replace("len(tokens)", "")), matches="padding in B"
        ),
        "The labels are the wrong way round: `is_next` is true where B follows A.": Mistake(
            (RETURN, RETURN.replace(", is_next", ", ~is_next")), matches="inverted"
        ),
        "Every B is the sentence that follows: without random pairs there is nothing to learn.": Mistake(
            (NEXT, "is_next = np.ones(pairs, dtype=bool)"), matches="always next"
        ),
        "The share of true pairs is not a half.": Mistake((NEXT, NEXT.replace("0.5", "0.15")), matches="share"),
        "Which pairs are true follows a rule, which a model can learn: draw it for each pair by itself.": Mistake(
            (NEXT, "is_next = np.arange(pairs) % 2 == 0"), matches="rule"
        ),
        "The random sentences are always from as many documents further on: draw the document anew for each pair.": Mistake(
            (OTHER, "other = (document + 1) % number"), matches="same way on"
        ),
        "The random sentences come from the same document: they have to come from another one.": Mistake(
            (OTHER, "other = document"),
            (SENTENCE, SENTENCE.replace("(sentences)", "(sentences - 1) - 1")),
            matches="same document",
        ),
        "Some random sentences come from the same document, and may even be the next one: leave that document out.": Mistake(
            (OTHER, "other = rng.integers(number)"), matches="own document too"
        ),
        "The second sentence of the true pairs is the first one again: it is the one after it.": Mistake(
            (FOLLOWS, "documents[document, sentence]"), matches="itself"
        ),
        "The random sentences are always the beginning of a document: every sentence should be equally probable.": Mistake(
            (SENTENCE, "documents[other, 0]"), matches="first sentence only"
        ),
    },
    alternatives=(
        """
def pair_sentences(documents, rng):
    rows, segments, labels = [], [], []
    width = 2 * documents.shape[2] + 3
    for d, document in enumerate(documents):
        others = np.delete(np.arange(len(documents)), d)
        for s in range(len(document) - 1):
            labels.append(bool(rng.integers(2)))
            b = document[s + 1] if labels[-1] else documents[rng.choice(others), rng.choice(len(document))]
            a, b = [1, *document[s][document[s] != 0], 2], [*b[b != 0], 2]
            rows.append(np.pad(a + b, (0, width - len(a + b))))
            segments.append(np.pad([0] * len(a) + [1] * len(b), (0, width - len(a + b))))
    return np.array(rows), np.array(segments), np.array(labels)
""",
        """
def pair_sentences(documents, rng):
    number, sentences, length = documents.shape
    place = np.arange(number * sentences).reshape(number, sentences)
    first = place[:, :-1].ravel()
    second = first + 1
    swapped = rng.random(len(first)) >= 0.5
    while (wrong := swapped & (second // sentences == first // sentences)).any():
        second[wrong] = rng.integers(number * sentences, size=wrong.sum())
    rows = documents.reshape(-1, length)
    one = np.ones((len(first), 1), dtype=int)
    ids = np.concatenate([one, rows[first], 2 * one, rows[second], 2 * one], axis=1)
    # Padding goes to the end, and all else stays in order.
    ids = np.take_along_axis(ids, np.argsort(ids == 0, axis=1, kind="stable"), axis=1)
    seps = np.cumsum(ids == 2, axis=1) - (ids == 2)
    return ids, np.where(ids == 0, 0, seps), ~swapped
""",
        """
def pair_sentences(documents, rng):
    number, sentences, length = documents.shape
    pairs = [(d, s) for d in range(number) for s in range(sentences - 1)]
    is_next = rng.permutation(np.arange(len(pairs)) % 2 == 0)
    ids = np.zeros((len(pairs), 2 * length + 3), "int64")
    segment_ids = np.zeros_like(ids)
    for row, (d, s) in enumerate(pairs):
        e, t = (d, s + 1) if is_next[row] else (rng.choice([k for k in range(number) if k != d]), rng.integers(sentences))
        a, b = (np.trim_zeros(documents[place], "b") for place in ((d, s), (e, t)))
        ids[row, 0] = 1
        ids[row, 1 : len(a) + 1] = a
        ids[row, len(a) + 1] = 2
        ids[row, len(a) + 2 : len(a) + 2 + len(b)] = b
        ids[row, len(a) + 2 + len(b)] = 2
        segment_ids[row, len(a) + 2 : len(a) + 3 + len(b)] = 1
    return ids, segment_ids, is_next
""",
    ),
    symptom=symptom,
    contracts=(booleans(lambda documents, *args: (documents[:, 1:, 0].size,), "is_next"),),
)
