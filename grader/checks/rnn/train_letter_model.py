"""A trained model of the next letter, on a text drawn for this submission, whose best prediction is known exactly.

How frequent each word of the grammar is and which letter has which id are secret and other for every submission, and there are
ids that never occur. Measured is the regret on fresh texts: by how many nats a letter, on average, the model's loss lies above
that of the best prediction. Less than 0 is for those who have seen the next letter, or are lucky, and that by very little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from course.data import Prose
from grader.judging import Array, Arrays, Case, Check, Edits, Judged, Mistake, ModelCall
from grader.judging.bars import Bar
from grader.judging.classifiers import activated_outputs, no_logits
from grader.judging.contracts import LEARNED, PAST, SAME_SEED
from grader.judging.vocabulary import Asked

MOST_REGRET = 0.11
LUCK = 0.01
"""By more than this, chance alone carries nobody under the best prediction of so many letters."""
LETTERS, FEW = 60_000, 6_000
FRESH, STEPS = 60, 150
START = 20
"""Letters of a text that are not judged: who has read little cannot know where in a sentence it begins."""
REGRET, POSSIBLE = "loss above the best possible", "no better than possible"


def cases(rng: np.random.Generator) -> list[Case]:
    prose = Prose(rng)
    fresh = np.stack([prose.write(STEPS + 1, rng) for _ in range(FRESH)])
    seen, following = fresh[:, :-1], fresh[:, 1:]
    best = np.stack([prose.best_prediction(row) for row in seen])
    floor = -np.log(at(best, following))[:, START:].mean()
    letters = len(prose.letters) + int(rng.integers(1, 4))
    run = ModelCall((prose.write(LETTERS, rng), letters, int(rng.integers(2**31))), numpy=True, inputs={"fresh": seen})

    def regret(arrays: Arrays) -> float:
        return float(loss(arrays["fresh"][:, START:], following[:, START:]) - floor)

    def possible(arrays: Arrays) -> bool:
        return regret(arrays) >= -LUCK

    shape = {"fresh": (FRESH, STEPS, letters)}
    enough = Bar(-MOST_REGRET, lambda arrays: -regret(arrays) if possible(arrays) else -np.inf, FRESH * (STEPS - START))
    return [
        Case(REGRET, run, weight=4, accept=enough, shapes=shape),
        Case(POSSIBLE, run, weight=0.5, accept=possible, shapes=shape, property=True),
        Case("logits", run, weight=0.5, accept=are_logits, shapes=shape, property=True),
    ]


def at(values: Array, ids: Array) -> Array:
    """Of the last axis, the entries with these ids."""
    return np.take_along_axis(values, ids[..., None], axis=-1)[..., 0]


def loss(logits: Array, following: Array) -> float:
    """Cross-entropy in nats a letter."""
    z = logits.astype(float)
    return float(np.mean(np.logaddexp.reduce(z, axis=-1) - at(z, following)))


def are_logits(arrays: Arrays) -> bool:
    z = arrays["fresh"]
    return bool(np.isfinite(z).all()) and not no_logits(z.reshape(-1, z.shape[-1]))


def same_seed(cases: Sequence[Case]) -> Asked:
    """As of any trained model, on the beginning of the text."""
    asked = SAME_SEED.asks(cases)
    ids, *others = asked.run.args
    ids = cast(ModelCall, cases[0].run).args[0][:FEW]
    run = replace(asked.run, args=(ids, *others))
    return replace(asked, of=run, run=run)


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    case = judged.cases[0]
    z = np.asarray(judged.received.get(REGRET, {}).get("fresh", np.nan), dtype=float)
    if not judged.failed or not np.isfinite(z).all():
        return ""
    seen = cast(ModelCall, case.run).inputs["fresh"]
    if squeezed := no_logits(z.reshape(-1, z.shape[-1])):
        return squeezed
    if POSSIBLE in judged.failed:
        return "clairvoyant"
    if REGRET not in judged.failed:
        return ""
    if (z.argmax(axis=-1) == seen).mean() > 0.9:
        return "copies"
    if loss(z[:, :-1], seen[:, 1:]) > 1.5 * loss(z[:, :-2], seen[:, 2:]):
        return "two ahead"
    means = {letter: z[seen == letter].mean(axis=0) for letter in np.unique(seen)}
    spread = np.abs(z - np.stack([means[letter] for letter in seen.ravel()]).reshape(z.shape)).max()
    if spread < 1e-3 * np.abs(z).max():
        return "no memory"
    return "undertrained"


MODEL = "layers.GRU(64, return_sequences=True)"
TARGETS = "for text in (ids, ids[1:])"
FIT = "    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)\n"
EPOCHS = "epochs, batch_size, steps = 6, 64, 40"

MEMORYLESS: Edits = ((MODEL, 'layers.Dense(64, activation="relu")'),)
UNTRAINED: Edits = ((FIT, ""),)
LITTLE: Edits = ((EPOCHS, EPOCHS.replace("6,", "1,")),)
SHORT_SIGHTED: Edits = ((MODEL, 'layers.Conv1D(64, 4, padding="causal", activation="relu")'),)

SIMPLE: Edits = ((MODEL, "layers.SimpleRNN(64, return_sequences=True)"), ("CosineDecay(0.03", "CosineDecay(0.003"))

BASELINES = {
    "simple recurrent layer": SIMPLE,
    "no memory": MEMORYLESS,
    "four letters": SHORT_SIGHTED,
    "untrained": UNTRAINED,
    "one epoch": LITTLE,
}

CHECK = Check(
    cases,
    mistakes={
        **activated_outputs("layers.Dense(letters)"),
        "Too good to be true: nobody who knows only the letters before can predict so well. Does a layer read the text "
        "backwards, too, or look at the whole of it? Then it has seen the next letter.": Mistake(
            (MODEL, "layers.Bidirectional(layers.GRU(64, return_sequences=True))"), matches="clairvoyant"
        ),
        "The most probable letter is the one that has just come in: what should come out after a letter is the next "
        "one.": Mistake((TARGETS, "for text in (ids, ids)"), matches="copies"),
        "What is predicted is the letter after the next one: the targets are one place too far on.": Mistake(
            ("windows = (len(ids) - 1) // steps", "windows = (len(ids) - 2) // steps"),
            (TARGETS, "for text in (ids, ids[2:])"),
            matches="two ahead",
        ),
        "The prediction depends on the last letter alone: a layer that remembers has to stand in between.": Mistake(
            *MEMORYLESS, matches="no memory"
        ),
        "The model has learned something, but is too far from the best prediction: train it longer, with a learning rate that "
        "is large at first, and let it remember more than a few letters.": Mistake(*LITTLE, matches="undertrained"),
    },
    alternatives=(
        """
def train_letter_model(ids, letters, seed):
    keras.utils.set_random_seed(seed)
    streams, steps = 64, 50
    windows = (len(ids) - 1) // (streams * steps)
    x, y = (text[: streams * windows * steps].reshape(streams, windows, steps).swapaxes(0, 1) for text in (ids, ids[1:]))
    inputs = keras.Input((None,), dtype="int32")
    states = layers.GRU(72, return_sequences=True)(layers.Embedding(letters, 24)(inputs))
    model = keras.Model(inputs, layers.TimeDistributed(layers.Dense(letters))(states))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(0.03, 7 * windows)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    model.fit(np.concatenate(x), np.concatenate(y), batch_size=streams, epochs=7, verbose=0)
    return model
""",
        """
def train_letter_model(ids, letters, seed):
    keras.utils.set_random_seed(seed)

    class Letters(keras.Model):
        def __init__(self):
            super().__init__()
            self.read = layers.GRU(64, return_sequences=True)
            self.score = layers.Dense(letters)

        def call(self, ids):
            return ops.log_softmax(self.score(self.read(ops.one_hot(ids, letters))))

    steps = 50
    windows = np.lib.stride_tricks.sliding_window_view(ids, steps + 1)[::steps]
    model = Letters()
    rate = keras.optimizers.schedules.CosineDecay(0.03, 6 * -(-len(windows) // 60))
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(windows[:, :-1], windows[:, 1:], batch_size=60, epochs=6, verbose=0)
    return model
""",
        """
def train_letter_model(ids, letters, seed):
    keras.utils.set_random_seed(seed)
    # No recurrent layer: causal convolutions see 31 letters.
    stack = [layers.Input((None,), dtype="int32"), layers.Embedding(letters, 32)]
    for dilation in (1, 2, 4, 8):
        stack.append(layers.Conv1D(64, 3, dilation_rate=dilation, padding="causal", activation="relu"))
    model = keras.Sequential([*stack, layers.Dense(letters)])
    steps = 100
    windows = (len(ids) - 1) // steps
    x, y = (text[: windows * steps].reshape(windows, steps) for text in (ids, ids[1:]))
    rate = keras.optimizers.schedules.CosineDecay(0.01, 8 * -(-windows // 16))
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=16, epochs=8, verbose=0)
    return model
""",
    ),
    contracts=(LEARNED, PAST, replace(SAME_SEED, asks=same_seed)),
    symptom=symptom,
)
