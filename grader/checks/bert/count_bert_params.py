"""Counting an encoder: with and without the pooler, no blocks, several segments; sizes that are drawn."""

import numpy as np

from grader.judging import Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER


def cases(rng: np.random.Generator) -> list[Case]:
    def run(num_layers: int, **options: int | bool) -> Call:
        sizes = (int(rng.integers(*limits)) for limits in ((900, 2000), (60, 90), (20, 30), (31, 59)))
        return Call((*sizes, num_layers), options)

    return [
        Case("whole encoder", run(int(rng.integers(3, 9))), weight=3),
        Case("no pooler", run(int(rng.integers(3, 9)), pooler=False)),
        Case("no blocks", run(0)),
        Case("other segments", run(2, segments=int(rng.integers(3, 9)))),
    ]


def oracle(
    vocabulary: int,
    length: int,
    dim: int,
    hidden: int,
    blocks: int,
    segments: int = 2,
    pooler: bool = True,
    norms: str = "all",
    biases: bool = True,
    attention: int = 4,
    pools: str = "as asked",
    segment_table: str = "counted",
    positions: bool = True,
) -> int:
    rows = vocabulary + length * positions + (segments if segment_table == "counted" else 0)
    norm = {"all": 2, "scale only": 1}.get(norms, 2) * dim
    square = dim**2 + dim * biases
    per_block = attention * square + 2 * dim * hidden + (hidden + dim) * biases + norm * (1 if norms == "one per block" else 2)
    total = rows * dim + (0 if norms == "none in the embeddings" else norm) + blocks * per_block
    wanted = pooler if pools == "as asked" else pools == "always"
    return total + wanted * square


EMBEDDINGS = "embeddings = (vocab_size + max_length + segments) * dim + norm"
ATTENTION, FEED = "attention = 4 * (dim * dim + dim)", "feed_forward = dim * ff_dim + ff_dim + ff_dim * dim + dim"
BLOCK, NORM, POOLER = "block = attention + feed_forward + 2 * norm", "norm = 2 * dim", "(dim * dim + dim if pooler else 0)"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "There is one normalisation per block in this count, as in many tables: a block has two.": Mistake(
            (BLOCK, "block = attention + feed_forward + norm"), norms="one per block"
        ),
        "A normalisation has a scale and a shift for each dimension: only one of the two is counted.": Mistake(
            (NORM, "norm = dim"), norms="scale only"
        ),
        "The normalisation of the embeddings is missing.": Mistake(
            (EMBEDDINGS, EMBEDDINGS.replace(" + norm", "")), norms="none in the embeddings"
        ),
        "The biases are missing: those of the projections and of the dense layers.": Mistake(
            (ATTENTION, "attention = 4 * dim * dim"),
            (FEED, "feed_forward = 2 * dim * ff_dim"),
            (POOLER, "(dim * dim if pooler else 0)"),
            biases=False,
        ),
        "The attention has three projections in this count: query, key, value, and the one of its output.": Mistake(
            (ATTENTION, "attention = 3 * (dim * dim + dim)"), attention=3
        ),
        "The pooler is never counted.": Mistake((POOLER, "0"), pools="never"),
        "The table of segments is missing.": Mistake(
            (EMBEDDINGS, EMBEDDINGS.replace(" + segments", "")), segment_table="forgotten"
        ),
        "The table of positions is missing.": Mistake((EMBEDDINGS, EMBEDDINGS.replace(" + max_length", "")), positions=False),
    },
    alternatives=(
        """
def count_bert_params(vocab_size, max_length, dim, ff_dim, num_layers, segments=2, pooler=True):
    total = (vocab_size + max_length + segments + 2) * dim
    total += num_layers * (4 * dim * (dim + 1) + (dim + 1) * ff_dim + (ff_dim + 1) * dim + 4 * dim)
    return int(total + pooler * dim * (dim + 1))
""",
        """
def count_bert_params(vocab_size, max_length, dim, ff_dim, num_layers, segments=2, pooler=True):
    def dense(inputs, outputs):
        return inputs * outputs + outputs

    tables = [rows * dim for rows in (vocab_size, max_length, segments)]
    block = [dense(dim, dim)] * 4 + [dense(dim, ff_dim), dense(ff_dim, dim)] + [2 * dim] * 2
    return sum(tables) + 2 * dim + num_layers * sum(block) + (dense(dim, dim) if pooler else 0)
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(INTEGER,),
)
