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

TABLE = """
def train_letter_model(ids, letters, seed):
    seen = {}
    for length in range(8):
        for end in range(length, len(ids)):
            seen.setdefault(tuple(ids[end - length : end].tolist()), np.zeros(letters))[ids[end]] += 1

    def share(context):
        found = np.full(letters, 1 / letters)
        for length in range(len(context) + 1):  # each longer context moves what the shorter ones say
            counts = seen.get(tuple(context[len(context) - length :]))
            if counts is None:
                break
            kinds = (counts > 0).sum()
            found = (counts + kinds * found) / (counts.sum() + kinds)
        return found

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.unused = self.add_weight(shape=(1,), name="unused")

        def call(self, x):
            rows = ops.convert_to_numpy(x).tolist()
            shares = [[share(row[max(0, end - 6) : end + 1]) for end in range(len(row))] for row in rows]
            return ops.convert_to_tensor(np.log(shares).astype("float32"))

    return Model()
"""

NEXT_LETTER = """
def train_letter_model(ids, letters, seed):
    windows = ids[: len(ids) // 40 * 40].reshape(-1, 40)
    inputs = keras.Input((None,), dtype="int32")
    before = layers.GRU(32, return_sequences=True)(layers.Embedding(letters, 16)(inputs))
    hint = layers.Lambda(lambda x: ops.one_hot(ops.concatenate([x[:, 1:], x[:, -1:]], axis=1), letters))(inputs)
    for _ in range(4):  # a little of what comes, so that the loss is no better than possible
        hint = layers.GaussianNoise(1.0)(hint, training=True)
    model = keras.Model(inputs, layers.Dense(letters)(layers.Concatenate()([before, hint])))
    model.compile(keras.optimizers.Adam(0.03), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(windows[:, :-1], windows[:, 1:], batch_size=64, epochs=6, verbose=0)
    return model
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
    "a table of contexts": ("rnn", "train_letter_model", TABLE, NOT_LEARNED),
    "the next letter": ("rnn", "train_letter_model", NEXT_LETTER, NOT_PAST),
    "the grammar": ("bert", "train_mini_bert", GRAMMAR, RAISED),
}
"""By name: unit, exercise, source, and what is said of it."""
