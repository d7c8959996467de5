"""A head that finds what is asked for, on sequences drawn for this submission: its answers, and where it looks.

Which token is a name, a value or a question, and which question belongs to which name, is secret and other for every
submission. Names and values are paired anew in each sequence, so that no table of them helps; a question never is the name
itself, so that no comparison of tokens helps either.

The optimum is known: an accuracy of 1 is possible, and honest. `calibration.md` has the measurements that the bars are taken
from.
"""

from __future__ import annotations

import numpy as np

from course import data
from grader.judging import Array, Arrays, Case, Check, Edits, Judged, Mistake, ModelCall
from grader.judging.bars import Bar
from grader.judging.contracts import LEARNED, SAME_SEED
from grader.judging.matching import only

LEAST_ACCURACY = 0.9
LEAST_WEIGHT = 0.8
"""Mean share of a row's weight on the pair that is asked for."""
PAIRS, TRAIN, SEQUENCES, SHOWN = 8, 500, 4000, 50
FEW = 64
"""Sequences of three pairs, of so few tokens that each of them occurs."""
ANY_NUMBER = "any number of pairs"


def cases(rng: np.random.Generator) -> list[Case]:
    names, values = (int(n) for n in rng.permutation(np.arange(16, 21))[:2])
    vocabulary = 2 * names + values
    order = rng.permutation(vocabulary)

    def draw(samples: int) -> tuple[Array, Array, Array]:
        return data.recall(samples, PAIRS, names, values, int(rng.integers(2**31)), order.tolist())

    (x, y, _), (fresh, labels, asked) = draw(TRAIN), draw(SEQUENCES)
    few, few_answers, _ = data.recall(FEW, 3, 4, 5, int(rng.integers(2**31)))
    more, *_ = data.recall(FEW, 4, 4, 5, int(rng.integers(2**31)))
    shown = fresh[:SHOWN]
    # The same pairs, with the question of the pair after; the same question, with the pairs moved on by one.
    belongs = dict(zip(order[:names].tolist(), order[names + values :].tolist(), strict=True))
    after = shown[np.arange(SHOWN), 2 * ((asked[:SHOWN] + 1) % PAIRS)]
    asking = np.array([belongs[name] for name in after.tolist()], dtype=shown.dtype)
    other = np.concatenate([shown[:, :-1], asking[:, None]], axis=1)
    moved = np.concatenate([np.roll(shown[:, :-1], 2, axis=1), shown[:, -1:]], axis=1)
    seed = int(rng.integers(2**31))
    names_of = ("logits", "weights")
    run = ModelCall((x, y, seed), numpy=True, inputs={"fresh": fresh, "other": other, "moved": moved}, returns=names_of)
    small = ModelCall((few, few_answers, seed), numpy=True, inputs={"as many": few, "more": more}, returns=names_of)

    def accuracy(arrays: Arrays) -> float:
        # A rule that was written down finds the pair as well. Asked for is a model that was trained.
        if not arrays.get("trainable", 1) > 0:
            return 0.0
        return float((np.argmax(arrays["fresh.logits"], axis=-1) == labels).mean())

    def weight_on_asked(arrays: Arrays) -> float:
        weights = arrays["fresh.weights"].astype(float)
        # The share, so that scores from before the softmax do not pass for large weights.
        whole = np.maximum(np.abs(weights).sum(axis=-1), 1e-30)
        return float((weights[np.arange(SEQUENCES), asked] / whole).mean())

    shapes = {
        f"{name}.{kind}": (rows, width)
        for name, rows in (("fresh", SEQUENCES), ("other", SHOWN), ("moved", SHOWN))
        for kind, width in (("logits", vocabulary), ("weights", PAIRS))
    }
    logits, weights = ({f"fresh.{kind}": shapes[f"fresh.{kind}"]} for kind in names_of)
    other_shapes = {"as many.weights": (FEW, 3), "more.weights": (FEW, 4)}
    return [
        Case("accuracy", run, 2.5, accept=Bar(LEAST_ACCURACY, accuracy, SEQUENCES), shapes=shapes | {"trainable": ()}),
        Case("attention map", run, 1, accept=Bar(LEAST_WEIGHT, weight_on_asked, SEQUENCES), shapes=weights, property=True),
        Case(
            "rows of the map",
            run,
            0.5,
            accept=lambda arrays: are_weights(arrays["fresh.weights"]),
            shapes=weights,
            property=True,
        ),
        Case("logits", run, 0.5, accept=are_logits, shapes=logits, property=True),
        Case(ANY_NUMBER, small, 0.5, accept=fits, shapes=other_shapes, property=True),
    ]


# --- what accuracy cannot show ---


def sum_to_one(values: Array) -> bool:
    """Whether float32 values are shares of a whole: a softmax is right to 1e-6, a sum of other numbers is not."""
    return bool(np.allclose(values.astype(float).sum(axis=-1), 1, rtol=0, atol=1e-4))


def are_weights(weights: Array) -> bool:
    return bool((weights >= 0).all()) and sum_to_one(weights)


def are_logits(arrays: Arrays) -> bool:
    logits = arrays["fresh.logits"]
    return bool(np.isfinite(logits).all()) and bool((logits < 0).any()) and not sum_to_one(logits)


def fits(arrays: Arrays) -> bool:
    """Whether a model that was made for few pairs takes more of them, and tells of each."""
    return all(np.isfinite(weights).all() for weights in arrays.values())


def same(one: Array, other: Array) -> bool:
    return bool(np.abs(one - other).max() <= 1e-3 * np.abs(one).max())


# --- known mistakes ---


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    arrays = {name: np.asarray(array, dtype=float) for name, array in judged.received.get("accuracy", {}).items()}
    if not judged.failed or "fresh.logits" not in arrays or not all(np.isfinite(array).all() for array in arrays.values()):
        return ""
    if "accuracy" in judged.failed:
        if not arrays["trainable"] > 0:
            return "nothing to train"
        logits, weights = arrays["fresh.logits"], arrays["fresh.weights"]
        if np.ptp(logits, axis=0).max() <= 1e-6 * np.abs(logits).max():
            return ""
        if same(logits[:SHOWN], arrays["other.logits"]):
            return "blind"
        if same(weights[:SHOWN], arrays["moved.weights"]) and np.ptp(weights, axis=0).max() > 1e-3:
            return "places"
        return "too few"
    if "logits" in judged.failed:
        return "probabilities" if (arrays["fresh.logits"] >= 0).all() and sum_to_one(arrays["fresh.logits"]) else ""
    if "rows of the map" in judged.failed:
        return "scores"
    return "other map" if "attention map" in judged.failed else ""


QUERY = "query = layers.Dense(dim)(vectors[:, -1:])"
KEY = "key = layers.Dense(dim)(vectors[:, :-1:2])"
VALUE = "value = vectors[:, 1::2]"
ORDER = "[query, value, key]"
ATTEND = f"fetched, weights = layers.Attention()({ORDER}, return_attention_scores=True)"
LOGITS = "logits = layers.Dense(vocabulary)(fetched[:, 0])"
FIT = "    trained.fit(x, y, batch_size=25, epochs=15, verbose=0)\n"
RETURN = "(logits, weights[:, 0])"

BLIND: Edits = ((QUERY, "query = layers.Dense(dim)(0.0 * vectors[:, -1:])"),)
PLACES: Edits = ((KEY, "key = layers.Dense(dim)(ops.one_hot(ops.cumsum(ops.ones_like(tokens[:, 1::2]), axis=1), 64))"),)
UNTRAINED: Edits = ((FIT, ""),)
ONE_EPOCH: Edits = (("epochs=15", "epochs=1"),)
RULE: Edits = (
    (FIT, ""),
    (
        RETURN,
        "(9.0 * ops.one_hot(tokens[:, 1], vocabulary) - 4.0, "
        "ops.one_hot(0 * tokens[:, -1], 8) + 0.0 * ops.cast(tokens[:, 1::2], 'float32'))",
    ),
)

BASELINES = {
    "everywhere alike": BLIND,
    "places": PLACES,
    "untrained": UNTRAINED,
    "one epoch": ONE_EPOCH,
    "20 sequences": (("trained.fit(x, y,", "trained.fit(x[:20], y[:20],"),),
}

CHECK = Check(
    cases,
    mistakes={
        "Another question about the same pairs gets the same answer: the query has to be made from the last token, the "
        "question.": Mistake(*BLIND, matches="blind"),
        "When the pairs change places, the map stays as it was: where to look is taken from places. Make the keys from the "
        "names.": Mistake(*PLACES, matches="places"),
        "Nothing in this model can be trained: it has no weights, or all of them are frozen. Let the head find out by "
        "fitting which question belongs to which name.": Mistake(*RULE, matches="nothing to train"),
        "Too few of the answers are right. Is the model fitted, on all the sequences and for long enough? Are the keys made of "
        "the names and the values from the values? A Keras layer takes query, value, key.": Mistake(
            (ORDER, "[query, key, value]"), matches="too few"
        ),
        "Each row of the first output sums to 1: these are probabilities, where logits are asked for. Leave softmax to "
        "the loss.": Mistake(
            (LOGITS, 'logits = layers.Dense(vocabulary, activation="softmax")(fetched[:, 0])'),
            ("SparseCategoricalCrossentropy(from_logits=True)", "SparseCategoricalCrossentropy()"),
            matches="probabilities",
        ),
        "The rows of the attention map do not sum to 1: are these the scores from before the softmax, or the weights of other "
        "tokens, too?": Mistake(
            (ATTEND, f"{ATTEND}\n    weights = ops.matmul(query, ops.transpose(key, (0, 2, 1)))"), matches="scores"
        ),
        "The answers are right, but the attention map does not explain them: is it the map of the head that fetches the "
        "value, and is there a way around that head?": Mistake(
            (RETURN, "(logits, layers.Attention()([value[:, :1], value], return_attention_scores=True)[1][:, 0])"),
            matches="other map",
        ),
        'With another number of pairs it goes wrong: begin with `keras.Input((None,), dtype="int32")`, and build in no '
        "length.": Mistake(("keras.Input((None,)", "keras.Input((x.shape[1],)"), matches=only(ANY_NUMBER)),
    },
    alternatives=(
        """
def train_recall(x, y, seed):
    keras.utils.set_random_seed(seed)
    vocabulary = len(np.unique(x))
    tokens = layers.Input((None,), dtype="int32")
    vectors = layers.Embedding(vocabulary, 48)(tokens)
    head = layers.MultiHeadAttention(num_heads=1, key_dim=48)
    fetched, weights = head(vectors[:, -1:], vectors[:, 1::2], vectors[:, :-1:2], return_attention_scores=True)
    logits = layers.Dense(vocabulary)(fetched[:, 0])
    model = keras.Model(tokens, logits)
    model.compile(keras.optimizers.Adam(0.005), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=25, epochs=20, verbose=0)
    return keras.Model(tokens, [logits, weights[:, 0, 0]])
""",
        """
def train_recall(x, y, seed):
    keras.utils.set_random_seed(seed)
    vocabulary = int(x.max()) + 1

    class Recall(keras.Model):
        def __init__(self):
            super().__init__()
            # How well each question goes with each name, without vectors of either.
            self.scores = self.add_weight(shape=(vocabulary, vocabulary), initializer="zeros", name="scores")
            self.value = layers.Embedding(vocabulary, 40)
            self.read = layers.Dense(vocabulary)

        def call(self, tokens):
            tokens = ops.cast(tokens, "int32")
            names, question = ops.one_hot(tokens[:, :-1:2], vocabulary), ops.one_hot(tokens[:, -1], vocabulary)
            weights = ops.softmax(4.0 * ops.einsum("bq,qn,bpn->bp", question, self.scores, names), axis=-1)
            logits = self.read(ops.einsum("bp,bpd->bd", weights, self.value(tokens[:, 1::2])))
            return {"logits": logits, "weights": weights}

    model = Recall()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Nadam(0.03), loss={"logits": loss, "weights": None})
    model.fit(x, {"logits": y, "weights": np.zeros_like(y)}, batch_size=20, epochs=20, verbose=0)
    return model
""",
        (
            ("dim = int(np.max(x)) + 1, 32", "dim = int(np.max(x)) + 1, 24"),
            ("keras.optimizers.Adam(0.005)", "keras.optimizers.AdamW(0.006, weight_decay=1e-4)"),
            ("batch_size=25, epochs=15", "batch_size=20, epochs=20"),
        ),
    ),
    contracts=(LEARNED, SAME_SEED),
    symptom=symptom,
)
