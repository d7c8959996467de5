"""Causal and padding masks joined: padding on the right in one batch, anywhere in another."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import booleans


def cases(rng: np.random.Generator) -> list[Case]:
    lengths = rng.permutation([2, 3, 4, 6])
    right = (np.arange(6) < lengths[:, None])[:, None, :]
    anywhere = rng.random((3, 1, 8)) < 0.5
    anywhere[:, 0, 0], anywhere[:, 0, 3], anywhere[:, 0, 6] = True, False, True
    return [
        Case("padding on the right", Call((np.tri(6) > 0, right))),
        Case("padding anywhere", Call((np.tri(8) > 0, anywhere))),
        Case(
            "one sequence",
            Call((np.tri(5) > 0, np.array([[[True, *rng.permutation([True, False, True, False])]]]))),
            weight=0.5,
        ),
    ]


def oracle(causal: Array, padding: Array, kind: str = "both") -> Array:
    causal, padding = causal.astype(int), padding.astype(int)
    shape = (padding.shape[0], *causal.shape)
    queries = np.swapaxes(padding, 1, 2)
    kinds = {
        "both": causal * padding,
        "either": np.maximum(causal, padding),
        "sum": causal + padding,
        "causal": causal,
        "padding": padding,
        "queries": causal * queries,
        "queries too": causal * padding * queries,
    }
    return np.broadcast_to(kinds[kind], shape)


ANSWER = "ops.logical_and(causal, padding)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "A key is allowed as soon as one of the masks allows it: both have to.": Mistake(
            (ANSWER, "ops.logical_or(causal, padding)"), kind="either"
        ),
        "Some entries are 2: the masks were added as numbers; combine them so that True needs both.": Mistake(
            (ANSWER, 'ops.cast(causal, "int32") + ops.cast(padding, "int32")'), kind="sum"
        ),
        "Padded keys are still allowed: the padding mask has no effect.": Mistake(
            (ANSWER, "ops.logical_and(causal, ops.ones_like(padding))"), kind="causal"
        ),
        "Positions may still look ahead: the causal mask has no effect.": Mistake(
            (ANSWER, "ops.logical_and(ops.ones_like(causal), padding)"), kind="padding"
        ),
        "Rows of padded queries are all False, and padded keys are allowed: padding concerns the keys, the last axis.": Mistake(
            (ANSWER, "ops.logical_and(causal, ops.swapaxes(padding, 1, 2))"), kind="queries"
        ),
        "Rows of padded queries are all False, which makes their softmax NaN: only keys are to be masked for padding.": Mistake(
            (ANSWER, f"ops.logical_and({ANSWER}, ops.swapaxes(padding, 1, 2))"), kind="queries too"
        ),
    },
    alternatives=(
        ((ANSWER, 'ops.cast(ops.cast(causal, "float32")[None] * ops.cast(padding, "float32"), "bool")'),),
        ((ANSWER, "ops.where(causal, padding, False)"),),
        ((ANSWER, 'ops.minimum(ops.cast(causal, "int32"), ops.cast(padding, "int32")) > 0'),),
        """
def combine_masks(causal, padding):
    return np.stack([np.asarray(causal) & row for row in np.asarray(padding)])
""",
        """
def combine_masks(causal, padding):
    return causal & padding
""",
    ),
    contracts=(booleans(lambda causal, padding: (len(padding), *causal.shape)),),
)
