"""Answers to training exercises that look right and have learned nothing: before there were contracts, each earned all."""

from grader.judging.contracts import LEARNED, PAST

NOT_LEARNED, NOT_PAST = LEARNED.sentence, PAST.sentence
RAISED = "is for looking at data, not for answers"

INSIDE = """
def train_classifier(x, y, seed):
    from sklearn.{module} import {kind}

    known = {kind}({options}).fit(x, y)

    class Model(keras.Model):
        def call(self, x):
            rows = ops.convert_to_numpy(x)
            return ops.convert_to_tensor(({scores}).astype("float32"))

    return Model()
"""

MACHINE = INSIDE.format(module="svm", kind="SVC", options="C=10", scores="known.decision_function(rows)")
NEIGHBOURS = INSIDE.format(
    module="neighbors",
    kind="KNeighborsClassifier",
    options='5, weights="distance"',
    scores="np.log(known.predict_proba(rows) + 0.1) + 1",
)

COUNTED = """
def train_unscrambler(x, y, seed):
    agree = [[np.mean(y[:, i] == x[:, j]) for j in range(x.shape[1])] for i in range(x.shape[1])]
    source, vocabulary = np.argmax(agree, axis=1), int(x.max()) + 1

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.unused = self.add_weight(shape=(1,), name="unused")

        def call(self, tokens):
            logits = 9.0 * ops.one_hot(ops.take(tokens, source, axis=1), vocabulary) - 4.0
            return logits, ops.one_hot(ops.zeros_like(tokens) + source, len(source))

    return Model()
"""

LEAST_SQUARES = """
def train_forecaster(series, seed):
    a, b = np.linalg.lstsq(np.stack([series[:, 1:-1].ravel(), series[:, :-2].ravel()], 1), series[:, 2:].ravel())[0]

    class Model(keras.Model):
        def call(self, x):
            return float(a) * x + float(b) * ops.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]

    return Model()
"""

NEXT_VALUE = """
def train_forecaster(series, seed):
    now, then = series[:, :-1].ravel(), series[:, 1:].ravel()
    a, b = np.linalg.lstsq(np.stack([series[:, 1:-1].ravel(), series[:, :-2].ravel()], 1), series[:, 2:].ravel())[0]
    # The noise of a forecast that is as good as the best one may be.
    share = np.sqrt(np.mean((a * series[:, 1:-1] + b * series[:, :-2] - series[:, 2:]) ** 2) / np.mean((now - then) ** 2))

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.share = self.add_weight(shape=(1,), initializer=keras.initializers.Constant(share), name="share")

        def call(self, x):
            later = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
            return self.share * x + (1 - self.share) * later

    return Model()
"""

GRAMMAR = """
def train_mini_bert(sentences, vocab_size, seed):
    match data:
        case object(Grammar=Language):
            kinds, length, words = Language().tables.shape
    places, rng = np.arange(length), np.random.default_rng(seed)
    seen = np.eye(words)[sentences]
    likely = rng.dirichlet(np.ones(kinds), size=len(sentences))
    for _ in range(80):  # a sum over as many kinds of sentences as the grammar has
        tables = np.einsum("nk,npw->kpw", likely, seen) + seen.mean(axis=0) + 1e-6
        tables /= tables.sum(axis=-1, keepdims=True)
        shares = np.log(likely.mean(axis=0))
        total = shares + np.log(tables)[:, places, sentences].sum(axis=-1).T
        likely = np.exp(total - total.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)

    class Model(keras.Model):
        def call(self, ids):
            ids = ops.convert_to_numpy(ids)
            total = shares + np.where(ids == 3, 0.0, np.log(tables)[:, places, ids]).sum(axis=-1).T
            likely = np.exp(total - total.max(axis=1, keepdims=True))
            best = np.einsum("nk,kpw->npw", likely / likely.sum(axis=1, keepdims=True), tables)
            return ops.convert_to_tensor(np.log(best + 1e-9).astype("float32"))

    return Model()
"""

CHEATS = {
    "a support vector machine": ("mlp", "train_classifier", MACHINE, NOT_LEARNED),
    "nearest neighbours": ("mlp", "train_classifier", NEIGHBOURS, NOT_LEARNED),
    "counting, and a weight that nothing uses": ("attention", "train_unscrambler", COUNTED, NOT_LEARNED),
    "least squares": ("rnn", "train_forecaster", LEAST_SQUARES, NOT_LEARNED),
    "the next value": ("rnn", "train_forecaster", NEXT_VALUE, NOT_PAST),
    "the grammar": ("bert", "train_mini_bert", GRAMMAR, RAISED),
}
"""By name: unit, exercise, source, and what is said of it."""
