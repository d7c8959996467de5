"""Stories of a small grammar in which verbs agree with their subjects across a clause: the best guesses are known exactly."""

from __future__ import annotations

from itertools import product

import numpy as np

from course.data.looking import for_looking
from course.data.text import CLS, MASK, PAD, SEP, SPECIAL, WORDS

TOPICS = {
    "river": (("otter", "heron"), ("swim", "dive")),
    "kitchen": (("chef", "maid"), ("cook", "bake")),
    "road": (("rider", "driver"), ("stop", "turn")),
    "school": (("pupil", "teacher"), ("read", "spell")),
}
"""Nouns and verbs of each topic."""
SEEN = ("saw", "heard")
TIMES = (("now",), ("these", "days"))
TIME, CLAUSE = 0.6, 0.6
"""How often a sentence begins with a time, and how often a clause follows its subject."""
WIDTH = 9
"""Tokens of the longest sentence."""
LENGTH = 2 * WIDTH + 3
"""Tokens of the longest pair, `[CLS]` and both `[SEP]` included."""

Places = list[dict[str, float]]
"""For each place of a sentence, the words that may stand there, with their probabilities."""


@for_looking
class Stories:
    """Stories such as "the otters that my heron saw swim. now the heron dives. these days …".

    All sentences of a story have the same topic. A sentence may begin with a time, and its subject may be followed by a clause
    with a noun of its own; one or many, of both nouns, is drawn for each by itself, and the verb agrees with the subject. What
    a sentence is about (topic, time, clause, numbers) has 72 values, its *plan*; given the plan, each word is drawn by
    itself. So all that can be known about hidden words, or about whether two sentences belong together, follows from sums over
    plans, and is computed here exactly.

    Args:
        rng: Draws how frequent each word is among its like, and which word has which id. By default all words of a kind are
            equally frequent, and the ids are in alphabetical order.

    Attributes:
        words: The token of each id; the first four are `[PAD]`, `[CLS]`, `[SEP]` and `[MASK]`.
    """

    def __init__(self, rng: np.random.Generator | None = None) -> None:
        def shares(words: tuple[str, ...]) -> dict[str, float]:
            drawn = np.ones(len(words)) if rng is None else rng.uniform(1, 3, len(words))
            return dict(zip(words, (drawn / drawn.sum()).tolist(), strict=True))

        kinds = {(topic, kind): shares(words) for topic, pair in TOPICS.items() for kind, words in enumerate(pair)}
        seen, plans, chances = shares(SEEN), [], []
        times = {(): 1 - TIME} | {time: TIME / len(TIMES) for time in TIMES}
        clauses = {None: 1 - CLAUSE, "one": CLAUSE / 2, "many": CLAUSE / 2}

        def nouns(topic: str, number: str) -> dict[str, float]:
            return {noun + "s" * (number == "many"): share for noun, share in kinds[topic, 0].items()}

        def verbs(topic: str, number: str) -> dict[str, float]:
            return {verb + "s" * (number == "one"): share for verb, share in kinds[topic, 1].items()}

        for topic, number, (time, often), (other, share) in product(TOPICS, ("one", "many"), times.items(), clauses.items()):
            inner = [{"that": 1.0}, {"my": 1.0}, nouns(topic, other), seen] if other else []
            plan: Places = [*({word: 1.0} for word in time), {"the": 1.0}, nouns(topic, number), *inner, verbs(topic, number)]
            plans.append(plan)
            chances.append(often * share / 2)
        found = sorted({word for plan in plans for place in plan for word in place})
        ids = np.arange(WORDS, WORDS + len(found))
        number = dict(zip(found, (ids if rng is None else rng.permutation(ids)).tolist(), strict=True))
        number |= {word: k for k, word in enumerate(SPECIAL)}
        self.words = sorted(number, key=number.__getitem__)
        self._tables = np.zeros((len(TOPICS), len(plans) // len(TOPICS), WIDTH, len(number)))
        self._tables[..., PAD] = 1
        for plan, table in zip(plans, self._tables.reshape(-1, *self._tables.shape[2:]), strict=True):
            for place, words in enumerate(plan):
                table[place, PAD] = 0
                for word, share in words.items():
                    table[place, number[word]] = share
        self._chances = np.array(chances[: len(plans) // len(TOPICS)])  # the same for each topic

    # --- drawing ---

    def sentences(self, topics: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a sentence about each of these topics: int32, `(*topics.shape, WIDTH)`, filled up with `[PAD]`."""
        plans = rng.choice(len(self._chances), p=self._chances, size=topics.shape)
        highest = np.cumsum(self._tables, axis=-1)
        drawn = rng.random((*topics.shape, WIDTH, 1))
        ids: np.ndarray = (drawn >= highest[topics, plans]).sum(axis=-1)
        return np.minimum(ids, len(self.words) - 1).astype("int32")

    def write(self, stories: int, sentences: int, rng: np.random.Generator) -> np.ndarray:
        """Draw stories: int32, `(stories, sentences, WIDTH)`, each sentence filled up with `[PAD]`."""
        topics = rng.integers(len(TOPICS), size=(stories, 1))
        return self.sentences(np.repeat(topics, sentences, axis=1), rng)

    def pairs(self, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw pairs of sentences, half of them of one story, and half of two that have nothing to do with each other.

        Returns:
            `(ids, is_next)`: int32, `(samples, LENGTH)`, `[CLS] A [SEP] B [SEP]` filled up with `[PAD]`; and booleans.
        """
        first, other = rng.integers(len(TOPICS), size=(2, samples))
        is_next = rng.random(samples) < 0.5
        topics = np.stack([first, np.where(is_next, first, other)], axis=1)
        return self.join(self.sentences(topics, rng)), is_next

    @staticmethod
    def join(pairs: np.ndarray) -> np.ndarray:
        """From `(samples, 2, WIDTH)` to `[CLS] A [SEP] B [SEP]`, `(samples, LENGTH)`."""
        ids = np.full((len(pairs), LENGTH), PAD, dtype="int32")
        for row, (first, second) in zip(ids, pairs, strict=True):
            tokens = [CLS, *first[first != PAD], SEP, *second[second != PAD], SEP]
            row[: len(tokens)] = tokens
        return ids

    # --- what can be known ---

    def best_prediction(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What can be known of pairs in which some words are `[MASK]`, exactly: nobody can guess better.

        Args:
            ids: Integers, `(samples, LENGTH)`: pairs as `pairs` draws them.

        Returns:
            `(words, is_next)`: float64, `(samples, LENGTH, words)`, the probability of each word in each place, whose rows sum
            to 1 (in places that are not hidden, of the word there); and `(samples,)`, how probable it is that the two
            sentences belong together.
        """
        sentences, places = self._taken_apart(ids)
        # How probable what is seen is, under each plan: (samples, 2, topics, plans).
        seen = np.ones((*sentences.shape[:2], *self._tables.shape[:2])) * self._chances
        for place in range(WIDTH):
            tokens = sentences[:, :, place]
            each = np.moveaxis(self._tables[:, :, place], -1, 0)[tokens]
            hidden = 1 - self._tables[:, :, place, PAD]  # a hidden token is one that is there
            seen *= np.where((tokens == MASK)[..., None, None], hidden, each)
        of_topic = seen.sum(axis=-1) / len(TOPICS)  # (samples, 2, topics)
        together = 0.5 * len(TOPICS) * of_topic.prod(axis=1)  # both are about this topic, since they belong together
        apart = 0.5 * of_topic.sum(axis=2).prod(axis=1)
        whole = together.sum(axis=1) + apart
        is_next = together.sum(axis=1) / whole
        words = np.zeros((*ids.shape, len(self.words)))
        for which in range(2):
            own, other = of_topic[:, which], of_topic[:, 1 - which]
            topic = 0.5 * own * (len(TOPICS) * other + other.sum(axis=1, keepdims=True)) / whole[:, None]
            with np.errstate(invalid="ignore"):
                plan = seen[:, which] / seen[:, which].sum(axis=-1, keepdims=True)
            share = np.nan_to_num(plan) * topic[..., None]  # (samples, topics, plans)
            known = np.einsum("ntp,tpwv->nwv", share, self._tables)
            row, place = np.nonzero(places[:, which] > 0)
            words[row, places[row, which, place]] = known[row, place]
        clear = ids != MASK
        words[clear] = np.eye(len(self.words))[ids[clear]]
        return words, is_next

    def _taken_apart(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two sentences of each pair, `(samples, 2, WIDTH)`, and where in the row each token stands, or 0."""
        sentences, places = np.zeros((2, len(ids), 2, WIDTH), dtype=int)
        for number, row in enumerate(ids):
            first, second = np.flatnonzero(row == SEP)
            for which, (start, end) in enumerate(((1, first), (first + 1, second))):
                sentences[number, which, : end - start] = row[start:end]
                places[number, which, : end - start] = np.arange(start, end)
        return sentences, places

    # --- looking ---

    def ids(self, text: str) -> np.ndarray:
        """A pair that is written as text, such as "the chef cooks . now the maid bakes .": int32, `(1, LENGTH)`."""
        tokens = [CLS, *(SEP if word == "." else self.words.index(word) for word in text.split())]
        return np.array([tokens + [PAD] * (LENGTH - len(tokens))], dtype="int32")

    def tell(self, ids: np.ndarray) -> str:
        """Ids as text, without `[PAD]`."""
        return " ".join(self.words[number] for number in ids if number != PAD)
