"""A trained attention head, on sequences scrambled for this submission: its answers, and where it looks.

The permutation of the positions and the size of the vocabulary are secret and other for every submission. Tokens are drawn
evenly, so that they tell nothing about positions; exchanging their names would change nothing.

The optimum is known: the answer is a rearrangement of the question, so an accuracy of 1 is possible, and honest. Nothing here
is too good to be true. `calibration.md` has the measurements that the bars are taken from.
"""

from __future__ import annotations

import numpy as np

from course import data
from grader.judging import Array, Arrays, Case, Check, Edits, Judged, Mistake, ModelCall
from grader.judging.bars import Bar
from grader.judging.contracts import LEARNED, SAME_SEED

LEAST_ACCURACY = 0.95
LEAST_WEIGHT = 0.75
"""Mean share of a row's weight on the right source; heads that also see the tokens, which is right as well, stay below .9."""
LENGTH = 10
TRAIN, SEQUENCES, ROLLED = 2000, 500, 50
JUDGED = SEQUENCES * LENGTH
CHANCE = 0.2
"""Above what an untrained model ever reaches: the smallest vocabulary has 18 tokens."""


def hidden_order(rng: np.random.Generator) -> Array:
    """A permutation that nothing simpler explains.

    No position stays. None changes places with another, so a map that is transposed is wrong everywhere. And it is far from
    a rotation, so rotating the tokens rotates no right answer.
    """
    places = np.arange(LENGTH)
    while True:
        order = rng.permutation(LENGTH)
        moves = np.unique((order - places) % LENGTH)
        if (order != places).all() and (order[order] != places).all() and len(moves) > LENGTH // 2:
            return order


def cases(rng: np.random.Generator) -> list[Case]:
    order, vocabulary = hidden_order(rng), int(rng.integers(18, 25))
    seeds = rng.integers(2**31, size=3).tolist()
    x, y = data.scrambled(TRAIN, LENGTH, vocabulary, order.tolist(), seeds[0])
    fresh, labels = data.scrambled(SEQUENCES, LENGTH, vocabulary, order.tolist(), seeds[1])
    rolled = np.roll(fresh[:ROLLED], 1, axis=1)
    run = ModelCall((x, y, seeds[2]), numpy=True, inputs={"fresh": fresh, "rolled": rolled}, returns=("logits", "weights"))

    def accuracy(arrays: Arrays) -> float:
        # Counting finds the order as well, but then nothing was learned. Asked for is a model that was trained.
        if not _is_trainable(arrays):
            return 0.0
        return float((np.argmax(arrays["fresh.logits"], axis=-1) == labels).mean())

    def weight_on_source(arrays: Arrays) -> float:
        weights = arrays["fresh.weights"].astype(float)
        # The share, so that scores from before the softmax do not pass for large weights.
        whole = np.maximum(np.abs(weights).sum(axis=-1), 1e-30)
        return float((weights[:, np.arange(LENGTH), order] / whole).mean())

    logits = {"fresh.logits": (SEQUENCES, LENGTH, vocabulary)}
    weights = {"fresh.weights": (SEQUENCES, LENGTH, LENGTH)}
    return [
        Case(
            "accuracy",
            run,
            weight=2.5,
            accept=Bar(LEAST_ACCURACY, accuracy, JUDGED),
            shapes=logits | {"rolled.logits": (ROLLED, LENGTH, vocabulary), "trainable": ()},
        ),
        Case(
            "attention map",
            run,
            weight=1,
            accept=Bar(LEAST_WEIGHT, weight_on_source, JUDGED),
            shapes=weights,
            property=True,
        ),
        Case("rows of the map", run, weight=1, accept=are_weights, shapes=weights, property=True),
        Case("logits", run, weight=0.5, accept=are_logits, shapes=logits, property=True),
    ]


# --- what accuracy cannot show ---


def sum_to_one(values: Array, axis: int) -> bool:
    """Whether float32 values are shares of a whole: a softmax is right to 1e-6, a sum of 10 other numbers is not."""
    return bool(np.allclose(values.astype(float).sum(axis=axis), 1, rtol=0, atol=1e-4))


def _is_trainable(arrays: Arrays) -> bool:
    """Whether the model has anything that training changes; so, too, where nobody asked."""
    return bool(arrays.get("trainable", 1) > 0)


def are_weights(arrays: Arrays) -> bool:
    weights = arrays["fresh.weights"]
    return bool((weights >= 0).all()) and sum_to_one(weights, axis=-1)


def are_logits(arrays: Arrays) -> bool:
    logits = arrays["fresh.logits"]
    return bool(np.isfinite(logits).all()) and bool((logits < 0).any()) and not sum_to_one(logits, axis=-1)


def blind_to_places(logits: Array, rolled: Array) -> bool:
    """Whether rotating the tokens did nothing but rotate the answer."""
    shifted = np.roll(logits[: len(rolled)], 1, axis=1)
    return bool(np.abs(shifted - rolled).max() <= 1e-3 * np.abs(logits).max())


# --- known mistakes ---


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    logits = judged.received.get("accuracy", {}).get("fresh.logits")
    rolled = judged.received.get("accuracy", {}).get("rolled.logits")
    weights = judged.received.get("attention map", {}).get("fresh.weights")
    if not judged.failed or logits is None or rolled is None or weights is None:
        return ""
    if not all(np.isfinite(values).all() for values in (logits, rolled, weights)):
        return ""
    logits, rolled = logits.astype(float), rolled.astype(float)
    bars = {case.part: case.accept for case in judged.cases if isinstance(case.accept, Bar)}
    if "accuracy" in judged.failed:
        if not _is_trainable(judged.received["accuracy"]):
            return "nothing to train"
        accuracy = bars["accuracy"].measure({"fresh.logits": logits})
        if blind_to_places(logits, rolled):
            return "" if np.ptp(logits) == 0 else "blind"
        return "untrained" if accuracy < CHANCE else "undertrained"
    if "logits" in judged.failed:
        return "probabilities" if (logits >= 0).all() and sum_to_one(logits, axis=-1) else ""
    on_source = bars["attention map"]
    if "attention map" in judged.failed and on_source({"fresh.weights": np.swapaxes(weights, 1, 2)}):
        return "transposed"
    if "rows of the map" in judged.failed:
        return "columns" if (weights >= 0).all() and sum_to_one(weights, axis=-2) else "scores"
    strongest = np.eye(LENGTH)[weights.argmax(axis=-1)]
    return "blurred" if on_source({"fresh.weights": strongest}) else "other map"


QUERY = "query = layers.Dense(dim, use_bias=False)(places)"
KEY = "key = layers.Dense(dim, use_bias=False)(places)"
ATTEND = "fetched, weights = layers.Attention()([query, value, key], return_attention_scores=True)"
LOGITS = "logits = layers.Dense(vocabulary)(fetched)"
FIT = "    trained.fit(x, y, batch_size=64, epochs=10, verbose=0)\n"
RETURN = "(tokens, (logits, weights))"
SCORES = "scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))"

NO_PLACES: Edits = (
    (QUERY, "query = layers.Embedding(vocabulary, dim)(tokens)"),
    (KEY, "key = layers.Embedding(vocabulary, dim)(tokens)"),
)
UNTRAINED: Edits = ((FIT, ""),)
OTHER_MAP: Edits = ((RETURN, "(tokens, (logits, layers.Attention()([value, value], return_attention_scores=True)[1]))"),)
COUNTED: Edits = (
    (
        FIT,
        "    agree = [[np.mean(y[:, i] == x[:, j]) for j in range(length)] for i in range(length)]\n"
        "    source = np.argmax(agree, axis=1)\n",
    ),
    (
        RETURN,
        "(tokens, (9.0 * ops.one_hot(ops.take(tokens, source, axis=1), vocabulary) - 4.0, "
        "ops.one_hot(ops.zeros_like(tokens) + source, length)))",
    ),
)
ONE_EPOCH: Edits = (("epochs=10", "epochs=1"), ("Adam(0.01)", "Adam(0.002)"))

EQUAL: Edits = ((ATTEND, f"{ATTEND}\n    weights = ops.ones_like(weights) / length\n    fetched = ops.matmul(weights, value)"),)

BASELINES = {"no positions": NO_PLACES, "untrained": UNTRAINED, "equal weights": EQUAL}

CHECK = Check(
    cases,
    mistakes={
        "Rotated tokens give the rotated answer: the model cannot tell one place from another. Attention alone sees a bag "
        "of words; queries and keys need the positions.": Mistake(*NO_PLACES, matches="blind"),
        "Nothing in this model can be trained: it has no weights, or all of them are frozen. Let the attention head find "
        "the order, by fitting.": Mistake(*COUNTED, matches="nothing to train"),
        "The answers are hardly better than guessing: has the model been fitted, and does the one that is returned share "
        "its layers?": Mistake(*UNTRAINED, matches="untrained"),
        "The model has found some of the places, but not all: train longer, or with a larger learning rate.": Mistake(
            *ONE_EPOCH, matches="undertrained"
        ),
        "Each row of the first output sums to 1: these are probabilities, where logits are asked for. Leave softmax to "
        "the loss.": Mistake(
            (LOGITS, 'logits = layers.Dense(vocabulary, activation="softmax")(fetched)'), matches="probabilities"
        ),
        "The columns of the attention map sum to 1 instead of its rows: softmax runs over the keys, the last axis.": Mistake(
            (ATTEND, f"{SCORES}\n    weights = ops.softmax(scores, axis=1)\n    fetched = ops.matmul(weights, value)"),
            matches="columns",
        ),
        "The rows of the attention map do not sum to 1: are these the scores from before the softmax?": Mistake(
            (ATTEND, f"{SCORES}\n    weights = ops.softmax(scores)\n    fetched = ops.matmul(weights, value)"),
            (RETURN, "(tokens, (logits, scores))"),
            matches="scores",
        ),
        "The attention map is transposed: rows are the positions of the output, columns those of the input.": Mistake(
            (RETURN, "(tokens, (logits, ops.transpose(weights, (0, 2, 1))))"), matches="transposed"
        ),
        "The map looks at the right places, but its rows are still spread out: train on until most of the weight is on one "
        "token.": Mistake(("epochs=10", "epochs=1"), ("Adam(0.01)", "Adam(0.006)"), matches="blurred"),
        "The answers are right, but the attention map does not explain them: is it the map of the head that fetches the "
        "tokens, and is there a way around that head?": Mistake(*OTHER_MAP, matches="other map"),
    },
    alternatives=(
        """
def train_unscrambler(x, y, seed):
    keras.utils.set_random_seed(seed)
    length, vocabulary = x.shape[1], len(np.unique(x))

    class Places(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(shape[-2], shape[-1]), initializer="random_normal", name="table")

        def call(self, states):
            return states + self.table

    tokens = layers.Input((length,))
    states = Places()(layers.Embedding(vocabulary, 48)(tokens))
    head = layers.MultiHeadAttention(num_heads=1, key_dim=48)
    fetched, weights = head(states, states, return_attention_scores=True)
    logits = layers.Dense(vocabulary)(fetched)
    model = keras.Model(tokens, logits)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=64, epochs=8, verbose=0)
    return keras.Model(tokens, [logits, ops.squeeze(weights, 1)])
""",
        """
def train_unscrambler(x, y, seed):
    keras.utils.set_random_seed(seed)
    length, vocabulary = x.shape[1], int(x.max()) + 1

    class Unscrambler(keras.Model):
        def __init__(self):
            super().__init__()
            self.scores = self.add_weight(shape=(length, length), initializer="zeros", name="scores")
            self.token = layers.Embedding(vocabulary, 40)
            self.read = layers.Dense(vocabulary)

        def call(self, tokens):
            weights = ops.softmax(4.0 * self.scores, axis=-1)
            logits = self.read(ops.einsum("qk,bkd->bqd", weights, self.token(tokens)))
            return {"logits": logits, "weights": ops.broadcast_to(weights, (ops.shape(tokens)[0], length, length))}

    model = Unscrambler()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Nadam(0.1), loss={"logits": loss, "weights": None})
    model.fit(x, {"logits": y, "weights": y}, batch_size=100, epochs=15, verbose=0)
    return model
""",
        (
            (", 32", ", 16"),
            ("keras.optimizers.Adam(0.01)", "keras.optimizers.AdamW(0.03, weight_decay=1e-4)"),
            ("layers.Attention()", "layers.Attention(use_scale=True)"),
        ),
    ),
    contracts=(LEARNED, SAME_SEED),
    symptom=symptom,
)
