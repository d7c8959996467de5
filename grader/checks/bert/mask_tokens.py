"""Which tokens are chosen, and what is put there: shares of many tokens, within six standard deviations."""

from __future__ import annotations

import numpy as np

from course.data.text import MASK, WORDS
from course.probe import Randomness
from grader.judging import Array, Arrays, Call, Case, Check, Judged, Mistake
from grader.judging.contracts import booleans

SAMPLES, LENGTH = 3000, 20
RATE, HIDDEN, RANDOM = 0.15, 0.8, 0.1


def cases(rng: np.random.Generator) -> list[Case]:
    vocabulary = int(rng.integers(60, 200))
    ids = rng.integers(WORDS, vocabulary, size=(SAMPLES, LENGTH))
    ids[:, 0] = 1
    ids[np.arange(SAMPLES), rng.integers(4, 12, size=SAMPLES)] = 2
    ids[:, -4:] = np.where(rng.random((SAMPLES, 1)) < 0.5, 0, ids[:, -4:])
    seed = int(rng.integers(2**31))
    run = Call((ids, Randomness(seed), vocabulary), returns=("inputs", "chosen"), numpy=True)
    # Twice on the same array: who writes into it chooses from what is already masked.
    again = Call((ids, Randomness(seed + 1), vocabulary), returns=("inputs", "chosen"), numpy=True, calls=2)
    both = {"inputs": ids.shape, "chosen": ids.shape}
    return [
        Case("which are chosen", run, weight=2, accept=lambda a: bool(chooses(ids, a)), shapes=both),
        Case("what is put there", run, weight=2, accept=lambda a: bool(replaces(ids, a, vocabulary)), shapes=both),
        Case("the others stay", run, accept=lambda a: bool(others_stay(ids, a)), shapes=both, property=True),
        Case("the argument stays", again, weight=0.5, accept=lambda a: bool(others_stay(ids, a)), shapes=both, property=True),
    ]


def near(hits: Array, share: float) -> bool:
    """Whether a share of hits is what it should be, within six standard deviations."""
    return bool(len(hits) > 0 and abs(hits.mean() - share) <= 6 * np.sqrt(share * (1 - share) / len(hits)))


def chooses(ids: Array, arrays: Arrays) -> bool:
    chosen = arrays["chosen"].astype(bool)
    return not chosen[ids < WORDS].any() and near(chosen[ids >= WORDS], RATE)


def others_stay(ids: Array, arrays: Arrays) -> bool:
    chosen = arrays["chosen"].astype(bool)
    return bool((arrays["inputs"] == ids)[~chosen].all())


def replaces(ids: Array, arrays: Arrays, vocabulary: int) -> bool:
    chosen = arrays["chosen"].astype(bool) & (ids >= WORDS)
    given, own = arrays["inputs"][chosen], ids[chosen]
    words = vocabulary - WORDS
    random = given[(given != MASK) & (given != own)]
    return (
        near(given == MASK, HIDDEN)
        and near(given == own, 1 - HIDDEN - RANDOM + RANDOM / words)
        and bool((random >= WORDS).all() and (random < vocabulary).all())
        # Random words from the whole vocabulary: the lower half of it as often as the upper one.
        and near(random < WORDS + words // 2, (words // 2) / words)
    )


def found(judged: Judged) -> tuple[Array, Array, Array] | None:
    """The ids, what was given, and what was chosen, of the first run."""
    arrays = judged.received.get("which are chosen", {})
    if "chosen" not in arrays or "inputs" not in arrays or not judged.failed:
        return None
    return np.asarray(judged.cases[0].run.args[0]), arrays["inputs"], arrays["chosen"].astype(bool)


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    if (arrays := found(judged)) is None:
        return ""
    ids, inputs, chosen = arrays
    words = ids >= WORDS
    if judged.failed == {"the argument stays"}:
        return "argument"
    if chosen[~words].any():
        return "special tokens"
    if chosen.sum() == 0:
        return ""
    if not near(chosen[words], RATE):
        return "only the changed" if near(chosen[words], RATE * (1 - RANDOM)) and not (inputs == ids)[chosen].any() else "rate"
    given, own = inputs[chosen], ids[chosen]
    if (inputs != ids)[~chosen].any():
        return "others"
    if (given == MASK).all():
        return "all hidden"
    if (given == own).all():
        return "none hidden"
    if ((given < WORDS) & (given != MASK)).any():
        return "special words"
    if (given == own).mean() < RANDOM / 2:
        return "none kept"
    return "no random words" if ((given == MASK) | (given == own)).all() else ""


CHOOSE = "chosen = (rng.random(ids.shape) < 0.15) & (ids >= 4)"
HIDE = "inputs = np.where(chosen & (fate < 0.8), 3, ids)"
RETURN = "return np.where(chosen & (fate >= 0.9), words, inputs), chosen"

CHECK = Check(
    cases,
    mistakes={
        "Special tokens are chosen, too: padding, [CLS] and [SEP] are nothing to guess.": Mistake(
            (CHOOSE, "chosen = rng.random(ids.shape) < 0.15"), matches="special tokens"
        ),
        "The share of words that are chosen is not 0.15.": Mistake((CHOOSE, CHOOSE.replace("0.15", "0.3")), matches="rate"),
        "Tokens that stay as they are do not count as chosen: the model has to guess them, too, without "
        "knowing which.": Mistake(
            (RETURN, "inputs = np.where(chosen & (fate >= 0.9), words, inputs)\n    return inputs, inputs != ids"),
            matches="only the changed",
        ),
        "Every chosen token becomes [MASK]: a tenth of them becomes a random word, and a tenth stays.": Mistake(
            (HIDE, "inputs = np.where(chosen, 3, ids)"), (RETURN, "return inputs, chosen"), matches="all hidden"
        ),
        "No chosen token stays as it is: a tenth of them does, so that what is seen is worth something.": Mistake(
            (RETURN, RETURN.replace("0.9", "0.8")), matches="none kept"
        ),
        "No chosen token becomes a random word: a tenth of them does.": Mistake(
            (RETURN, "return inputs, chosen"), matches="no random words"
        ),
        "Random words are drawn from all ids: the special tokens, 0 to 3, are no words.": Mistake(
            ("rng.integers(4, vocab_size", "rng.integers(0, vocab_size"), matches="special words"
        ),
        "Tokens that were not chosen are replaced by random words, too.": Mistake(
            (RETURN, RETURN.replace("chosen & (fate >= 0.9)", "(fate >= 0.9) & (ids >= 4)")), matches="others"
        ),
        "The result is right, but `ids` was changed on the way: work on a copy.": Mistake(
            (HIDE, "ids[chosen & (fate < 0.8)] = 3\n    inputs = ids"), matches="argument"
        ),
    },
    alternatives=(
        """
def mask_tokens(ids, rng, vocab_size):
    inputs = ids.copy()
    chosen = np.zeros(ids.shape, dtype=bool)
    for place in zip(*np.nonzero(ids > 3)):
        if rng.uniform() < 0.15:
            chosen[place] = True
            fate = rng.choice(["mask", "random", "same"], p=[0.8, 0.1, 0.1])
            if fate == "mask":
                inputs[place] = 3
            elif fate == "random":
                inputs[place] = rng.integers(4, vocab_size)
    return inputs, chosen
""",
        """
def mask_tokens(ids, rng, vocab_size):
    chosen = rng.binomial(1, 0.15 * (ids >= 4))
    fate = rng.choice(3, size=ids.shape, p=[0.8, 0.1, 0.1])
    choices = [np.full_like(ids, 3), rng.integers(4, vocab_size, size=ids.shape), ids]
    return np.where(chosen == 1, np.choose(fate, choices), ids), chosen == 1
""",
    ),
    symptom=symptom,
    contracts=(booleans(lambda ids, *args: ids.shape, "chosen"),),
)
