"""Text, letter by letter: sentences of a small grammar, whose best prediction of the next letter is known exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from course.data.looking import for_looking

WORDS = {
    "noun": ("cat", "dog", "owl", "hen"),
    "sees": ("see", "hear", "like"),
    "does": ("sing", "run", "sit", "eat"),
    "where": ("here", "now"),
}
CLAUSE = 0.5
"""How often a noun is followed by a clause, whose own noun may be of another number than the verb after it."""
LETTERS = "".join(sorted({*" .athesom", *(letter for words in WORDS.values() for word in words for letter in word)}))

State = tuple[str, ...]
"""All that matters for what comes next: its kind, and the numbers that its verbs have to agree with ("s" for many)."""

START: State = ("article",)


@for_looking
class Prose:
    """Sentences such as "a cat that some dogs hear sings now. the owls eat. ", one after the other.

    A verb agrees with its noun, also where a clause with another noun stands between them. All that can be known of the next
    letter follows from the letters before it, and is computed here exactly. This is why the text is synthetic.

    Args:
        rng: Draws how frequent each word is, and which letter has which id. By default all words of a kind are equally
            frequent, and the ids are in the order of the alphabet.

    Attributes:
        letters: The letter of each id.
    """

    def __init__(self, rng: np.random.Generator | None = None) -> None:
        self.letters = LETTERS if rng is None else "".join(rng.permutation(list(LETTERS)))
        drawn = {kind: np.ones(len(words)) if rng is None else rng.uniform(1, 3, len(words)) for kind, words in WORDS.items()}
        self._shares = {kind: values / values.sum() for kind, values in drawn.items()}

    def write(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """A text of so many letters, which begins with a sentence: int32, `(length,)`."""
        words, written, state = [], 0, START
        while written < length:
            chances, choices, states = zip(*self._follow(state), strict=True)
            chosen = np.searchsorted(np.cumsum(chances), rng.random())
            words.append(choices[chosen])
            written, state = written + len(choices[chosen]), states[chosen]
        return self.ids("".join(words)[:length])

    def ids(self, text: str) -> np.ndarray:
        """The ids of a text's letters: int32, `(letters,)`."""
        return np.array([self.letters.index(letter) for letter in text], dtype="int32")

    def tell(self, ids: np.ndarray) -> str:
        """The ids as text."""
        return "".join(self.letters[number] for number in ids)

    def best_prediction(self, ids: np.ndarray) -> np.ndarray:
        """The exact probabilities of the letter after each one of a text that begins with a sentence.

        Nobody who knows only the letters up to there can predict better.

        Args:
            ids: Integers, `(letters,)`.

        Returns:
            float64, `(letters, different letters)`: row `t` is about letter `t + 1`; rows sum to 1.

        Raises:
            ValueError: If the grammar does not make this text.
        """
        best = np.zeros((len(ids), len(self.letters)))
        known = {("", START): 1.0}  # how probable each rest of a word is, and what follows that
        for place, letter in enumerate(self.tell(ids)):
            spelled: dict[tuple[str, State], float] = defaultdict(float)
            for first, rest, chance in self._spell(known):
                if first == letter:
                    spelled[rest] += chance
            if not (whole := sum(spelled.values())):
                raise ValueError(f"no text of this grammar: letter {place} of {self.tell(ids)!r}")
            known = {rest: chance / whole for rest, chance in spelled.items()}
            for first, _, chance in self._spell(known):
                best[place, self.letters.index(first)] += chance
        return best

    def _spell(self, known: dict[tuple[str, State], float]) -> Iterator[tuple[str, tuple[str, State], float]]:
        """Each letter that can come next, what then is left of its word, and how probable that is."""
        for (rest, state), chance in known.items():
            for share, word, then in [(1.0, rest, state)] if rest else self._follow(state):
                yield word[0], (word[1:], then), chance * share

    def _follow(self, state: State) -> list[tuple[float, str, State]]:
        """What may stand next, with its probability, and the state after it."""
        kind, *numbers = state

        def each(kind: str, chance: float, ending: str, *then: str) -> list[tuple[float, str, State]]:
            many = bool(numbers) and numbers[-1] == "s"
            letter = "s" if kind != "where" and many == (kind == "noun") else ""  # the cats run, the cat runs
            pairs = zip(self._shares[kind], WORDS[kind], strict=True)
            return [(chance * share, f"{word}{letter}{ending}", then) for share, word in pairs]

        match kind:
            case "article":
                found = {"": ("a ", "the "), "s": ("some ", "the ")}
                return [(0.25, word, ("noun", *numbers, number)) for number, words in found.items() for word in words]
            case "noun" if len(numbers) == 2:
                return each("noun", 1.0, " ", "sees", *numbers)
            case "noun":
                clause = each("noun", CLAUSE, " that ", "article", *numbers)
                return clause + each("noun", 1 - CLAUSE, " ", "does", *numbers)
            case "sees":
                return each("sees", 1.0, " ", "does", numbers[0])
            case "does":
                return each("does", 0.5, ". ", "article") + each("does", 0.5, " ", "where")
            case _:
                return each("where", 1.0, ". ", "article")
