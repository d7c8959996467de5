"""A trained classifier of sequences, on data drawn for this submission: better than any network that soon forgets.

The data are fresh MNIST-1D curves that are read in steps of two positions. Which class has which number is secret and other for
every submission. A simple recurrent layer has the same chance on paper, but its gradient fades on the way back: see
`calibration.md` for how far it gets.

Nobody knows the highest accuracy that is possible, so no result is called too good to be true.
"""

from __future__ import annotations

import numpy as np

from course import data
from grader.judging import Array, Case, Check, Edits, Mistake, ModelCall
from grader.judging.classifiers import activated_outputs, learns, symptom, trained, untrained
from grader.judging.contracts import LEARNED, SAME_SEED
from grader.judging.matching import only

LEAST_ACCURACY = 0.85
TRAIN = JUDGED = 4000
OTHER = "other lengths"
FEW, SHORT, LONG, CLASSES = 600, 6, 9, 3


def cases(rng: np.random.Generator) -> list[Case]:
    names = rng.permutation(10)

    def draw(samples: int) -> tuple[Array, Array]:
        digits = rng.permutation(np.arange(samples) % 10)
        return data.mnist1d_curves(digits, rng).reshape(samples, -1, 2), names[digits]

    x, y = draw(TRAIN)
    fresh, labels = draw(JUDGED)
    run = ModelCall((x, y, int(rng.integers(2**31))), numpy=True, inputs={"fresh": fresh})

    return [*trained(LEAST_ACCURACY, run, labels, logits=1), small(rng)]


def small(rng: np.random.Generator) -> Case:
    """Three classes that any recurrent layer learns in a moment, for other features; judged on sequences that are longer."""
    places = rng.permutation(CLASSES)

    def draw(steps: int) -> tuple[Array, Array]:
        labels = rng.permutation(np.arange(FEW) % CLASSES)
        x = 0.3 * rng.normal(size=(FEW, steps, CLASSES))
        x += (2 * np.eye(CLASSES)[places[labels]] - 2 / CLASSES)[:, None]
        return x.astype("float32"), labels

    (x, y), (fresh, labels) = draw(SHORT), draw(LONG)
    return learns(OTHER, (x, y, int(rng.integers(2**31))), fresh, labels, weight=2)


LAYER, OUTPUT = "layers.GRU(56)", "layers.Dense(int(np.max(y)) + 1)"
FIT = "    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)\n"
EPOCHS = "epochs, batch_size = 10, 50"

SIMPLE: Edits = ((LAYER, "layers.SimpleRNN(56)"), ("CosineDecay(0.02", "CosineDecay(0.003"))
UNTRAINED: Edits = ((FIT, ""),)

BASELINES = {
    "simple recurrent layer": SIMPLE,
    "last step": ((LAYER, "layers.Lambda(lambda x: x[:, -1])"),),
    "mean of the steps": ((LAYER, 'layers.Dense(64, activation="relu"),\n            layers.GlobalAveragePooling1D()'),),
    "untrained": UNTRAINED,
    "one epoch": ((EPOCHS, "epochs, batch_size = 1, 50"),),
}

CHECK = Check(
    cases,
    mistakes={
        **activated_outputs(OUTPUT),
        "The model has learned something, but no more than a simple recurrent layer can, which soon forgets: use a layer "
        "with gates, and train it long enough, with a learning rate that is large at first.": Mistake(
            *SIMPLE, matches="undertrained"
        ),
        **untrained(*UNTRAINED),
        "With other numbers of steps, features and classes it goes wrong: take features and classes from `x` and `y`, and "
        "leave the number of steps open with `None`.": Mistake((OUTPUT, "layers.Dense(10)"), matches=only(OTHER)),
    },
    alternatives=(
        """
def train_sequence_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, x.shape[-1]))
    states = layers.Bidirectional(layers.GRU(40))(inputs)
    model = keras.Model(inputs, layers.Dense(len(np.unique(y)))(states))
    model.compile(keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(x, np.eye(len(np.unique(y)))[y], batch_size=64, epochs=12, verbose=0)
    return model
""",
        """
def train_sequence_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)

    class Classifier(keras.Model):
        def __init__(self, classes):
            super().__init__()
            self.read = layers.LSTM(64)
            self.score = layers.Dense(classes)

        def call(self, x):
            # Backwards in time is as good, and log-probabilities are logits as well.
            return ops.log_softmax(self.score(self.read(ops.flip(x, axis=1))))

    model = Classifier(int(np.max(y)) + 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    model.fit(x, y, batch_size=40, epochs=16, verbose=0)
    return model
""",
    ),
    contracts=(LEARNED, SAME_SEED),
    symptom=symptom,
)
