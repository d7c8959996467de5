"""Sentences as rows of token ids: of a small grammar whose best predictions are known exactly, and of Shakespeare."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from course.data.looking import for_looking
from course.data.split import DownloadError

PAD, CLS, SEP, MASK = range(4)
"""Ids that are no words: what fills up short rows, begins a row, ends a sentence, and hides a token."""
SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
WORDS = len(SPECIAL)
"""The first id of a word."""

# --- a grammar ---

TOPICS = ("river", "money", "kitchen", "road")
NOUNS = {
    "river": ("otter", "heron", "boat"),
    "money": ("clerk", "lender", "thief"),
    "kitchen": ("cook", "baker", "maid"),
    "road": ("rider", "driver", "wagon"),
}
PLACES = {
    "river": ("bank", "bridge", "reeds"),  # two words belong to two topics each
    "money": ("bank", "vault", "office"),
    "kitchen": ("oven", "table", "sink"),
    "road": ("bridge", "inn", "fence"),
}
VERBS = {
    "past": ("waited", "stood", "slept"),
    "present, one": ("waits", "stands", "sleeps"),
    "present, many": ("wait", "stand", "sleep"),
}
CRIES = {
    "good": ["hurray", "bravo", "great", "splendid", "wonderful", "cheers", "lucky", "yes", "finally", "hello"],
    "bad": ["alas", "oh", "ugh", "horrible", "terrible", "help", "sorry", "no", "never", "woe"],
}
MOODS = {
    "good": ["lovely", "bright", "proud", "merry", "brave", "gentle", "clever", "noble", "jolly", "calm"],
    "bad": ["ugly", "dull", "poor", "nasty", "gloomy", "wicked", "foolish", "vile", "grumpy", "weary"],
}
MANNERS = {
    "good": ["gladly", "kindly", "well", "calmly", "warmly", "nicely", "bravely", "happily", "wisely", "fondly"],
    "bad": ["sadly", "rudely", "badly", "angrily", "coldly", "meanly", "sulkily", "bitterly", "grimly", "madly"],
}
TIMES = {"past": ("yesterday", "once"), "present": ("today", "now")}
SHARES = {2: (0.6, 0.4), 3: (0.5, 0.3, 0.2), 10: (0.145, 0.135, 0.125, 0.115, 0.105, 0.095, 0.085, 0.075, 0.065, 0.055)}
"""How often each word of a list is chosen, by the number of words: never a tie."""
NOISE = 0.1
"""How often a word of the other mood stands in one of the three places that show the mood."""
LENGTH = 11
"""Tokens of a row: `[CLS]` and ten words."""
MOOD_PLACES = (1, 3, 9)
"""Where in a row the words stand that show the mood."""


def _draw(words: Sequence[str]) -> dict[str, float]:
    return dict(zip(words, SHARES[len(words)], strict=True))


def _noisy(words: Mapping[str, Sequence[str]], mood: str) -> dict[str, float]:
    share = {own: 1 - NOISE if own == mood else NOISE for own in words}
    return {word: share[own] * chance for own in words for word, chance in _draw(words[own]).items()}


def _places(topic: str, number: str, tense: str, mood: str) -> list[dict[str, float]]:
    """For each place of a sentence, the probabilities of its words, given what the sentence is about."""
    nouns = [word if number == "one" else f"{word}s" for word in NOUNS[topic]]
    return [
        {"[CLS]": 1.0},
        _noisy(CRIES, mood),
        _draw(("a" if number == "one" else "some", "the")),
        _noisy(MOODS, mood),
        _draw(nouns),
        _draw(VERBS["past" if tense == "past" else f"present, {number}"]),
        _draw(("near", "by", "behind")),
        {"the": 1.0},
        _draw(PLACES[topic]),
        _noisy(MANNERS, mood),
        _draw(TIMES[tense]),
    ]


@for_looking
class Grammar:
    """Sentences such as "hurray the proud otters waited near the bank gladly yesterday".

    A sentence is about something: one of four topics, one or many, past or present, a good or a bad mood; 32 kinds, all equally
    frequent. Given the kind, each word is drawn by itself. So everything that anyone can know about a hidden word follows from
    sums over 32 kinds, and is computed here exactly. This is why the text is synthetic.

    Args:
        order: The id of each word, a rearrangement of 4 to `len(words) - 1`; by default the words are in alphabetical order.

    Attributes:
        words: The token of each id; the first four are `SPECIAL`.
        kinds: What each of the 32 kinds is: `(topic, number, tense, mood)`.
        tables: float64, `(32, LENGTH, len(words))`: the probability of each word in each place, given the kind.
    """

    def __init__(self, order: Sequence[int] | None = None) -> None:
        self.kinds = list(product(TOPICS, ("one", "many"), ("past", "present"), ("good", "bad")))
        sentences = [_places(*kind) for kind in self.kinds]
        found = sorted({word for places in sentences for place in places for word in place} - set(SPECIAL))
        ids = range(len(SPECIAL), len(SPECIAL) + len(found)) if order is None else order
        number: Mapping[str, int] = dict(zip(found, ids, strict=True)) | {word: k for k, word in enumerate(SPECIAL)}
        self.words = sorted(number, key=number.__getitem__)
        self.tables = np.zeros((len(self.kinds), LENGTH, len(self.words)))
        for kind, places in enumerate(sentences):
            for place, shares in enumerate(places):
                for word, share in shares.items():
                    self.tables[kind, place, number[word]] = share

    def sample(self, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw sentences.

        Returns:
            `(ids, kinds)`: int32, `(samples, LENGTH)`, and int64, `(samples,)`, the number of each sentence's kind.
        """
        kinds = rng.integers(len(self.kinds), size=samples)
        return self.of_kinds(kinds, rng), kinds

    def of_kinds(self, kinds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw one sentence of each of the given kinds: int32, `(len(kinds), LENGTH)`."""
        highest = np.cumsum(self.tables, axis=-1)
        drawn = rng.random((len(kinds), LENGTH, 1))
        ids: np.ndarray = (drawn >= highest[kinds]).sum(axis=-1)
        return np.minimum(ids, len(self.words) - 1).astype("int32")

    def halves(self, rng: np.random.Generator) -> tuple[Grammar, Grammar]:
        """The same grammar twice, each with another half of the words that show a mood: the ids of the words stay."""
        shares = np.zeros((2, *self.tables.shape))
        shares[:] = self.tables
        for mood in (True, False):
            kind = np.flatnonzero(self.moods(np.arange(len(self.kinds))) == mood)[0]
            for place in MOOD_PLACES:
                # The words of a list are the likelier ones in its own mood.
                words = np.flatnonzero(self.tables[kind, place] > self.tables[:, place].mean(axis=0))
                for half, gone in enumerate(np.split(rng.permutation(words), 2)):
                    shares[half][:, place, gone] = 0
        first, second = copy.copy(self), copy.copy(self)
        first.tables, second.tables = shares / shares.sum(axis=-1, keepdims=True)
        return first, second

    def moods(self, kinds: np.ndarray) -> np.ndarray:
        """1 for the kinds in a good mood, else 0."""
        good = np.array([kind[3] == "good" for kind in self.kinds])
        return good[kinds].astype("int64")

    def kind_given(self, ids: np.ndarray) -> np.ndarray:
        """How probable each kind is, given the tokens that are not `[MASK]`: float64, `(samples, 32)`, rows sum to 1."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.tables)
        places = np.arange(LENGTH)
        each = logs[:, places, ids]  # (kinds, samples, places)
        total = np.where(ids == MASK, 0.0, each).sum(axis=-1).T
        likely = np.exp(total - total.max(axis=1, keepdims=True))
        shares: np.ndarray = likely / likely.sum(axis=1, keepdims=True)
        return shares

    def best_prediction(self, ids: np.ndarray) -> np.ndarray:
        """The exact probability of each word in each place, given the other tokens that are not `[MASK]`.

        Nobody can predict the hidden words better. For a place that is not hidden, too, its own token counts as known.

        Args:
            ids: Integers, `(samples, LENGTH)`; hidden tokens are `[MASK]`.

        Returns:
            float64, `(samples, LENGTH, words)`; rows sum to 1.
        """
        best: np.ndarray = np.einsum("nk,kpw->npw", self.kind_given(ids), self.tables)
        return best

    def tell(self, ids: Sequence[int]) -> str:
        """The row as text."""
        return " ".join(self.words[number] for number in ids)


# --- Shakespeare ---

SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def sentences(
    source: Literal["grammar", "shakespeare"] = "grammar", samples: int = 6000, seed: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Rows of token ids to train a language model on.

    Args:
        source: `"grammar"` (needs no network; synthetic, so that the best possible prediction is known), or a real download:
            `"shakespeare"`, lines of his plays (1 MB; kept under `~/.keras` and checked by its hash).
        samples: Rows; of Shakespeare as many as there are, if there are fewer.
        seed: The same seed gives the same rows.

    Returns:
        `(ids, words)`: int32, `(samples, length)`, each row with `[CLS]` first and filled up with `[PAD]`; and the token of
        each id, the first four being `[PAD]`, `[CLS]`, `[SEP]` and `[MASK]`. Of Shakespeare, words outside the 1,000
        most frequent ones are `[UNK]`.

    Raises:
        DownloadError: If there is no network, or the file is not the published one.
        ValueError: If there is no such source.

    Reference:
        The plays as chosen by Karpathy, 2015, char-rnn.
    """
    if source == "grammar":
        grammar = Grammar()
        return grammar.sample(samples, np.random.default_rng(seed))[0], grammar.words
    if source != "shakespeare":
        raise ValueError(f'Expected "grammar" or "shakespeare". Received: {source!r}')
    import keras

    try:
        path = keras.utils.get_file("tinyshakespeare.txt", origin=SHAKESPEARE, file_hash=SHAKESPEARE_SHA256)
    except Exception as error:  # what Keras raises when a download fails is a plain Exception
        raise DownloadError(
            f'Shakespeare could not be downloaded and checked: {error}. Go on without: sentences("grammar") needs no network.'
        ) from error
    return read_lines(path, samples, seed)


def read_lines(
    path: str | Path, samples: int, seed: int, length: int = 16, vocabulary: int = 1000
) -> tuple[np.ndarray, list[str]]:
    """Rows of token ids from the lines of a text file, as `sentences` gives them: lower case, words and punctuation marks."""
    lines = [re.findall(r"[\w']+|[^\w\s]", line.lower()) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    lines = [line[: length - 1] for line in lines if len(line) > 2]
    frequent = [word for word, _ in Counter(word for line in lines for word in line).most_common(vocabulary)]
    words = [*SPECIAL, "[UNK]", *frequent]
    number = {word: k for k, word in enumerate(words)}
    chosen = np.random.default_rng(seed).permutation(len(lines))[:samples]
    ids = np.full((len(chosen), length), PAD, dtype="int32")
    ids[:, 0] = CLS
    for row, line in enumerate(chosen):
        tokens = [number.get(word, number["[UNK]"]) for word in lines[line]]
        ids[row, 1 : 1 + len(tokens)] = tokens
    return ids, words
