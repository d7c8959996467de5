"""A classifier of padded sequences: its logits with given weights, with and without padding, and its size."""

from typing import Any

import numpy as np

from grader.judging import Case, Check, Mistake, ModelCall
from grader.judging.classifiers import COUNT, PARAMETERS, TRAINABLE, counts
from grader.judging.contracts import NOT_COMPILED
from grader.judging.matching import apart

from ._reference import sigmoid

FEATURES, UNITS, CLASSES = 3, 5, 4


def cases(rng: np.random.Generator) -> list[Case]:
    shapes = (FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,), (UNITS, CLASSES), (CLASSES,)  # known by their shapes
    weights = tuple(apart(rng, shape, low=0.3, high=0.9) for shape in shapes)
    x = apart(rng, (3, 6, FEATURES))
    x[0, 2, 1] = 0  # one feature that is zero makes no padding, nor do ones that cancel, or are small
    x[1, 1], x[2, 0] = [0.5, -0.5, 0], 0.01
    padded = np.pad(x, ((0, 0), (0, 4), (0, 0)))
    mixed = padded.copy()
    mixed[1, 3:], mixed[2, 5:] = 0, 0
    run = ModelCall(
        (FEATURES, UNITS, CLASSES), inputs={"unpadded": x, "padded": padded, "several lengths": mixed}, weights=weights
    )
    fresh = ModelCall((FEATURES + 1, UNITS + 2, CLASSES + 4), inputs={"x": np.ones((1, 2, FEATURES + 1), dtype="float32")})
    return [
        Case("no padding", run, weight=2, of=("unpadded",)),
        Case("padding", run, weight=2, of=("padded",)),
        Case("several lengths in a batch", run, of=("several lengths",)),
        Case(COUNT, fresh, weight=0.5, of=(PARAMETERS, TRAINABLE), property=True),
    ]


def oracle(
    run: ModelCall, mask: str = "all zero", answer: str = "last state", output: str = "linear", blocks: int = 4
) -> dict[str, Any]:
    features, units, classes = run.args
    biases = 2 if blocks == 3 else 1
    count = blocks * ((features + units) * units + biases * units) + (units + 1) * classes
    evidence: dict[str, Any] = {PARAMETERS: count, TRAINABLE: count}
    if not run.weights:
        return evidence
    kernel, recurrent_kernel, bias, output_kernel, output_bias = run.weights
    for name, x in run.inputs.items():
        is_step = {"all zero": (x != 0).any(axis=-1), "any zero": (x != 0).all(axis=-1), "none": np.ones(x.shape[:2], bool)}[
            mask
        ]
        hidden, cell = np.zeros((len(x), units)), np.zeros((len(x), units))
        every = []
        for t in range(x.shape[1]):
            sums = x[:, t] @ kernel + hidden @ recurrent_kernel + bias
            gate, forget, candidate, shown = np.split(sums, 4, axis=-1)
            new_cell = sigmoid(forget) * cell + sigmoid(gate) * np.tanh(candidate)
            new_hidden = sigmoid(shown) * np.tanh(new_cell)
            real = is_step[:, t, None]
            cell, hidden = np.where(real, new_cell, cell), np.where(real, new_hidden, hidden)
            every.append(hidden)
        weight = is_step / is_step.sum(axis=1, keepdims=True)
        state = hidden if answer == "last state" else np.einsum("bt,tbu->bu", weight, np.stack(every))
        z = state @ output_kernel + output_bias
        if output == "softmax":
            z = np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
        evidence[name] = np.maximum(z, 0) if output == "relu" else z
    return evidence


MASK, RECURRENT, OUTPUT = "layers.Masking(),", "layers.LSTM(units),", "layers.Dense(n_classes),"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The padding is read like the rest of the sequence, and the state goes on changing: tell the LSTM to skip it.": Mistake(
            (MASK, ""), mask="none"
        ),
        "The outputs are probabilities: leave the softmax to the loss, or it will be applied twice.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="softmax"),'), output="softmax"
        ),
        "No output is negative: logits need both signs, so the last layer has no ReLU.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="relu"),'), output="relu"
        ),
        "The hidden states of all steps are averaged: the logits are taken from the last one.": Mistake(
            (RECURRENT, "layers.LSTM(units, return_sequences=True),\n            layers.GlobalAveragePooling1D(),"),
            answer="mean",
        ),
        "There are too few parameters for an LSTM: is this a GRU?": Mistake(
            (RECURRENT, "layers.GRU(units),"), matches=counts(blocks=3)
        ),
        "There are too few parameters for an LSTM: a simple recurrent layer has a quarter of them.": Mistake(
            (RECURRENT, "layers.SimpleRNN(units),"), matches=counts(blocks=1)
        ),
    },
    alternatives=(
        """
def build_sequence_classifier(features, units, n_classes):
    inputs = keras.Input((None, features))
    x = layers.Masking(mask_value=0.0)(inputs)
    x = layers.RNN(layers.LSTMCell(units))(x)
    return keras.Model(inputs, layers.Dense(n_classes, activation=None)(x))
""",
        """
def build_sequence_classifier(features, units, n_classes):
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.score = layers.Dense(n_classes)
            self.read = layers.LSTM(units)

        def call(self, x):
            return self.score(self.read(x, mask=ops.any(ops.not_equal(x, 0), axis=-1)))

    return Classifier()
""",
        """
def build_sequence_classifier(features, units, n_classes):
    inputs = keras.Input((None, features))
    mask = ops.max(ops.abs(inputs), axis=-1) > 0
    states = layers.LSTM(units, return_sequences=True)(inputs, mask=mask)
    return keras.Model(inputs, layers.Dense(n_classes)(states[:, -1]))  # padding repeats the state before it
""",
    ),
    # Up to ten steps in float32, each on the result of the one before.
    atol=5e-5,
    rtol=5e-5,
    contracts=(NOT_COMPILED,),
)
