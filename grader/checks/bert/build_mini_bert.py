"""A small BERT: its logits where all weights of one shape are equal, with padding, its size, and its initial weights.

Which weight is which cannot be told from outside, so all weights of one shape are given the same values. The oracle
computes with the same ones. Of rows with padding, the pair's logit is judged: what the words' logits are in the padding does
not matter.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from course.data.text import CLS, MASK, PAD, SEP
from grader.judging import Array, Arrays, Case, Check, Mistake, ModelCall
from grader.judging.classifiers import COUNT, PARAMETERS, TRAINABLE, counts
from grader.judging.contracts import NOT_COMPILED
from grader.judging.matching import apart, only, shows

from ._reference import attend, gelu, normalize

VOCABULARY, LONGEST, DIM, HEADS, HIDDEN, BLOCKS = 11, 13, 6, 2, 10, 2
KEY = DIM // HEADS
ROWS, LENGTH = 16, 7
RETURNS = ("words", "is_next")
PADDED, FRESH = "padding", "initial weights"


def cases(rng: np.random.Generator) -> list[Case]:
    shapes = {
        "tokens": (VOCABULARY, DIM),
        "positions": (LONGEST, DIM),
        "segments": (2, DIM),
        "projection": (DIM, HEADS, KEY),
        "projection bias": (HEADS, KEY),
        "output": (HEADS, KEY, DIM),
        "vector": (DIM,),
        "hidden": (DIM, HIDDEN),
        "hidden bias": (HIDDEN,),
        "back": (HIDDEN, DIM),
        "words": (DIM, VOCABULARY),
        "words bias": (VOCABULARY,),
        "pooler": (DIM, DIM),
        "pair": (DIM, 1),
        "pair bias": (1,),
    }
    values = {name: apart(rng, shape, low=0.2, high=0.8) for name, shape in shapes.items()}
    # Normalisations scale with this vector. With other scales than about 1, all tokens come out nearly alike.
    values["vector"] = rng.uniform(0.8, 1.2, size=DIM)
    # Small, so that no tanh is so near to 1 that what happens before it hardly shows.
    values["pooler"] = apart(rng, (DIM, DIM), low=0.15, high=0.5)
    values["pair"] = apart(rng, (DIM, 1), low=1, high=3)
    weights = tuple(values.values())
    sizes = (VOCABULARY, LONGEST, DIM, HEADS, HIDDEN, BLOCKS)
    # As long as the longest and shorter, so that the positions are not those of one length.
    inputs = {"whole": draw_pairs(rng, LENGTH, 0), "padded": draw_pairs(rng, LONGEST, 8)}
    given = ModelCall(sizes, inputs=inputs, weights=weights, returns=RETURNS)
    fresh = ModelCall(sizes, inputs={"whole": inputs["whole"]}, returns=RETURNS)
    return [
        Case("words", given, weight=3, of=("whole.words",)),
        Case("pairs", given, weight=2, of=("whole.is_next",)),
        Case(PADDED, given, weight=2, of=("padded.is_next",)),
        Case(COUNT, fresh, of=(PARAMETERS, TRAINABLE), property=True),
        Case(FRESH, fresh, weight=0.5, property=True, accept=differ, shapes={"whole.words": (ROWS, LENGTH, VOCABULARY)}),
    ]


def draw_pairs(rng: np.random.Generator, length: int, padding: int) -> Array:
    """Rows `[CLS] A [SEP] B [SEP]`, int32, filled up with at least one and at most `padding` times `[PAD]`, or with none."""
    rows = np.full((ROWS, length), PAD, dtype="int32")
    for row in rows:
        tokens = length - (int(rng.integers(1, padding + 1)) if padding else 0)
        row[:tokens] = rng.integers(MASK, VOCABULARY, size=tokens)
        row[0], row[int(rng.integers(2, tokens - 2))], row[tokens - 1] = CLS, SEP, SEP
    return rows


def differ(arrays: Arrays) -> bool:
    """Whether the logits of a fresh model depend on the token and on the place, and the words' logits differ."""
    z = np.asarray(arrays["whole.words"], dtype=float)
    return bool(np.isfinite(z).all()) and all(z.std(axis=axis).max() > 1e-3 for axis in range(3))


def oracle(
    run: ModelCall,
    positions: bool = True,
    segments: str = "after",
    mask: str = "keys",
    bend: str = "gelu",
    norm: str = "after",
    around: bool = True,
    output: str = "linear",
    norms: int = 2,
    first: bool = True,
    pooler: str = "tanh",
    pooled: int = 0,
) -> dict[str, Array]:
    vectors = DIM * (2 * (norms * BLOCKS + first) + 2 * BLOCKS + (pooler != "none"))
    rows = (VOCABULARY + LONGEST * positions + 2 * (segments != "none")) * DIM
    block = 4 * DIM**2 + 3 * DIM + 2 * DIM * HIDDEN + HIDDEN
    heads = (DIM + 1) * VOCABULARY + DIM**2 * (pooler != "none") + DIM + 1
    count = rows + vectors + BLOCKS * block + heads
    evidence: dict[str, Any] = {PARAMETERS: count, TRAINABLE: count}
    if not run.weights:
        return evidence
    table, places, parts_of_pair, projection, projection_bias, back, vector, *others = run.weights
    hidden, hidden_bias, outward, words, words_bias, pool, pair, pair_bias = others
    parts = {f"{name}_kernel": projection for name in ("query", "key", "value")}
    parts |= {f"{name}_bias": projection_bias for name in ("query", "key", "value")}
    parts |= {"output_kernel": back, "output_bias": vector}
    bends: dict[str, Callable[[Array], Array]] = {"gelu": gelu, "relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}

    def normal(x: Array) -> Array:
        return normalize(x, vector, vector)

    for name, ids in run.inputs.items():
        length = ids.shape[1]
        ends = np.cumsum(ids == SEP, axis=1)
        segment = np.minimum(ends if segments == "early" else ends - (ids == SEP), 1)
        allowed = (ids != PAD)[:, None, :]
        if mask == "causal":
            allowed = allowed & np.tri(length, dtype=bool)[None]
        x = table[ids] + places[:length] + parts_of_pair[segment]
        x = normal(x) if first else x
        for _ in range(BLOCKS):
            for work in (
                lambda y, allowed=allowed: attend(y, parts, allowed),
                lambda y: bends[bend](y @ hidden + hidden_bias) @ outward + vector,
            ):
                x = x + work(normal(x)) if norm == "before" else normal(x * around + work(x))
        z = x @ words + words_bias
        if output == "softmax":
            z = np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))
        state = x[:, pooled] @ pool + vector
        state = np.tanh(state) if pooler == "tanh" else state
        evidence |= {f"{name}.words": z, f"{name}.is_next": (state @ pair + pair_bias)[:, 0]}
    return evidence


NORM = "layers.LayerNormalization(epsilon=1e-12)"
PLACES = " + layers.Embedding(max_length, dim)(positions)"
SUM = f"x = {NORM}(x + layers.Embedding(2, dim)(segments))"
ATTENTION = "layers.MultiHeadAttention(num_heads, dim // num_heads)(x, x, attention_mask=keys)"
ADD1, ADD2 = f"x = {NORM}(x + attended)", f"x = {NORM}(x + worked)"
HIDDEN_LAYER = 'layers.Dense(ff_dim, activation="gelu")(x)'
LAST = '"words": layers.Dense(vocab_size)(x)'
POOLED = 'pooled = layers.Dense(dim, activation="tanh")(x[:, 0])'
SEGMENT = "segments = ops.minimum(ops.cumsum(ends, axis=1) - ends, 1)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "There are too few parameters, as many as the table of positions has: without it, the model sees a "
        "bag of words.": Mistake((PLACES, ""), matches=counts(positions=False)),
        "There are too few parameters, as many as the table of segments has: what tells A from B?": Mistake(
            (SUM, f"x = {NORM}(x)"), matches=lambda judged: "words" in judged.errors and counts(segments="none")(judged)
        ),
        "There are too few parameters: each block has two normalisations, one after each sum.": Mistake(
            (ADD1, "x = x + attended"), matches=counts(norms=1)
        ),
        "There are too few parameters: the sum of the embeddings is normalised, too.": Mistake(
            (SUM, "x = x + layers.Embedding(2, dim)(segments)"),
            matches=lambda judged: "words" in judged.received and counts(first=False)(judged),
        ),
        "There are too few parameters: the pooler is missing, a dense layer between the first token's state and "
        "the pair's logit.": Mistake((POOLED, "pooled = x[:, 0]"), matches=counts(pooler="none")),
        "Tokens attend to padding: a mask has to forbid it.": Mistake(
            (ATTENTION, ATTENTION.replace(", attention_mask=keys", "")),
            matches=lambda judged: only(PADDED)(judged) and PADDED in judged.received,
        ),
        "The [SEP] between the sentences is in segment 1: it closes A, and belongs to segment 0.": Mistake(
            (SEGMENT, "segments = ops.minimum(ops.cumsum(ends, axis=1), 1)"), segments="early"
        ),
        "Tokens look only to the left: a causal mask belongs to GPT, BERT looks both ways.": Mistake(
            (ATTENTION, ATTENTION.replace("keys)", "keys, use_causal_mask=True)")), mask="causal"
        ),
        "The hidden layers have a ReLU: this exercise asks for GELU.": Mistake(
            (HIDDEN_LAYER, HIDDEN_LAYER.replace("gelu", "relu")), bend="relu"
        ),
        "The hidden layers have no activation: without one, the two dense layers are no more than one.": Mistake(
            (HIDDEN_LAYER, "layers.Dense(ff_dim)(x)"), bend="linear"
        ),
        "The pooler has no activation: it ends with tanh.": Mistake(
            (POOLED, "pooled = layers.Dense(dim)(x[:, 0])"), pooler="linear"
        ),
        "The pair's logit comes from the last token: BERT takes the state of the first one, [CLS].": Mistake(
            (POOLED, POOLED.replace("x[:, 0]", "x[:, -1]")), matches=shows("pairs", PADDED, pooled=-1)
        ),
        "The tokens are normalised before each part, as in GPT-2. In BERT, the sum is normalised.": Mistake(
            (f"attended = {ATTENTION}", f"y = {NORM}(x)\n        attended = {ATTENTION.replace('(x, x,', '(y, y,')}"),
            (ADD1, "x = x + attended"),
            (HIDDEN_LAYER, HIDDEN_LAYER.replace("(x)", f"({NORM}(x))")),
            (ADD2, "x = x + worked"),
            norm="before",
        ),
        "Nothing goes round the parts: add each one's input to its output, before the normalisation.": Mistake(
            # Such a new model gives all tokens nearly the same logits, so that part may go wrong or not.
            (ADD1, f"x = {NORM}(attended)"),
            (ADD2, f"x = {NORM}(worked)"),
            matches=shows("words", "pairs", PADDED, around=False),
        ),
        "The words' outputs are probabilities: leave the softmax to the loss, or it will be applied twice.": Mistake(
            (LAST, '"words": layers.Dense(vocab_size, activation="softmax")(x)'), output="softmax"
        ),
        "A new model gives every token the same logits: what starts equal learns the same, so let Keras draw "
        "the weights.": Mistake(
            (LAST, '"words": layers.Dense(vocab_size, kernel_initializer="zeros")(x)'),
            matches=lambda judged: only(FRESH)(judged) and FRESH in judged.received,
        ),
    },
    alternatives=(
        """
def build_mini_bert(vocab_size, max_length, dim, num_heads, ff_dim, num_layers):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.words = layers.Dense(vocab_size)
            self.pair, self.pooler = layers.Dense(1), layers.Dense(dim, activation="tanh")
            self.token = layers.Embedding(vocab_size, dim)
            self.position = layers.Embedding(max_length, dim)
            self.segment = layers.Embedding(2, dim)
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
            ends = ops.cast(ids == 2, "int32")
            segments = ops.cast(ops.cumsum(ends, axis=1) - ends > 0, "int32")
            x = self.norm(self.token(ids) + self.position(ops.arange(ids.shape[1])) + self.segment(segments))
            mask = ops.ones_like(ids)[:, :, None] * ops.cast(ids != 0, ids.dtype)[:, None, :]
            for attention, norm1, hidden, output, norm2 in self.blocks:
                x = norm1(x + attention(x, x, attention_mask=mask))
                x = norm2(x + output(hidden(x)))
            return {"is_next": ops.squeeze(self.pair(self.pooler(x[:, 0])), -1), "words": self.words(x)}

    return Model()
""",
        (
            (f"x = {NORM}(x + attended)", f"x = {NORM}(layers.Add()([attended, x]))"),
            (HIDDEN_LAYER, "ops.gelu(layers.Dense(ff_dim)(x), approximate=False)"),
            (SEGMENT, 'segments = ops.cast(ops.cumsum(ends, axis=1) - ends >= 1, "int32")'),
        ),
        # Padding that an embedding tells, and a mask that also keeps padding from looking.
        (
            ("layers.Embedding(vocab_size, dim)(ids)", "layers.Embedding(vocab_size, dim, mask_zero=True)(ids)"),
            ("keys = ops.not_equal(ids, 0)[:, None, :]", "keys = ops.not_equal(ids[:, None, :] * ids[:, :, None], 0)"),
        ),
    ),
    # Two blocks in float32; normalisation divides by what may be small.
    atol=5e-4,
    rtol=5e-4,
    contracts=(NOT_COMPILED,),
)
