"""A small masked language model: its logits where all weights of one shape are equal, its size, and its initial weights.

Which weight is which cannot be told from outside, so all weights of one shape are given the same values. The oracle
computes with the same ones.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from grader.judging import Array, Arrays, Case, Check, Mistake, ModelCall
from grader.judging.classifiers import COUNT, PARAMETERS, TRAINABLE, counts
from grader.judging.contracts import NOT_COMPILED
from grader.judging.matching import apart, only

from ._reference import attend, gelu, normalize

VOCABULARY, LENGTH, DIM, HEADS, HIDDEN, BLOCKS = 11, 5, 6, 2, 9, 2
KEY = DIM // HEADS
FRESH = "initial weights"


def cases(rng: np.random.Generator) -> list[Case]:
    shapes = {
        "tokens": (VOCABULARY, DIM),
        "positions": (LENGTH, DIM),
        "projection": (DIM, HEADS, KEY),
        "projection bias": (HEADS, KEY),
        "output": (HEADS, KEY, DIM),
        "vector": (DIM,),
        "hidden": (DIM, HIDDEN),
        "hidden bias": (HIDDEN,),
        "back": (HIDDEN, DIM),
        "words": (DIM, VOCABULARY),
        "words bias": (VOCABULARY,),
    }
    values = {name: apart(rng, shape, low=0.2, high=0.8) for name, shape in shapes.items()}
    # Normalisations scale with this vector. With other scales than about 1, all tokens come out nearly alike.
    values["vector"] = rng.uniform(0.8, 1.2, size=DIM)
    weights = tuple(values.values())
    ids = rng.integers(VOCABULARY, size=(24, LENGTH)).astype("int32")
    sizes = (VOCABULARY, LENGTH, DIM, HEADS, HIDDEN, BLOCKS)
    given, fresh = ModelCall(sizes, inputs={"logits": ids}, weights=weights), ModelCall(sizes, inputs={"logits": ids})
    return [
        Case("logits", given, weight=3, of=("logits",)),
        Case(COUNT, fresh, of=(PARAMETERS, TRAINABLE), property=True),
        Case(FRESH, fresh, weight=0.5, property=True, accept=differ, shapes={"logits": (24, LENGTH, VOCABULARY)}),
    ]


def differ(arrays: Arrays) -> bool:
    """Whether the logits of a fresh model depend on the token and on the place, and the words' logits differ."""
    z = np.asarray(arrays["logits"], dtype=float)
    return bool(np.isfinite(z).all()) and all(z.std(axis=axis).max() > 1e-3 for axis in range(3))


def oracle(
    run: ModelCall,
    positions: bool = True,
    mask: str = "none",
    bend: str = "gelu",
    norm: str = "after",
    around: bool = True,
    output: str = "linear",
    norms: int = 2,
    first: bool = True,
) -> dict[str, Array]:
    vectors = DIM * (2 * (norms * BLOCKS + first) + 2 * BLOCKS)
    rows = (VOCABULARY + LENGTH * positions) * DIM
    block = 4 * DIM**2 + 3 * DIM + 2 * DIM * HIDDEN + HIDDEN
    count = rows + vectors + BLOCKS * block + (DIM + 1) * VOCABULARY
    evidence: dict[str, Any] = {PARAMETERS: count, TRAINABLE: count}
    if not run.weights:
        return evidence
    table, places, projection, projection_bias, back, vector, hidden, hidden_bias, outward, words, words_bias = run.weights
    parts = {f"{name}_kernel": projection for name in ("query", "key", "value")}
    parts |= {f"{name}_bias": projection_bias for name in ("query", "key", "value")}
    parts |= {"output_kernel": back, "output_bias": vector}
    allowed = np.tri(LENGTH, dtype=bool)[None] if mask == "causal" else None

    def normal(x: Array) -> Array:
        return normalize(x, vector, vector)

    x = table[run.inputs["logits"]] + places
    x = normal(x) if first else x
    bends: dict[str, Callable[[Array], Array]] = {"gelu": gelu, "relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}
    for _ in range(BLOCKS):
        for work in (
            lambda y: attend(y, parts, allowed),
            lambda y: bends[bend](y @ hidden + hidden_bias) @ outward + vector,
        ):
            x = x + work(normal(x)) if norm == "before" else normal(x * around + work(x))
    z = x @ words + words_bias
    if output == "softmax":
        z = np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))
    return evidence | {"logits": z}


NORM = "layers.LayerNormalization(epsilon=1e-12)"
PLACES = " + layers.Embedding(length, dim)(positions)"
ATTENTION = "layers.MultiHeadAttention(num_heads, dim // num_heads)(x, x)"
ADD1, ADD2 = f"x = {NORM}(x + attended)", f"x = {NORM}(x + worked)"
HIDDEN_LAYER = 'layers.Dense(ff_dim, activation="gelu")(x)'
LAST = "layers.Dense(vocab_size)(x)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "There are too few parameters, as many as the table of positions has: without it, the model sees a "
        "bag of words.": Mistake((PLACES, ""), matches=counts(positions=False)),
        "There are too few parameters: each block has two normalisations, one after each sum.": Mistake(
            (ADD1, "x = x + attended"), matches=counts(norms=1)
        ),
        "There are too few parameters: the sum of the embeddings is normalised, too.": Mistake(
            (f"    x = {NORM}(x)\n    for", "    for"), matches=counts(first=False)
        ),
        "Tokens look only to the left: a causal mask belongs to GPT, BERT looks both ways.": Mistake(
            (ATTENTION, ATTENTION.replace("(x, x)", "(x, x, use_causal_mask=True)")), mask="causal"
        ),
        "The hidden layers have a ReLU: this exercise asks for GELU.": Mistake(
            (HIDDEN_LAYER, HIDDEN_LAYER.replace("gelu", "relu")), bend="relu"
        ),
        "The hidden layers have no activation: without one, the two dense layers are no more than one.": Mistake(
            (HIDDEN_LAYER, "layers.Dense(ff_dim)(x)"), bend="linear"
        ),
        "The tokens are normalised before each part: that is the wiring of GPT. In BERT, the sum is normalised.": Mistake(
            (f"attended = {ATTENTION}", f"y = {NORM}(x)\n        attended = {ATTENTION.replace('(x, x)', '(y, y)')}"),
            (ADD1, "x = x + attended"),
            (HIDDEN_LAYER, HIDDEN_LAYER.replace("(x)", f"({NORM}(x))")),
            (ADD2, "x = x + worked"),
            norm="before",
        ),
        "Nothing goes round the parts: add each one's input to its output, before the normalisation.": Mistake(
            (ADD1, f"x = {NORM}(attended)"), (ADD2, f"x = {NORM}(worked)"), around=False
        ),
        "The outputs are probabilities: leave the softmax to the loss, or it will be applied twice.": Mistake(
            (LAST, 'layers.Dense(vocab_size, activation="softmax")(x)'), output="softmax"
        ),
        "A new model gives every token the same logits: what starts equal learns the same, so let Keras draw "
        "the weights.": Mistake(
            (LAST, 'layers.Dense(vocab_size, kernel_initializer="zeros")(x)'),
            matches=lambda judged: only(FRESH)(judged) and FRESH in judged.received,
        ),
    },
    alternatives=(
        """
def build_mini_bert(vocab_size, length, dim, num_heads, ff_dim, num_layers):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.words = layers.Dense(vocab_size)
            self.token = layers.Embedding(vocab_size, dim)
            self.position = layers.Embedding(length, dim)
            norm = lambda: layers.LayerNormalization(epsilon=1e-12)
            self.norm = norm()
            self.blocks = [
                [
                    layers.MultiHeadAttention(num_heads, dim // num_heads), norm(),
                    layers.Dense(ff_dim, activation=keras.activations.gelu), layers.Dense(dim), norm(),
                ]
                for _ in range(num_layers)
            ]

        def call(self, ids):
            x = self.norm(self.token(ids) + self.position(ops.arange(length)))
            for attention, norm1, hidden, output, norm2 in self.blocks:
                x = norm1(x + attention(x, x))
                x = norm2(x + output(hidden(x)))
            return self.words(x)

    return Model()
""",
        (
            (f"x = {NORM}(x + attended)", f"x = {NORM}(layers.Add()([attended, x]))"),
            (HIDDEN_LAYER, "ops.gelu(layers.Dense(ff_dim)(x), approximate=False)"),
            (
                'positions = ops.zeros_like(ids) + ops.arange(length, dtype="int32")',
                "positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1",
            ),
        ),
    ),
    # Two blocks in float32; normalisation divides by what may be small.
    atol=5e-4,
    rtol=5e-4,
    contracts=(NOT_COMPILED,),
)
