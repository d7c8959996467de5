"""Multi-head attention: weights set by name, every size another, queries, keys and values different from one another.

Masks come in every shape that is allowed: for each sequence and query, the same for all queries (padding), and the same for all
sequences (causal). One has to hold at scores of 20,000.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from grader.judging import Array, Case, Check, Judged, LayerCall, Mistake
from grader.judging.matching import shows
from grader.judging.off_limits import ATTENTION

BATCH, HEADS, KEY_DIM, QUERIES, KEYS, MODEL = 2, 3, 4, 5, 7, 10
INNER, WIDE = HEADS * KEY_DIM, 6
UNMASKED = ("self-attention", "values from elsewhere", "as many values as queries", "keys apart from values")
MASKED = ("mask", "one mask for all queries", "one mask for all sequences")
MODERATE = UNMASKED + MASKED
"""Not the mask's strength: at scores of 20,000 rounding may hide what a mistake looks like."""
LOUD = 200


def cases(rng: np.random.Generator) -> list[Case]:
    def run(*lengths: int, key_dim: int = KEY_DIM, **kwargs: Any) -> LayerCall:
        weights, inner = {}, HEADS * key_dim
        for name in ("query", "key", "value", "output"):
            shape = (inner, MODEL) if name == "output" else (MODEL, inner)
            weights[f"{name}_dense.kernel"] = rng.normal(size=shape) * 0.5
            weights[f"{name}_dense.bias"] = rng.normal(size=shape[-1])
        inputs = [draw(length) for length in lengths]
        args = tuple(inputs if len(inputs) > 1 else inputs * 2)
        return LayerCall(args, kwargs, init={"num_heads": HEADS, "key_dim": key_dim}, weights=weights)

    def draw(length: int) -> Array:
        x: Array = rng.normal(size=(BATCH, length, MODEL))
        return x

    def strong() -> LayerCall:
        """Scores are whole numbers, so that float32 is exact: about -20,000 for allowed keys and +20,000 for forbidden ones.

        In each head the first feature of the queries is 200, and that of the keys is what their input starts with.
        """
        allowed = mask(BATCH, 1, KEYS)
        call = run(QUERIES, KEYS, mask=allowed)
        heads = slice(0, INNER, KEY_DIM)
        for name in ("query", "key", "value"):
            kernel, bias = call.weights[f"{name}_dense.kernel"], call.weights[f"{name}_dense.bias"]
            if name != "value":
                # Few and small, so that several keys have weight.
                kernel[:] = rng.choice([-1, 0, 1], size=kernel.shape, p=[0.15, 0.7, 0.15])
                kernel[:, heads], bias[:] = 0, 0
            kernel[0] = 0
        call.weights["query_dense.bias"][heads] = LOUD
        call.weights["key_dense.kernel"][0, heads] = 1
        for x in call.args:
            x[:] = rng.integers(-1, 2, size=x.shape)
        call.args[1][..., 0] = np.where(allowed[:, 0], -LOUD, LOUD)
        return call

    def alone(call: LayerCall) -> LayerCall:
        """The first sequence only."""
        return replace(call, args=tuple(x[:1] for x in call.args))

    def mask(*shape: int) -> Array:
        # Half of the keys: with one key alone the scores would not matter.
        return np.asarray(np.argsort(rng.random(shape), axis=-1) < shape[-1] / 2)

    return [
        Case("self-attention", run(QUERIES)),
        Case("values from elsewhere", alone(run(QUERIES, KEYS))),
        Case("as many values as queries", run(QUERIES, QUERIES, key_dim=WIDE), weight=0.5),
        Case("keys apart from values", run(QUERIES, KEYS, key=draw(KEYS)), weight=2),
        Case("mask", run(QUERIES, KEYS, key=draw(KEYS), mask=mask(BATCH, QUERIES, KEYS))),
        Case("one mask for all queries", run(QUERIES, KEYS, mask=mask(BATCH, 1, KEYS)), weight=0.5),
        Case("one mask for all sequences", run(QUERIES, KEYS, mask=mask(1, QUERIES, KEYS)), weight=0.5),
        Case("mask strength", strong(), weight=0.5),
    ]


def oracle(
    run: LayerCall,
    scale: str = "one head",
    split: str = "consecutive",
    merge: str = "side by side",
    softmax: str = "keys",
    roles: str = "right",
    masking: str = "before",
) -> Array:
    query, value = run.args
    key_dim = run.init["key_dim"]
    size = {"one head": key_dim, "none": 1, "all heads": HEADS * key_dim}[scale]
    key = run.kwargs.get("key", value)
    if roles == "swapped":
        key, value = value, key
    elif roles == "key ignored":
        key = value

    def project(x: Array, name: str) -> Array:
        y = x @ run.weights[f"{name}_dense.kernel"] + run.weights[f"{name}_dense.bias"]
        if split == "reshape":
            return y.reshape(len(y), HEADS, -1, key_dim)
        heads = [y[..., h::HEADS] if split == "strided" else y[..., h * key_dim : (h + 1) * key_dim] for h in range(HEADS)]
        return np.stack(heads, axis=1)

    names = ("query", "key", "key" if roles == "value by key" else "value")
    queries, keys, values = (project(x, name) for x, name in zip((query, key, value), names, strict=True))
    scores = np.einsum("bhqd,bhkd->bhqk", queries, keys) / np.sqrt(size)
    allowed = np.asarray(run.kwargs.get("mask", True))
    allowed = np.broadcast_to(allowed if allowed.ndim == 0 else allowed[:, None], scores.shape)
    if masking == "times":
        scores = scores * allowed
    elif masking in ("before", "inverted"):
        scores = np.where(allowed if masking == "before" or allowed.all() else ~allowed, scores, -np.inf)
    axis = {"keys": -1, "queries": -2, "heads": 1}[softmax]
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    weights = weights / weights.sum(axis=axis, keepdims=True)
    if masking == "after":
        weights = weights * allowed
    attended = np.einsum("bhqk,bhkd->bhqd", weights, values)
    if merge == "reshape":
        joined = attended.reshape(len(query), -1, HEADS * key_dim)
    elif merge == "strided":
        joined = np.moveaxis(attended, 1, -1).reshape(len(query), -1, HEADS * key_dim)
    else:
        joined = np.concatenate([attended[:, h] for h in range(HEADS)], axis=-1)
    return joined @ run.weights["output_dense.kernel"] + run.weights["output_dense.bias"]


def _mask_does_nothing(judged: Judged) -> bool:
    return judged.failed >= set(MASKED) and shows(*MODERATE, masking="ignored")(judged)


def _either_key_or_mask(judged: Judged) -> bool:
    """Only the call with both fails, and looks as if it had no mask."""
    return judged.failed == {"mask"} and shows(*MODERATE, masking="ignored")(judged)


def _only_the_causal_mask_raises(judged: Judged) -> bool:
    return judged.failed == {"one mask for all sequences"} and "raised" in judged.errors.get("one mask for all sequences", "")


def _leaks(judged: Judged) -> bool:
    """Only the strong mask fails, but without NaN."""
    result = judged.received.get("mask strength", {}).get("result")
    return judged.failed == {"mask strength"} and result is not None and bool(np.isfinite(result).all())


def _underflows(judged: Judged) -> bool:
    """Only the strong mask fails, with NaN."""
    result = judged.received.get("mask strength", {}).get("result")
    return judged.failed == {"mask strength"} and result is not None and bool(np.isnan(result).any())


def _mask_does_not_fit(judged: Judged) -> bool:
    """Only the calls with a mask raise, and what they raise is about sizes; the arguments that Keras appends always are."""
    reasons = [judged.errors.get(part, "").partition("Arguments received")[0].lower() for part in judged.failed]
    return judged.failed == {"mask", "one mask for all queries", "mask strength"} and all(
        "raised" in reason and any(word in reason for word in ("shape", "size", "broadcast")) for reason in reasons
    )


SPLIT = """            pieces = ops.reshape(x, (*ops.shape(x)[:-1], self.num_heads, self.key_dim))
            return ops.transpose(pieces, (0, 2, 1, 3))"""
STRIDED = """            pieces = ops.reshape(x, (*ops.shape(x)[:-1], self.key_dim, self.num_heads))
            return ops.transpose(pieces, (0, 3, 1, 2))"""
RESHAPED = "            return ops.reshape(x, (ops.shape(x)[0], self.num_heads, ops.shape(x)[1], self.key_dim))"
SCALE = " / self.key_dim**0.5"
WHERE = "ops.where(ops.expand_dims(mask, axis=1), scores, -np.inf)"
FOLDED = (
    "ops.where(ops.repeat(mask, self.num_heads, axis=0), ops.reshape(scores, (-1, *ops.shape(scores)[2:])), -np.inf)\n"
    "            scores = ops.reshape(scores, (-1, self.num_heads, *ops.shape(scores)[1:]))"
)
SOFTMAX = "ops.softmax(scores, axis=-1)"
MERGE = "ops.transpose(attended, (0, 2, 1, 3))"
KEYS_FROM = "self.key_dense(value if key is None else key)"
RETURN = "return self.output_dense(ops.reshape(merged, (*ops.shape(query)[:-1], self.num_heads * self.key_dim)))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The scores are not divided by √key_dim, so every head's weights are too sharp.": Mistake(
            (SCALE, ""), matches=shows(*MODERATE, scale="none")
        ),
        "The scores are divided by the root of all heads' features together: each head has key_dim features.": Mistake(
            (SCALE, " / (self.num_heads * self.key_dim) ** 0.5"), matches=shows(*MODERATE, scale="all heads")
        ),
        "Positions and heads are mixed up: a reshape cannot move the heads in front of the positions, "
        "transpose for that.": Mistake((SPLIT, RESHAPED), matches=shows(*MODERATE, split="reshape")),
        "The heads take alternating features: head h owns key_dim consecutive ones, so reshape to heads "
        "before key_dim.": Mistake(
            (SPLIT, STRIDED),
            (MERGE, "ops.transpose(attended, (0, 2, 3, 1))"),
            matches=shows(*MODERATE, split="strided", merge="strided"),
        ),
        "The heads' outputs are joined in the wrong order: move the heads behind the positions before you reshape.": Mistake(
            (MERGE, "attended"), matches=shows(*MODERATE, merge="reshape")
        ),
        "The weights of a query do not sum to 1: softmax runs over the queries, not over the keys, the last axis.": Mistake(
            (SOFTMAX, "ops.softmax(scores, axis=-2)"), matches=shows(*UNMASKED, softmax="queries")
        ),
        "The heads compete with each other: softmax runs over the heads, not over the keys, the last axis.": Mistake(
            (SOFTMAX, "ops.softmax(scores, axis=1)"), matches=shows(*UNMASKED, softmax="heads")
        ),
        "Keys and values have changed places: scores come from the keys, and what is averaged comes from the values.": Mistake(
            (KEYS_FROM, "self.key_dense(value)"),
            ("self.value_dense(value)", "self.value_dense(value if key is None else key)"),
            roles="swapped",
        ),
        "The key that is passed is ignored: the values take its place only when it is None.": Mistake(
            (KEYS_FROM, "self.key_dense(value)"), roles="key ignored"
        ),
        "The values went through the dense layer of the keys: each of query, key and value has its own.": Mistake(
            ("self.value_dense(value)", "self.key_dense(value)"), matches=shows(*MODERATE, roles="value by key")
        ),
        'The mask is upside down: True means "may attend".': Mistake(
            (WHERE, "ops.where(ops.expand_dims(mask, axis=1), -np.inf, scores)"), matches=shows(*MODERATE, masking="inverted")
        ),
        "The mask does nothing: queries still attend to forbidden keys.": Mistake(
            (WHERE, "scores"), matches=_mask_does_nothing
        ),
        "The mask does nothing once a key is passed: these are two arguments, and each counts with and "
        "without the other.": Mistake(
            ("if mask is not None:", "if mask is not None and key is None:"), matches=_either_key_or_mask
        ),
        "One mask for all sequences, such as the causal one, fails: give it an axis for the heads, and broadcasting does "
        "the rest.": Mistake((WHERE, FOLDED), matches=_only_the_causal_mask_raises),
        "The mask leaks when scores are large: what you take for minus infinity is not negative enough.": Mistake(
            (WHERE, "scores - 100.0 * (1.0 - ops.cast(ops.expand_dims(mask, axis=1), scores.dtype))"), matches=_leaks
        ),
        "The result is NaN when scores are large: exp overflows or all of a row underflows; subtract each "
        "row's maximum.": Mistake(
            (SOFTMAX, "(ops.exp(scores) / ops.sum(ops.exp(scores), axis=-1, keepdims=True))"), matches=_underflows
        ),
        "Masked keys still get weight: their scores became 0, not minus infinity, and exp(0) is 1.": Mistake(
            (WHERE, "scores * ops.cast(ops.expand_dims(mask, axis=1), scores.dtype)"), matches=shows(*MODERATE, masking="times")
        ),
        "Masking after the softmax takes weight away and gives it to nobody: mask the scores instead.": Mistake(
            (f"scores = {WHERE}", "pass"),
            (SOFTMAX, "(ops.softmax(scores, axis=-1) * (1.0 if mask is None else ops.cast(mask, scores.dtype)[:, None]))"),
            matches=shows(*MODERATE, masking="after"),
        ),
        "Only calls with a mask fail: the scores have an axis for the heads, and the mask needs one in the "
        "same place.": Mistake((WHERE, "ops.where(mask, scores, -np.inf)"), matches=_mask_does_not_fit),
        "The result has the heads' features, not the model's: put the heads side by side and through output_dense.": Mistake(
            (RETURN, "return ops.reshape(merged, (*ops.shape(query)[:-1], self.num_heads * self.key_dim))"),
            matches=lambda judged: (
                len(judged.failed) == len(judged.cases)
                and all(judged.errors.get(part, "").endswith((f", {INNER}).", f", {HEADS * WIDE}).")) for part in judged.failed)
            ),
        ),
    },
    alternatives=(
        # einsum, the scale on the queries, a finite stand-in for minus infinity
        (
            (
                "ops.matmul(queries, ops.swapaxes(keys, -1, -2)) / self.key_dim**0.5",
                'ops.einsum("bhqd,bhkd->bhqk", queries / np.sqrt(self.key_dim), keys)',
            ),
            (WHERE, "ops.where(mask[:, None], scores, -1e9)"),
            (f"ops.matmul({SOFTMAX}, values)", f'ops.einsum("bhqk,bhkd->bqhd", {SOFTMAX}, values)'),
            (MERGE, "attended"),
        ),
        # the scores shifted by a large number where the mask is False
        (
            (WHERE, "scores - 1e9 * (1.0 - ops.cast(ops.expand_dims(mask, 1), scores.dtype))"),
            (RETURN, "return self.output_dense(ops.reshape(merged, (query.shape[0], query.shape[1], -1)))"),
        ),
        # one head after the other, by slices
        (
            (SPLIT, "            return ops.stack(ops.split(x, self.num_heads, axis=-1), axis=1)"),
            (
                f"attended = ops.matmul({SOFTMAX}, values)",
                "weights = keras.activations.softmax(scores)\n"
                "        attended = [ops.matmul(weights[:, h], values[:, h]) for h in range(self.num_heads)]",
            ),
            (f"merged = {MERGE}", "merged = ops.concatenate(attended, axis=-1)"),
            (RETURN, "return self.output_dense(merged)"),
        ),
    ),
    # Four float32 products in a row, with an exponential between them, on numbers up to about 10.
    atol=5e-5,
    rtol=5e-5,
    off_limits=ATTENTION,
)
