"""A classifier: its logits with given weights, its number of parameters, and initial weights that tell units apart."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from grader.judging import Array, Case, Check, Judged, Mistake, ModelCall
from grader.judging.classifiers import COUNT, PARAMETERS, TRAINABLE, counts, differ
from grader.judging.contracts import BUILT, NOT_COMPILED
from grader.judging.matching import apart, only, right, shows


def cases(rng: np.random.Generator) -> list[Case]:
    inputs, hidden, classes = sizes = 5, 8, 3  # distinct, so that a weight is known by its shape
    weights = (
        apart(rng, (inputs, hidden), low=0.3, high=1.2),
        apart(rng, (hidden,), low=0.2, high=0.8),
        apart(rng, (hidden, classes), low=0.5, high=1.5),
        apart(rng, (classes,), low=0.3, high=1.0),
    )
    x = 3 * rng.normal(size=(9, inputs))  # hidden units above 6, where a capped ReLU shows
    given = ModelCall(sizes, inputs={"logits": x}, weights=weights)
    others = inputs + 1, hidden + 2, classes + 4
    fresh = ModelCall(others, inputs={"logits": rng.normal(size=(9, others[0]))})
    shapes = {"logits": (9, others[-1])}
    return [
        Case("logits", given, weight=3, of=("logits",)),
        Case(COUNT, fresh, weight=0.5, of=(PARAMETERS, TRAINABLE), property=True),
        Case("initial weights", fresh, weight=0.5, property=True, accept=differ, shapes=shapes),
    ]


def oracle(
    run: ModelCall, activation: str = "relu", output: str = "linear", layers: int = 1, biases: bool = True
) -> dict[str, Any]:
    activations: dict[str, Callable[[Array], Array]] = {
        "relu": lambda z: np.maximum(z, 0),
        "relu6": lambda z: np.clip(z, 0, 6),
        "linear": lambda z: z,
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "softmax": lambda z: np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True)),
    }
    inputs, hidden, classes = run.args
    sizes = [inputs, *[hidden] * layers, classes]
    count = sum(fan_in * fan_out + biases * fan_out for fan_in, fan_out in itertools.pairwise(sizes))
    evidence: dict[str, Any] = {PARAMETERS: count, TRAINABLE: count}
    if run.weights:
        kernel, bias, output_kernel, output_bias = run.weights
        units = activations[activation](run.inputs["logits"] @ kernel + bias)
        evidence["logits"] = activations[output](units @ output_kernel + output_bias)
    return evidence


def frozen(judged: Judged) -> bool:
    """All parameters are there, but not all are trained."""
    count, received = right(judged, COUNT, PARAMETERS), judged.received.get(COUNT, {})
    return bool(received.get(PARAMETERS) == count and received.get(TRAINABLE, count) < count)


HIDDEN = 'layers.Dense(n_hidden, activation="relu")'
OUTPUT = "layers.Dense(n_classes)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The model is linear: without an activation, two dense layers are no more than one.": Mistake(
            (HIDDEN, "layers.Dense(n_hidden)"), activation="linear"
        ),
        "The outputs are probabilities: leave the softmax to the loss, or it will be applied twice.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="softmax")'), output="softmax"
        ),
        "No output is negative: logits need both signs, so the last layer has no ReLU.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="relu")'), matches=shows("logits", of="logits", output="relu")
        ),
        "The outputs lie between 0 and 1: that is a sigmoid; the last layer has no activation.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="sigmoid")'), output="sigmoid"
        ),
        "The hidden layer has a tanh: this exercise asks for ReLU.": Mistake(
            (HIDDEN, 'layers.Dense(n_hidden, activation="tanh")'), activation="tanh"
        ),
        "The hidden layer has a sigmoid: this exercise asks for ReLU.": Mistake(
            (HIDDEN, 'layers.Dense(n_hidden, activation="sigmoid")'), activation="sigmoid"
        ),
        "There are too many parameters: the model has a second hidden layer.": Mistake(
            (f"{HIDDEN}(inputs)", f'{HIDDEN}(layers.Dense(n_hidden, activation="relu")(inputs))'), matches=counts(layers=2)
        ),
        "There are too few parameters: the hidden layer is missing, or the output does not come from it.": Mistake(
            (f"{OUTPUT}(hidden)", f"{OUTPUT}(inputs)"), matches=counts(layers=0)
        ),
        "There are too few parameters: the dense layers lack their biases.": Mistake(
            (HIDDEN, HIDDEN[:-1] + ", use_bias=False)"),
            (OUTPUT, OUTPUT[:-1] + ", use_bias=False)"),
            matches=counts(biases=False),
        ),
        "Large numbers are cut off in the hidden layer: ReLU has no upper limit.": Mistake(
            (HIDDEN, HIDDEN.replace("relu", "relu6")), activation="relu6"
        ),
        "Some weights are frozen: `trainable=False` keeps them as they are drawn, so these never learn.": Mistake(
            (HIDDEN, HIDDEN[:-1] + ", trainable=False)"), matches=frozen
        ),
        "The units of a new model are all equal, and units that start equal learn the same: let Keras draw "
        "the weights.": Mistake(
            (HIDDEN, HIDDEN[:-1] + ', kernel_initializer="ones")'),
            matches=lambda judged: only("initial weights")(judged) and "initial weights" in judged.received,
        ),
    },
    alternatives=(
        """
def build_mlp(n_inputs, n_hidden, n_classes):
    model = keras.Sequential()
    model.add(layers.Input(shape=(n_inputs,)))
    model.add(layers.Dense(n_hidden))
    model.add(layers.Activation("relu"))
    model.add(layers.Dense(n_classes, kernel_initializer="he_normal", activation="linear"))
    return model
""",
        """
def build_mlp(n_inputs, n_hidden, n_classes):
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.Dense(n_classes)
            self.first = layers.Dense(n_hidden)

        def call(self, x):
            return self.last(ops.relu(self.first(x)))

    model = Classifier()
    model(np.zeros((1, n_inputs)))
    return model
""",
        """
def build_mlp(n_inputs, n_hidden, n_classes):
    model = keras.Sequential([layers.Dense(n_hidden, activation=ops.relu), layers.Dense(n_classes)])
    model.build((None, n_inputs))
    return model
""",
    ),
    # Logits are sums of eight products near 10, which may cancel: float32 leaves 1e-5.
    atol=1e-4,
    contracts=(NOT_COMPILED, BUILT),
)
