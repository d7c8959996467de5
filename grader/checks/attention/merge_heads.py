"""Heads put side by side: batch, length, heads and head size all differ, and every number is another."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake

SIZES = ((2, 4, 3, 5), (1, 2, 5, 4), (2, 1, 1, 3))
"""Batch, heads, length, features of a head."""


def cases(rng: np.random.Generator) -> list[Case]:
    runs = [Call((rng.normal(size=size),)) for size in SIZES]
    return [Case("values", runs[0]), Case("another number of heads", runs[1]), Case("one word and one head", runs[2])]


def oracle(x: Array, kind: str = "consecutive") -> Array:
    batch, heads, length, dim = x.shape
    if kind == "reshape":
        return x.reshape(batch, length, heads * dim)
    if kind == "strided":
        return np.stack([x[:, h, :, d] for d in range(dim) for h in range(heads)], axis=-1)
    return np.concatenate([x[:, h] for h in range(heads)], axis=-1)


def _received(judged: Judged, *shapes: tuple[int, ...]) -> bool:
    return all(
        f"received {shape}" in judged.errors.get(case.part, "") for case, shape in zip(judged.cases, shapes[:2], strict=False)
    )


TRANSPOSE = "ops.transpose(x, (0, 2, 1, 3))"
RESHAPE = "ops.reshape(side_by_side, (-1, length, num_heads * head_dim))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The shape is right but positions and heads are mixed up: transpose first, a reshape alone cannot "
        "swap two axes.": Mistake((TRANSPOSE, "x"), kind="reshape"),
        "The heads' features alternate: all of head 0 should come first, then all of head 1.": Mistake(
            (TRANSPOSE, "ops.transpose(x, (0, 2, 3, 1))"), kind="strided"
        ),
        "The heads follow each other along the positions: they belong side by side along the features.": Mistake(
            (RESHAPE, "ops.reshape(x, (-1, num_heads * length, head_dim))"),
            matches=lambda judged: _received(judged, *((b, h * n, d) for b, h, n, d in SIZES)),
        ),
        "The heads are added or averaged away: keep every head's features, side by side.": Mistake(
            (RESHAPE, "ops.mean(x, axis=1)"), matches=lambda judged: _received(judged, *((b, n, d) for b, _, n, d in SIZES))
        ),
        "The heads still have an axis of their own: join it with the features into one.": Mistake(
            (f"return {RESHAPE}", "return side_by_side"),
            matches=lambda judged: _received(judged, *((b, n, h, d) for b, h, n, d in SIZES)),
        ),
    },
    alternatives=(
        ((TRANSPOSE, "x"), (RESHAPE, "ops.concatenate([side_by_side[:, head] for head in range(num_heads)], axis=-1)")),
        ((TRANSPOSE, 'ops.einsum("bhld->blhd", x)'), ("(-1, length, num_heads * head_dim))", "(len(x), length, -1))")),
        """
def merge_heads(x):
    x = np.asarray(x, dtype="float64")
    return [np.hstack(list(heads)).tolist() for heads in x]
""",
    ),
)
