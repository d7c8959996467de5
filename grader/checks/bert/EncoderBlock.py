"""A block of an encoder with weights that are set: without padding, with it, and with a single head."""

import numpy as np

from grader.judging import Array, Case, Check, LayerCall, Mistake
from grader.judging.matching import apart, only

from ._reference import attend, gelu, normalize

PADDED = "padding"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(dim: int, heads: int, hidden: int, padded: bool = False) -> LayerCall:
        key_dim = dim // heads
        shapes: dict[str, tuple[int, ...]] = {
            **{f"attention.{name}_dense.kernel": (dim, heads, key_dim) for name in ("query", "key", "value")},
            **{f"attention.{name}_dense.bias": (heads, key_dim) for name in ("query", "key", "value")},
            "attention.output_dense.kernel": (heads, key_dim, dim),
            "attention.output_dense.bias": (dim,),
            "hidden.kernel": (dim, hidden),
            "hidden.bias": (hidden,),
            "output_dense.kernel": (hidden, dim),
            "output_dense.bias": (dim,),
        }
        weights = {name: apart(rng, shape, low=0.1, high=0.7) for name, shape in shapes.items()}
        for norm in ("norm1", "norm2"):
            weights[f"{norm}.gamma"] = rng.uniform(0.5, 1.5, size=dim)
            weights[f"{norm}.beta"] = apart(rng, (dim,), low=0.1, high=0.5)
        x = apart(rng, (3, 5, dim))
        lengths = np.array([4, 3, 2])
        mask = {"mask": np.arange(5) < lengths[:, None]} if padded else {}
        return LayerCall((x,), mask, init={"dim": dim, "num_heads": heads, "ff_dim": hidden}, weights=weights)

    return [
        Case("values", run(6, 2, 7), weight=3),
        Case(PADDED, run(8, 4, 5, padded=True), weight=2),
        Case("one head", run(4, 1, 9)),
    ]


def oracle(
    run: LayerCall, order: str = "after", around: str = "both", mask: str = "keys", norms: str = "12", dense: str = "both"
) -> Array:
    (x,), weights = run.args, run.weights
    parts = {
        f"{name}_{kind}": weights[f"attention.{name}_dense.{kind}"]
        for name in ("query", "key", "value", "output")
        for kind in ("kernel", "bias")
    }
    given = run.kwargs.get("mask")
    keys = None if given is None or mask == "ignored" else given[:, None, :]
    if keys is not None and mask == "inverted":
        keys = ~keys

    def norm(values: Array, which: str) -> Array:
        return normalize(values, weights[f"norm{which}.gamma"], weights[f"norm{which}.beta"])

    def attention(values: Array) -> Array:
        return attend(values, parts, keys)

    def work(values: Array) -> Array:
        hidden = gelu(values @ weights["hidden.kernel"] + weights["hidden.bias"])
        return hidden @ weights["output_dense.kernel"] + weights["output_dense.bias"]

    if dense == "missing":
        return norm(x + attention(x), "1")
    if order == "before":
        x = x + attention(norm(x, "1"))
        return x + work(norm(x, "2"))
    if order == "inside":
        x = x + norm(attention(x), "1")
        return x + norm(work(x), "2")
    y = norm((x if around in ("both", "attention") else 0) + attention(x), norms[0])
    return norm((y if around in ("both", "dense") else x if around == "input" else 0) + work(y), norms[1])


ATTEND = "x = self.norm1(x + self.attention(x, x, attention_mask=keys))"
WORK = "return self.norm2(x + self.output_dense(self.hidden(x)))"
KEYS = "keys = None if mask is None else mask[:, None, :]"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The tokens are normalised before each part: that is the wiring of GPT. In BERT, the sum is normalised.": Mistake(
            (ATTEND, "y = self.norm1(x)\n        x = x + self.attention(y, y, attention_mask=keys)"),
            (WORK, "return x + self.output_dense(self.hidden(self.norm2(x)))"),
            order="before",
        ),
        "What each part gives is normalised, and then added: first add, then normalise the sum.": Mistake(
            (ATTEND, "x = x + self.norm1(self.attention(x, x, attention_mask=keys))"),
            (WORK, "return x + self.norm2(self.output_dense(self.hidden(x)))"),
            order="inside",
        ),
        "What goes round the attention is missing: add its input to its output.": Mistake(
            (ATTEND, ATTEND.replace("x + ", "")), around="dense"
        ),
        "What goes round the dense layers is missing: add their input to their output.": Mistake(
            (WORK, WORK.replace("x + ", "")), around="attention"
        ),
        "The same normalisation is used twice: `norm2` belongs to the second sum.": Mistake(
            (WORK, WORK.replace("norm2", "norm1")), norms="11"
        ),
        "The dense layers are missing: after the attention, each token is worked on by itself.": Mistake(
            (WORK, "return x"), dense="missing"
        ),
        "The mask is ignored: tokens attend to padding.": Mistake((KEYS, "keys = None"), mask="ignored"),
        "The mask works the wrong way round: true means that a token may be attended to.": Mistake(
            (KEYS, "keys = None if mask is None else ops.logical_not(mask)[:, None, :]"), mask="inverted"
        ),
        "It fails where there is a mask: that is (batch, length), and attention wants (batch, query, key).": Mistake(
            (KEYS, "keys = mask"), matches=lambda judged: only(PADDED)(judged) and PADDED in judged.errors
        ),
    },
    alternatives=(
        (
            (ATTEND, "x = self.norm1(layers.add([x, self.attention(query=x, value=x, key=x, attention_mask=keys)]))"),
            (WORK, "y = self.hidden(x)\n        y = self.output_dense(y)\n        return self.norm2(layers.add([y, x]))"),
        ),
        (
            (KEYS, "keys = mask"),
            (
                ATTEND,
                "if keys is not None:\n"
                '            keys = ops.logical_and(keys[:, None, :], ops.ones((1, x.shape[1], 1), dtype="bool"))\n'
                f"        {ATTEND}",
            ),
        ),
        (
            (KEYS, 'keys = ops.ones(x.shape[:2], dtype="bool") if mask is None else mask'),
            (ATTEND, "x = self.norm1(x + self.attention(x, x, key_mask=keys))"),
        ),
    ),
    # Attention, two dense layers and two normalisations in float32.
    atol=2e-4,
    rtol=2e-4,
)
