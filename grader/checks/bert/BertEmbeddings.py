"""The sum of three tables, normalised, with weights that are set: with segments, without, and for a row that is short."""

import numpy as np

from grader.judging import Array, Case, Check, LayerCall, Mistake
from grader.judging.matching import apart

from ._reference import normalize

VOCABULARY, LONGEST, DIM, SEGMENTS = 9, 7, 5, 3


def cases(rng: np.random.Generator) -> list[Case]:
    shapes = {"token": (VOCABULARY, DIM), "position": (LONGEST, DIM), "segment": (SEGMENTS, DIM)}
    weights = {f"{name}.embeddings": apart(rng, shape) for name, shape in shapes.items()}
    weights |= {f"norm.{name}": apart(rng, (DIM,), low=0.5, high=1.5) for name in ("gamma", "beta")}
    init = {"vocab_size": VOCABULARY, "max_length": LONGEST, "dim": DIM, "segments": SEGMENTS}

    def run(length: int, segments: bool = True) -> LayerCall:
        ids = rng.integers(VOCABULARY, size=(4, length)).astype("int32")
        segment_ids = (rng.permuted(np.tile(np.arange(length) % SEGMENTS, (4, 1)), axis=1).astype("int32"),)
        return LayerCall((ids, *(segment_ids if segments else ())), init=init, weights=weights)

    return [
        Case("values", run(LONGEST), weight=2),
        Case("no segments given", run(LONGEST, segments=False)),
        Case("short rows", run(4)),
    ]


def oracle(
    run: LayerCall, tables: str = "token position segment", norm: str = "sum", missing: int = 0, scale: bool = False
) -> Array:
    ids = run.args[0]
    segment_ids = run.args[1] if len(run.args) > 1 else np.full_like(ids, missing)
    places = {"token": ids, "position": np.arange(ids.shape[1])[None], "segment": segment_ids}
    gamma, beta = (run.weights[f"norm.{name}"] for name in ("gamma", "beta"))
    total = np.zeros((*ids.shape, DIM))
    for name in tables.split():
        rows = run.weights[f"{name}.embeddings"][places[name]]
        if scale and name == "token":
            rows = rows * np.sqrt(DIM)
        total = total + (normalize(rows, gamma, beta) if norm == "token" and name == "token" else rows)
    return normalize(total, gamma, beta) if norm == "sum" else total


TOKENS, POSITIONS, SEGMENT = "self.token(ids)", " + self.position(positions)", " + self.segment(segment_ids)"
RETURN = f"return self.norm({TOKENS}{POSITIONS}{SEGMENT})"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The normalisation is missing: the sum goes through `norm`.": Mistake(
            (RETURN, f"return {TOKENS}{POSITIONS}{SEGMENT}"), norm="none"
        ),
        "Only the tokens are normalised: first add up, then normalise the sum.": Mistake(
            (RETURN, f"return self.norm({TOKENS}){POSITIONS}{SEGMENT}"), norm="token"
        ),
        "The positions are missing: without them the encoder sees a bag of words.": Mistake(
            (POSITIONS, ""), tables="token segment"
        ),
        "The segments are missing: they tell which sentence of a pair a token belongs to.": Mistake(
            (SEGMENT, ""), tables="token position"
        ),
        "Without segments given, all tokens belong to segment 0, not to segment 1.": Mistake(
            ("ops.zeros_like(ids)", "ops.ones_like(ids)"), missing=1
        ),
        "The tokens' rows are multiplied by the root of their size: the Transformer of 2017 does that, BERT does not.": Mistake(
            (RETURN, RETURN.replace(TOKENS, f"{TOKENS} * self.dim**0.5")), scale=True
        ),
    },
    alternatives=(
        (
            (
                'positions = ops.arange(ids.shape[1], dtype="int32")  # (length,)',
                "positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1",
            ),
            (RETURN, "return self.norm(layers.add([self.segment(segment_ids), self.position(positions), self.token(ids)]))"),
        ),
        (
            (
                RETURN,
                "x = ops.take(self.token.embeddings, ids, axis=0)\n"
                "        x = x + ops.take(self.segment.embeddings, segment_ids, axis=0)\n"
                "        return self.norm(x + self.position.embeddings[None, : ids.shape[1]])",
            ),
        ),
    ),
    # A sum of three is divided by its standard deviation, which may be small.
    atol=1e-4,
    rtol=1e-4,
)
