"""Features cut into heads: batch, length, heads and head size all differ, and every number is another."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake

SIZES = ((2, 3, 4, 5), (1, 5, 2, 4), (2, 1, 1, 3))
"""Batch, length, heads, features of a head."""


def cases(rng: np.random.Generator) -> list[Case]:
    runs = [Call((rng.normal(size=(batch, length, heads * dim)), heads)) for batch, length, heads, dim in SIZES]
    return [Case("values", runs[0]), Case("another number of heads", runs[1]), Case("one word and one head", runs[2])]


def oracle(x: Array, heads: int, kind: str = "consecutive") -> Array:
    batch, length, features = x.shape
    dim = features // heads
    if kind == "reshape":
        return x.reshape(batch, heads, length, dim)
    step = [slice(h * dim, (h + 1) * dim) if kind == "consecutive" else slice(h, None, heads) for h in range(heads)]
    return np.stack([x[:, :, part] for part in step], axis=1)


def _received(judged: Judged, order: tuple[int, ...]) -> bool:
    """Whether both large parts have the right sizes in this order."""
    shapes = [tuple(sizes[axis] for axis in order) for sizes in SIZES]
    return all(
        f"received {shape}" in judged.errors.get(case.part, "") for case, shape in zip(judged.cases, shapes[:2], strict=False)
    )


def _folded(judged: Judged) -> bool:
    shapes = [(batch * heads, length, dim) for batch, length, heads, dim in SIZES]
    return all(
        f"received {shape}" in judged.errors.get(case.part, "") for case, shape in zip(judged.cases, shapes[:2], strict=False)
    )


RESHAPE = "ops.reshape(x, (-1, length, num_heads, features // num_heads))"
TRANSPOSE = "ops.transpose(pieces, (0, 2, 1, 3))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The shape is right but positions and heads are mixed up: a reshape alone cannot swap two axes, "
        "transpose them.": Mistake(
            (RESHAPE, "ops.reshape(x, (-1, num_heads, length, features // num_heads))"), (TRANSPOSE, "pieces"), kind="reshape"
        ),
        "A head gets every so-manyth feature: its features should be consecutive, so the heads' axis comes "
        "before theirs.": Mistake(
            (RESHAPE, "ops.reshape(x, (-1, length, features // num_heads, num_heads))"),
            (TRANSPOSE, "ops.transpose(pieces, (0, 3, 1, 2))"),
            kind="strided",
        ),
        "The heads are cut, but still behind the positions: move their axis in front of the positions' axis.": Mistake(
            (TRANSPOSE, "pieces"), matches=lambda judged: _received(judged, (0, 1, 2, 3))
        ),
        "The last two axes are swapped: each head should have one row per position.": Mistake(
            (TRANSPOSE, "ops.transpose(pieces, (0, 2, 3, 1))"), matches=lambda judged: _received(judged, (0, 2, 3, 1))
        ),
        "Batch and heads share one axis: keep them apart, four axes are asked for.": Mistake(
            (f"return {TRANSPOSE}", f"return ops.reshape({TRANSPOSE}, (-1, length, features // num_heads))"), matches=_folded
        ),
    },
    alternatives=(
        ((f"pieces = {RESHAPE}", "pieces = ops.split(x, num_heads, axis=-1)"), (TRANSPOSE, "ops.stack(pieces, axis=1)")),
        ((TRANSPOSE, 'ops.einsum("blhd->bhld", pieces)'),),
        """
def split_heads(x, num_heads):
    x = np.asarray(x, dtype="float64")
    dim = x.shape[-1] // num_heads
    return [[row[:, h * dim : (h + 1) * dim].tolist() for h in range(num_heads)] for row in x]
""",
    ),
)
