"""A trained classifier, on data drawn for this submission: its accuracy on new samples, and what accuracy cannot show.

The data are fresh MNIST-1D curves. Which class has which number, and the order of the 40 features, are secret and other
for every submission: a network of dense layers does not care, weights that were trained elsewhere do.

Nobody knows the highest accuracy that is possible here (a convolutional network that is told the order gets past 0.9), so no
result is called too good to be true. `calibration.md` has the measurements that the bar is taken from.
"""

from __future__ import annotations

import numpy as np

from course import data
from course.data.signals import LENGTH
from grader.judging import Array, Arrays, Case, Check, Edits, Judged, Mistake, ModelCall
from grader.judging.classifiers import CHANCE, activated_outputs, answers, learns, no_logits, trained, untrained
from grader.judging.contracts import LEARNED, SAME_SEED
from grader.judging.matching import only

LEAST_ACCURACY = 0.52
TRAIN = JUDGED = 4000
PROBES = 20
BLOBS = 600
OTHER = "other sizes"


def cases(rng: np.random.Generator) -> list[Case]:
    names, order = rng.permutation(10), rng.permutation(LENGTH)

    def draw(samples: int) -> tuple[Array, Array]:
        digits = rng.permutation(np.arange(samples) % 10)
        return data.mnist1d_curves(digits, rng)[:, order], names[digits]

    x, y = draw(TRAIN)
    fresh, labels = draw(JUDGED)
    a, b = draw(PROBES)[0], draw(PROBES)[0]
    run = ModelCall(
        (x, y, int(rng.integers(2**31))),
        numpy=True,
        inputs={"fresh": fresh, "a": a, "b": b, "a + b": a + b, "0": np.zeros_like(a)},
    )

    other = small(rng)
    probes = dict.fromkeys(("a", "b", "a + b", "0"), (PROBES, 10))
    return [
        *trained(LEAST_ACCURACY, run, labels, logits=2),
        Case("non-linearity", run, weight=1, accept=bends, shapes=probes, property=True),
        other,
    ]


def small(rng: np.random.Generator) -> Case:
    """Three classes of 12 features, in clouds that do not touch: any network whose sizes fit learns them in a moment."""
    centres = rng.normal(size=(3, 12))
    centres -= centres.mean(axis=0)
    y, labels = (rng.permutation(np.arange(BLOBS) % 3) for _ in range(2))
    # A spread of 1 in each feature, nearly all of it between the clouds.
    centres /= np.sqrt(np.mean(centres**2, axis=0))
    x, fresh = ((centres[k] + 0.1 * rng.normal(size=(BLOBS, 12))).astype("float32") for k in (y, labels))
    return learns(OTHER, (x, y, int(rng.integers(2**31))), fresh, labels)


# --- what accuracy cannot show ---


def bends(arrays: Arrays) -> bool:
    """Whether the model is not affine. An affine map obeys f(a + b) = f(a) + f(b) - f(0)."""
    a, b, both, zero = (np.asarray(arrays[name], dtype=float) for name in ("a", "b", "a + b", "0"))
    if not all(np.isfinite(z).all() for z in (a, b, both, zero)):
        return False
    # Rounding in float32 leaves about 1e-6 of the largest logit; a trained ReLU network leaves more than a tenth.
    return bool(np.abs(both - a - b + zero).max() > 1e-3 * max(1e-30, *(np.abs(z).max() for z in (a, b, both, zero))))


# --- known mistakes ---


def symptom(judged: Judged) -> str:
    """The one thing that the evidence shows first; "" for none."""
    if (found := answers(judged)) is None or not judged.failed:
        return ""
    z, accuracy = found
    if squeezed := no_logits(z):
        return squeezed
    if "non-linearity" in judged.failed:
        return "linear"
    if accuracy < CHANCE:
        return "untrained"
    return "undertrained" if "accuracy" in judged.failed else ""


HIDDEN = 'layers.Dense(256, activation="relu")'
OUTPUT = "layers.Dense(classes)"
FIT = "    model.fit(x, y, batch_size=128, epochs=20, verbose=0)\n"

LINEAR: Edits = ((HIDDEN, "layers.Dense(256)"),)
UNTRAINED: Edits = ((FIT, "    model.build(x.shape)\n"),)
ZERO: Edits = (
    (HIDDEN, HIDDEN[:-1] + ', kernel_initializer="zeros")'),
    (OUTPUT, OUTPUT[:-1] + ', kernel_initializer="zeros")'),
)

BASELINES = {
    "no bend": LINEAR,
    "untrained": UNTRAINED,
    "initial weights of zero": ZERO,
    "one epoch": (("epochs=20", "epochs=1"),),
}

CHECK = Check(
    cases,
    mistakes={
        **activated_outputs(OUTPUT),
        "The whole network is one affine map: f(a + b) = f(a) + f(b) - f(0) holds for it. Dense layers without an "
        "activation between them are no more than one.": Mistake(*LINEAR, matches="linear"),
        "Every sample gets the same logits: units that start from weights of zero get no gradient, or all "
        "the same one.": Mistake(*ZERO, matches="constant"),
        **untrained(*UNTRAINED),
        "The model has learned something, but too little: train longer, with a larger learning rate or more "
        "hidden units.": Mistake(("epochs=20", "epochs=1"), ("Adam(0.01)", "Adam(0.001)"), matches="undertrained"),
        "With other numbers of features and classes it goes wrong: take both from `x` and `y`, not from these data.": Mistake(
            (OUTPUT, "layers.Dense(10)"), matches=only(OTHER)
        ),
    },
    alternatives=(
        """
def train_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((x.shape[1],))
    hidden = layers.Dense(128, activation="tanh", kernel_initializer="he_normal")(inputs)
    hidden = layers.Dense(64, activation="tanh")(hidden)
    model = keras.Model(inputs, layers.Dense(len(np.unique(y)), name="logits")(hidden))
    model.compile(
        keras.optimizers.AdamW(0.005, weight_decay=0.01), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    model.fit(x, np.eye(len(np.unique(y)))[y], batch_size=128, epochs=20, verbose=0, validation_split=0.1)
    return model
""",
        """
def train_classifier(x, y, seed):
    keras.utils.set_random_seed(seed)

    class Classifier(keras.Model):
        def __init__(self, classes):
            super().__init__()
            self.hidden = layers.Dense(300)
            self.normalize = layers.BatchNormalization()
            self.drop = layers.Dropout(0.2)
            self.score = layers.Dense(classes)

        def call(self, x, training=False):
            hidden = ops.gelu(self.normalize(self.hidden(x), training=training))
            # Log-probabilities are logits as well: softmax gives the same for both.
            return ops.log_softmax(self.score(self.drop(hidden, training=training)))

    model = Classifier(int(np.max(y)) + 1)
    model.compile(keras.optimizers.RMSprop(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=100, epochs=20, verbose=0)
    return model
""",
        (
            (HIDDEN, 'layers.Dense(100, activation="relu")'),
            ("keras.optimizers.Adam(0.01)", "keras.optimizers.SGD(0.1, momentum=0.9)"),
            ("batch_size=128, epochs=20", "batch_size=64, epochs=20"),
        ),
    ),
    contracts=(LEARNED, SAME_SEED),
    symptom=symptom,
)
