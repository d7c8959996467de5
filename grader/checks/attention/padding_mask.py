"""Padding masks of token ids: rows of different length, one without padding, and a padding id other than 0."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Judged, Mistake
from grader.judging.contracts import booleans

BATCH, LENGTH = 4, 7


def cases(rng: np.random.Generator) -> list[Case]:
    lengths = rng.permutation([2, 3, 5, LENGTH])
    ids = rng.integers(1, 30000, size=(BATCH, LENGTH))
    ids[:, 1] = 256  # 0 to whoever keeps 8 bits
    ids[np.arange(LENGTH) >= lengths[:, None]] = 0
    # Here 0 is a token like any other, ids lie on both sides of the padding's, and padding is on the left.
    pad_id = 2 * int(rng.integers(1050, 2000)) + 1  # in half precision it is one of its neighbours
    other = np.where(
        rng.random((3, 5)) < 0.5, rng.integers(0, pad_id, size=(3, 5)), rng.integers(pad_id + 1, 6000, size=(3, 5))
    )
    other[:, 2], other[:, 3], other[:, 4] = pad_id - 1, 0, pad_id + 1
    other[np.arange(5) < rng.permutation([0, 1, 2])[:, None]] = pad_id
    return [
        Case("values", Call((ids.astype("int32"),))),
        Case("another padding id", Call((other.astype("int32"),), {"pad_id": pad_id})),
        Case("one sequence", Call((rng.permutation([-1, 1, 2, 1, -1, 3])[None].astype("int32"),), {"pad_id": -1}), weight=0.5),
    ]


def oracle(ids: Array, pad_id: int = 0, kind: str = "real") -> Array:
    kinds = {"real": ids != pad_id, "inverted": ids == pad_id, "zero": ids != 0, "above": ids > pad_id}
    return kinds[kind][:, np.newaxis, :]


def _received(judged: Judged, *shapes: str) -> bool:
    """Whether all parts were rejected for having these shapes."""
    return all(
        f"received {shape}" in judged.errors.get(case.part, "") for case, shape in zip(judged.cases, shapes, strict=True)
    )


CHECK = Check(
    cases,
    oracle,
    mistakes={
        'The mask is upside down: True means "may attend", yours is True at the padding.': Mistake(
            ("ops.not_equal(ids, pad_id)", "ops.equal(ids, pad_id)"), kind="inverted"
        ),
        "Padding with an id other than 0 is not recognised: compare with pad_id, not with 0.": Mistake(
            ("ops.not_equal(ids, pad_id)", "ops.not_equal(ids, 0)"), kind="zero"
        ),
        "Tokens with an id below pad_id count as padding: only equality decides, ids have no order.": Mistake(
            ("ops.not_equal(ids, pad_id)", "ops.greater(ids, pad_id)"), kind="above"
        ),
        "The new axis is on the wrong side: this mask would silence padded queries; the keys are the last axis.": Mistake(
            ("ops.expand_dims(real, axis=1)", "ops.expand_dims(real, axis=2)"),
            matches=lambda judged: _received(judged, "(4, 7, 1)", "(3, 5, 1)", "(1, 6, 1)"),
        ),
        "The axis for the queries is missing: without it, the mask does not broadcast over every query of "
        "its sequence.": Mistake(
            ("ops.expand_dims(real, axis=1)", "real"), matches=lambda judged: _received(judged, "(4, 7)", "(3, 5)", "(1, 6)")
        ),
    },
    alternatives=(
        (
            ("real = ops.not_equal(ids, pad_id)", "real = ops.logical_not(ops.equal(ids, pad_id))"),
            ("ops.expand_dims(real, axis=1)", "real[:, None, :]"),
        ),
        (("ops.expand_dims(real, axis=1)", "ops.reshape(real, (ids.shape[0], 1, ids.shape[1]))"),),
        """
def padding_mask(ids, pad_id=0):
    return [[[int(token) != pad_id for token in row]] for row in np.asarray(ids)]
""",
        """
def padding_mask(ids, pad_id=0):
    return (ids != pad_id)[:, np.newaxis]
""",
    ),
    contracts=(booleans(lambda ids: (len(ids), 1, *ids.shape[1:])),),
)
