"""A trained classifier of signals, on data drawn for this submission: better than any network without neighbours.

The data are fresh MNIST-1D curves. Which class has which number is secret and other for every submission. In the unit `mlp`
the order of the positions was hidden as well; here it is not, and who uses it gets much further.

Nobody knows the highest accuracy that is possible, so no result is called too good to be true. `calibration.md` has
the measurements that the bar is taken from.
"""

from __future__ import annotations

import numpy as np

from course import data
from grader.judging import Array, Case, Check, Edits, Judged, Mistake, ModelCall, classifiers
from grader.judging.classifiers import activated_outputs, learns, trained, untrained
from grader.judging.contracts import LEARNED, SAME_SEED
from grader.judging.matching import only

LEAST_ACCURACY = 0.8
WITHOUT_NEIGHBOURS = 0.5
"""Networks that do not know which positions are neighbours get past this, and never to the bar."""
TRAIN = JUDGED = 4000
OTHER = "other sizes"
STEPS, STEP_LENGTH, STEP_CLASSES = 900, 24, 3


def cases(rng: np.random.Generator) -> list[Case]:
    names = rng.permutation(10)

    def draw(samples: int) -> tuple[Array, Array]:
        digits = rng.permutation(np.arange(samples) % 10)
        return data.mnist1d_curves(digits, rng), names[digits]

    x, y = draw(TRAIN)
    fresh, labels = draw(JUDGED)
    run = ModelCall((x, y, int(rng.integers(2**31))), numpy=True, inputs={"fresh": fresh})

    return [*trained(LEAST_ACCURACY, run, labels, logits=2), small(rng)]


def small(rng: np.random.Generator) -> Case:
    """Three classes of 24 positions that any network learns in a moment: where in the signal the large numbers are."""
    places = rng.permutation(STEP_CLASSES)

    def draw() -> tuple[Array, Array]:
        labels = rng.permutation(np.arange(STEPS) % STEP_CLASSES)
        third = np.arange(STEP_LENGTH) // (STEP_LENGTH // STEP_CLASSES)
        x = 2.1 * (third == places[labels][:, None]) - 0.7 + 0.3 * rng.normal(size=(STEPS, STEP_LENGTH))
        return x.astype("float32"), labels

    (x, y), (fresh, labels) = draw(), draw()
    return learns(OTHER, (x, y, int(rng.integers(2**31))), fresh, labels)


def symptom(judged: Judged) -> str:
    return classifiers.symptom(judged, lambda accuracy: "no neighbours" if accuracy > WITHOUT_NEIGHBOURS else "undertrained")


RESHAPE, FLATTEN = "layers.Reshape((-1, 1)),", "layers.Flatten(),"
OUTPUT = "layers.Dense(int(np.max(y)) + 1)"
FIT = "    model.fit(x, y, batch_size=128, epochs=12, verbose=0)\n"
HIDDEN = """            layers.Conv1D(48, 5, padding="same", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(48, 5, padding="same", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(48, 5, padding="same", activation="relu"),
"""

CHANNELS: Edits = ((RESHAPE, "layers.Reshape((1, -1)),"), (HIDDEN, HIDDEN.replace("            layers.MaxPooling1D(2),\n", "")))
DENSE: Edits = ((RESHAPE, ""), (HIDDEN, '            layers.Dense(256, activation="relu"),\n'), (FLATTEN, ""))
SHUFFLED: Edits = (
    (
        RESHAPE,
        "layers.Lambda(lambda x: ops.take(x, np.random.default_rng(5).permutation(x.shape[1]), axis=1)),\n"
        f"            {RESHAPE}",
    ),
)
UNTRAINED: Edits = ((FIT, "    model.build(x.shape)\n"),)
ONE_EPOCH: Edits = (("epochs=12", "epochs=1"), ("Adam(0.005)", "Adam(0.001)"))

BASELINES = {
    "dense layers": DENSE,
    "positions as channels": CHANNELS,
    "shuffled positions": SHUFFLED,
    "untrained": UNTRAINED,
    "one epoch": ONE_EPOCH,
}

CHECK = Check(
    cases,
    mistakes={
        **activated_outputs(OUTPUT),
        "The model has learned, but no more than dense layers can: it does not know which positions are neighbours. Does "
        "a kernel slide along the signal, whose shape for that is (positions, 1), and not (1, positions)?": Mistake(
            *CHANNELS, matches="no neighbours"
        ),
        **untrained(*UNTRAINED),
        "The model has learned something, but too little: train longer, with a larger learning rate or more filters.": Mistake(
            *ONE_EPOCH, matches="undertrained"
        ),
        "Every sample gets the same logits: filters that start from weights of zero get no gradient, or all "
        "the same one.": Mistake(
            (OUTPUT, 'layers.Dense(int(np.max(y)) + 1, kernel_initializer="zeros")'),
            (HIDDEN, HIDDEN.replace("5,", '5, kernel_initializer="zeros",')),
            matches="constant",
        ),
        "With other numbers of positions and classes it goes wrong: take both from `x` and `y`, not from these data.": Mistake(
            (OUTPUT, "layers.Dense(10)"), matches=only(OTHER)
        ),
    },
    alternatives=(
        """
def train_signal_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((x.shape[1],))
    z = ops.expand_dims(inputs, -1)
    for filters in (64, 64, 64):
        z = layers.Conv1D(filters, 5, padding="same", kernel_initializer="he_normal")(z)
        z = layers.BatchNormalization()(z)
        z = layers.MaxPooling1D(2)(ops.relu(z))
    z = layers.Dropout(0.2)(layers.Flatten()(z))
    model = keras.Model(inputs, layers.Dense(len(np.unique(y)))(z))
    model.compile(keras.optimizers.AdamW(0.003), keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(x, np.eye(len(np.unique(y)))[y], batch_size=100, epochs=12, verbose=0)
    return model
""",
        """
def train_signal_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)

    class Classifier(keras.Model):
        def __init__(self, classes):
            super().__init__()
            self.convolutions = [layers.Conv2D(48, (1, 7), padding="same", activation="gelu") for _ in range(3)]
            self.score = layers.Dense(classes)

        def call(self, x):
            x = ops.reshape(x, (-1, 1, x.shape[1], 1))
            for convolution in self.convolutions:
                x = ops.max_pool(convolution(x), (1, 2), strides=(1, 2))
            x = ops.reshape(x, (-1, x.shape[2] * x.shape[3]))
            # Log-probabilities are logits as well: softmax gives the same for both.
            return ops.log_softmax(self.score(x))

    model = Classifier(int(np.max(y)) + 1)
    model.compile(keras.optimizers.Adam(0.004), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=100, epochs=12, verbose=0)
    return model
""",
    ),
    contracts=(LEARNED, SAME_SEED),
    symptom=symptom,
)
