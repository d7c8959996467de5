"""A pre-trained masked language model, on sentences of a grammar whose best predictions are known exactly.

Which word has which id is secret and other for every submission. Measured is how much of what separates two predictions of the
hidden words has been gained: 0 for who knows only how frequent each word is in each place, 1 for the exact optimum, both by
their cross-entropy on the same fresh masks. More than 1 is possible by chance alone, and by very little.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from course.data import Grammar
from course.data.text import LENGTH, MASK, WORDS
from grader.judging import Array, Arrays, Case, Check, Edits, Judged, Mistake, ModelCall
from grader.judging.bars import Bar, bars
from grader.judging.contracts import LEARNED, SAME_SEED

LEAST_GAIN = 0.85
MOST_GAIN = 1.03
"""Further above the optimum than chance ever carries a model that does not know the hidden words."""
FAR_OFF = -1.0
"""Under this, a model does not even know which words are frequent."""
SENTENCES, FRESH, CHANGED, JUDGED = 6000, 3000, 60, 4000
RATE = 0.15
GAIN, SIDES, PLACES = "gain over the words' frequencies", "looks at both sides", "knows the places"


def cases(rng: np.random.Generator) -> list[Case]:
    grammar = Grammar((WORDS + rng.permutation(len(Grammar().words) - WORDS)).tolist())
    vocabulary = len(grammar.words)
    sentences, _ = grammar.sample(SENTENCES, rng)
    labels, _ = grammar.sample(FRESH, rng)
    hidden = np.argwhere((rng.random(labels.shape) < RATE) & (labels >= WORDS))[:JUDGED]
    fresh = labels.copy()
    fresh[tuple(hidden.T)] = MASK
    answers = labels[tuple(hidden.T)]
    best = log(grammar.best_prediction(fresh)[tuple(hidden.T)])
    frequent = log(grammar.tables.mean(axis=0)[hidden[:, 1]])

    # The first and the last word are hidden: does what stands far off make a difference for them? Nothing of these rows is
    # judged: the hidden words that are end long before them.
    spare = labels[-2 * CHANGED :]
    base = spare[:CHANGED].copy()
    base[:, 1], base[:, -1] = MASK, MASK
    swapped = np.concatenate([base[:, :1], np.roll(base[:, 1:], 1, axis=1)], axis=1)
    right, left = base.copy(), base.copy()
    right[:, -3:-1], left[:, 2:5] = spare[CHANGED:, -3:-1], spare[CHANGED:, 2:5]
    inputs = {"fresh": fresh, "base": base, "right": right, "left": left, "swapped": swapped}
    run = ModelCall((sentences, vocabulary, int(rng.integers(2**31))), numpy=True, inputs=inputs, places={"fresh": hidden})

    def gain(arrays: Arrays) -> float:
        return gain_of(arrays["fresh"], answers, best, frequent)

    def possible(arrays: Arrays) -> bool:
        return gain(arrays) <= MOST_GAIN

    hidden_logits = {"fresh": (JUDGED, vocabulary)}
    whole = (CHANGED, LENGTH, vocabulary)
    return [
        Case(
            GAIN, run, weight=4, accept=Bar(LEAST_GAIN, lambda a: gain(a) if possible(a) else 0.0, JUDGED), shapes=hidden_logits
        ),
        Case("no better than possible", run, weight=0.5, accept=possible, shapes=hidden_logits, property=True),
        Case(SIDES, run, accept=both_sides, shapes=dict.fromkeys(("base", "right", "left"), whole), property=True),
        Case(PLACES, run, weight=0.5, accept=knows_places, shapes={"base": whole, "swapped": whole}, property=True),
        Case("logits", run, weight=0.5, accept=are_logits, shapes=hidden_logits, property=True),
    ]


def gain_of(logits: Array, answers: Array, best: Array, frequent: Array) -> float:
    """How much of what separates two predictions has been gained: 0 for `frequent`, 1 for `best`.

    More than 1 is for those who know the answers.

    Args:
        logits: The model's, `(n, words)`.
        answers: The hidden words, `(n,)`.
        best: Logarithms of the best possible probabilities, `(n, words)`.
        frequent: Logarithms of how frequent each word is in that place, `(n, words)`.
    """
    z = logits.astype(float)
    logs = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    reached, possible, naive = (
        float(np.take_along_axis(values, answers[:, None], axis=1).mean()) for values in (logs, best, frequent)
    )
    return (reached - naive) / (possible - naive)


def log(shares: Array) -> Array:
    """Logarithms, finite also for words that cannot be there."""
    return np.asarray(np.log(np.maximum(shares, 1e-300)))


# --- what the gain cannot show ---


def moved(a: Array, b: Array) -> float:
    """How far logits lie apart, in units of their own spread."""
    spread = max(float(np.abs(a).max()), 1e-30)
    return float(np.abs(a.astype(float) - b.astype(float)).max()) / spread


def both_sides(arrays: Arrays) -> bool:
    """Whether the first hidden word depends on what follows, and the last one on what went before."""
    base = arrays["base"]
    return bool(np.isfinite(base).all()) and moved(base[:, 1], arrays["right"][:, 1]) > 1e-3 < moved(
        base[:, -1], arrays["left"][:, -1]
    )


def knows_places(arrays: Arrays) -> bool:
    """Whether moving all words by one place does more than to move the answers."""
    base, swapped = arrays["base"], arrays["swapped"]
    return bool(np.isfinite(base).all()) and moved(np.roll(base[:, 1:], 1, axis=1), swapped[:, 1:]) > 1e-3


def are_logits(arrays: Arrays) -> bool:
    z = arrays["fresh"].astype(float)
    return bool(np.isfinite(z).all()) and bool((z < 0).any()) and not np.allclose(z.sum(axis=1), 1, atol=1e-3)


# --- known mistakes ---


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    if not judged.failed or any(case.part not in judged.received for case in judged.cases):
        return ""
    z = judged.received[GAIN]["fresh"].astype(float)
    base = judged.received[SIDES]["base"].astype(float)
    if not np.isfinite(z).all() or not np.isfinite(base).all():
        return ""
    if (z >= 0).all() and np.allclose(z.sum(axis=1), 1, atol=1e-3):
        return "probabilities"
    if SIDES in judged.failed:
        right = moved(base[:, 1], judged.received[SIDES]["right"][:, 1]) > 1e-3
        left = moved(base[:, -1], judged.received[SIDES]["left"][:, -1]) > 1e-3
        return "causal" if left and not right else ""
    if PLACES in judged.failed:
        return "places"
    if GAIN not in judged.failed:
        return ""
    gain = bars(judged.cases)[GAIN].measure({"fresh": z})
    visible = cast(ModelCall, judged.cases[0].run).inputs["base"]
    copied = (base.argmax(axis=-1) == visible)[:, 2:-1].mean()
    if (z.argmax(axis=1) == MASK).mean() > 0.9:
        return "guesses [MASK]"
    if gain < FAR_OFF:
        return "copies" if copied > 0.9 else "untrained"
    return "undertrained"


ATTENTION, PLACE = "layers.MultiHeadAttention(4, dim // 4)(x, x)", " + layers.Embedding(length, dim)(positions)"
LAST = "layers.Dense(vocab_size)(x)"
FIT = 'model.fit(inputs, labels, sample_weight=chosen.astype("float32"), batch_size=batch_size, verbose=0)'
CHOOSE = "chosen = (rng.random(labels.shape) < 0.15) & (labels >= 4)"
EPOCHS = "epochs, batch_size, dim, length = 10, 128, 32, sentences.shape[1]"

CAUSAL: Edits = ((ATTENTION, ATTENTION.replace("(x, x)", "(x, x, use_causal_mask=True)")),)
NO_PLACES: Edits = ((PLACE, ""),)
UNTRAINED: Edits = ((FIT, "pass"),)
UNMASKED: Edits = ((FIT, "model.fit(labels, labels, batch_size=batch_size, verbose=0)"),)
ONE_EPOCH: Edits = ((EPOCHS, EPOCHS.replace("10, 128", "1, 128")),)

BASELINES = {
    "causal mask": CAUSAL,
    "no positions": NO_PLACES,
    "nothing masked": UNMASKED,
    "loss over all tokens": ((FIT, FIT.replace('sample_weight=chosen.astype("float32"), ', "")),),
    "untrained": UNTRAINED,
    "one epoch": ONE_EPOCH,
}

CHECK = Check(
    cases,
    mistakes={
        "What follows a hidden word makes no difference: there is a causal mask. A masked language model "
        "looks both ways.": Mistake(*CAUSAL, matches="causal"),
        "Moving the words moves the answers and does nothing else: the model does not know the places. It "
        "needs positions.": Mistake(*NO_PLACES, matches="places"),
        "The model copies what it sees and cannot guess what is hidden: were any tokens masked while it was trained?": Mistake(
            *UNMASKED, matches="copies"
        ),
        "The model's guess for a hidden word is [MASK]: the labels are the sentences as they were before masking.": Mistake(
            (FIT, FIT.replace("inputs, labels", "inputs, inputs")), matches="guesses [MASK]"
        ),
        "The guesses are no better than those of a new model: has it been fitted?": Mistake(*UNTRAINED, matches="untrained"),
        "The model knows too little of how words belong together: train longer, with a rate that is large at first and "
        "falls, and let the loss count the chosen tokens only.": Mistake(*ONE_EPOCH, matches="undertrained"),
        "The outputs are probabilities, where logits are asked for: leave softmax to the loss.": Mistake(
            (LAST, 'layers.Dense(vocab_size, activation="softmax")(x)'),
            ("from_logits=True", "from_logits=False"),
            matches="probabilities",
        ),
    },
    alternatives=(
        # Every chosen token hidden, one fixed set of masks for each epoch, and the loss by hand.
        """
def train_mini_bert(sentences, vocab_size, seed):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)

    class Model(keras.Model):
        def __init__(self, dim=48):
            super().__init__()
            self.token, self.position = layers.Embedding(vocab_size, dim), layers.Embedding(sentences.shape[1], dim)
            self.attention = [layers.MultiHeadAttention(4, 12) for _ in range(2)]
            self.hidden = [layers.Dense(96, activation="relu") for _ in range(2)]
            self.back = [layers.Dense(dim) for _ in range(2)]
            self.norms = [layers.LayerNormalization() for _ in range(5)]
            self.words = layers.Dense(vocab_size)

        def call(self, ids):
            x = self.token(ids) + self.position(ops.arange(ids.shape[1]))
            for k in range(2):
                y = self.norms[2 * k](x)
                x = x + self.attention[k](y, y)
                x = x + self.back[k](self.hidden[k](self.norms[2 * k + 1](x)))
            return self.words(self.norms[4](x))

    def loss(labels, logits):
        losses = keras.losses.sparse_categorical_crossentropy(ops.maximum(labels, 0), logits, from_logits=True)
        weights = ops.cast(labels >= 0, "float32")
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)

    model, epochs = Model(), 14
    rate = keras.optimizers.schedules.PolynomialDecay(0.004, epochs * -(-len(sentences) // 100), 0.0)
    model.compile(keras.optimizers.Adam(rate), loss)
    for _ in range(epochs):
        chosen = (rng.random(sentences.shape) < 0.15) & (sentences > 3)
        model.fit(np.where(chosen, 3, sentences), np.where(chosen, sentences, -1), batch_size=100, verbose=0)
    return model
""",
        # One block and a wider model learn this grammar as well.
        (
            ("10, 128, 32", "11, 100, 48"),
            ("for _ in range(2):", "for _ in range(1):"),
            ("keras.optimizers.Adam(rate)", "keras.optimizers.AdamW(rate, weight_decay=0.001)"),
        ),
    ),
    off_limits=("course.data.Grammar",),
    contracts=(LEARNED, SAME_SEED),
    symptom=symptom,
)
