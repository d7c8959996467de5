"""A small convolutional classifier: its logits with given weights, its number of parameters, and its initial weights."""

from collections.abc import Callable
from typing import Any

import numpy as np

from grader.judging import Array, Case, Check, Mistake, ModelCall
from grader.judging.classifiers import COUNT, PARAMETERS, TRAINABLE, counts, differ
from grader.judging.contracts import NOT_COMPILED
from grader.judging.matching import apart, only, shows

from ._reference import convolve


def cases(rng: np.random.Generator) -> list[Case]:
    size, channels, filters, classes = sizes = 10, 2, 3, 5  # a weight is known by its shape; half of 10 is odd
    while True:
        weights = (
            apart(rng, (3, 3, channels, filters), low=0.1, high=0.6),
            apart(rng, (filters,), low=0.2, high=0.6),
            apart(rng, (3, 3, filters, 2 * filters), low=0.1, high=0.6),
            apart(rng, (2 * filters,), low=0.2, high=0.6),
            apart(rng, (2 * filters, classes), low=0.5, high=1.5),
            apart(rng, (classes,), low=0.3, high=1.0),
        )
        x = 2 * rng.normal(size=(7, size, size, channels))
        given = ModelCall(sizes, inputs={"logits": x}, weights=weights)
        if oracle(given)["logits"].min() < -0.3:  # so that a ReLU shows
            break
    fresh = ModelCall(sizes, inputs={"logits": x})
    return [
        Case("logits", given, weight=3, of=("logits",)),
        Case(COUNT, fresh, weight=0.5, of=(PARAMETERS, TRAINABLE), property=True),
        Case("initial weights", fresh, weight=0.5, property=True, accept=differ, shapes={"logits": (7, classes)}),
    ]


def oracle(
    run: ModelCall,
    activation: str = "relu",
    pooling: str = "largest",
    padding: str = "same",
    head: str = "mean",
    output: str = "linear",
    wider: int = 2,
    biases: bool = True,
) -> dict[str, Any]:
    size, channels, filters, classes = run.args
    second = wider * filters
    features = second * (size // 4) ** 2 if head == "flat" else second
    count = 9 * channels * filters + 9 * filters * second + features * classes + biases * (filters + second + classes)
    evidence = {PARAMETERS: count, TRAINABLE: count}
    if not run.weights:
        return evidence
    kernel1, bias1, kernel2, bias2, kernel, bias = run.weights
    bends: dict[str, Callable[[Array], Array]] = {
        "relu": lambda z: np.maximum(z, 0),
        "tanh": np.tanh,
        "linear": lambda z: z,
    }

    def pool(images: Array) -> Array:
        if pooling == "none":
            return images
        windows = np.lib.stride_tricks.sliding_window_view(images, (2, 2), axis=(1, 2))[:, ::2, ::2]
        return windows.max(axis=(-1, -2)) if pooling == "largest" else windows.mean(axis=(-1, -2))

    x = run.inputs["logits"]
    for weights, shift in ((kernel1, bias1), (kernel2, bias2)):
        x = pool(bends[activation](convolve(x, weights, shift, padding=padding)))
    z = (x.max(axis=(1, 2)) if head == "max" else x.mean(axis=(1, 2))) @ kernel + bias
    if output == "softmax":
        z = np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
    return evidence | {"logits": np.maximum(z, 0) if output == "relu" else z}


FIRST = 'x = layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs)'
SECOND = 'x = layers.Conv2D(2 * filters, 3, padding="same", activation="relu")(x)'
POOL1, POOL2 = f"{FIRST}\n    x = layers.MaxPooling2D(2)(x)", f"{SECOND}\n    x = layers.MaxPooling2D(2)(x)"
AVERAGE, OUTPUT = "layers.GlobalAveragePooling2D()(x)", "layers.Dense(n_classes)(x)"


def _both(old: str, new: str) -> tuple[tuple[str, str], ...]:
    return (FIRST, FIRST.replace(old, new)), (SECOND, SECOND.replace(old, new))


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The outputs are probabilities: leave the softmax to the loss, or it will be applied twice.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="softmax")(x)'), output="softmax"
        ),
        "No output is negative: logits need both signs, so the last layer has no ReLU.": Mistake(
            (OUTPUT, 'layers.Dense(n_classes, activation="relu")(x)'), matches=shows("logits", of="logits", output="relu")
        ),
        "The convolutions have no activation: without one, two of them in a row are no more than one.": Mistake(
            *_both(', activation="relu"', ""), activation="linear"
        ),
        "The convolutions have a tanh: this exercise asks for ReLU.": Mistake(*_both("relu", "tanh"), activation="tanh"),
        'The images shrink at each convolution: `padding="same"` keeps their size.': Mistake(
            *_both('padding="same", ', ""), padding="valid"
        ),
        "The windows are averaged: this exercise asks for max pooling after the convolutions.": Mistake(
            *tuple((pool, pool.replace("Max", "Average")) for pool in (POOL1, POOL2)), pooling="mean"
        ),
        "There is no pooling after the convolutions: each halves the image.": Mistake(
            (POOL1, FIRST), (POOL2, SECOND), pooling="none"
        ),
        "The head keeps each channel's largest number: this exercise asks for its average.": Mistake(
            (AVERAGE, "layers.GlobalMaxPooling2D()(x)"), head="max"
        ),
        "There are too many parameters: the head flattens, so the dense layer has a weight for every pixel.": Mistake(
            (AVERAGE, "layers.Flatten()(x)"), matches=counts(head="flat")
        ),
        "There are too few parameters: the second convolution has twice as many filters as the first.": Mistake(
            (SECOND, SECOND.replace("2 * ", "")), matches=counts(wider=1)
        ),
        "There are too few parameters: the layers lack their biases.": Mistake(
            *_both("3, padding", "3, use_bias=False, padding"),
            (OUTPUT, "layers.Dense(n_classes, use_bias=False)(x)"),
            matches=counts(biases=False),
        ),
        "The filters of a new model are all equal, and what starts equal learns the same: let Keras draw the weights.": Mistake(
            *_both("3, padding", '3, kernel_initializer="ones", padding'),
            matches=lambda judged: only("initial weights")(judged) and "initial weights" in judged.received,
        ),
    },
    alternatives=(
        """
def build_cnn(image_size, channels, filters, n_classes):
    model = keras.Sequential([layers.Input((image_size, image_size, channels))])
    for width in (filters, 2 * filters):
        model.add(layers.Conv2D(width, (3, 3), padding="same", kernel_initializer="he_normal"))
        model.add(layers.ReLU())
        model.add(layers.MaxPool2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(n_classes))
    return model
""",
        """
def build_cnn(image_size, channels, filters, n_classes):
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.score = layers.Dense(n_classes)
            self.second = layers.Conv2D(2 * filters, 3, padding="same")
            self.first = layers.Conv2D(filters, 3, padding="same")

        def call(self, x):
            for convolution in (self.first, self.second):
                x = ops.max_pool(ops.relu(convolution(x)), 2, strides=2)
            return self.score(ops.mean(x, axis=(1, 2)))

    return Classifier()
""",
        # The largest of a window is the same before ReLU and after it.
        tuple(
            (pool, pool.replace(', activation="relu"', "").replace("MaxPooling2D(2)(x)", "ReLU()(layers.MaxPooling2D(2)(x))"))
            for pool in (POOL1, POOL2)
        ),
    ),
    # Two convolutions and a dense layer in float32, on numbers near 10.
    atol=1e-4,
    contracts=(NOT_COMPILED,),
)
