"""Counting the parameters of multi-head attention: the usual choice of sizes, and heads that are wider or narrower."""

import numpy as np

from grader.judging import Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER
from grader.judging.off_limits import ATTENTION


def cases(rng: np.random.Generator) -> list[Case]:
    heads, key_dim = int(rng.choice([3, 4, 6, 8])), int(rng.integers(5, 90))
    model, others, wide = int(rng.integers(100, 400)), int(rng.integers(2, 7)), int(rng.integers(7, 15))
    return [
        Case("heads that share the model's features", Call((heads * key_dim, heads, key_dim))),
        Case("heads of any size", Call((model, others, wide))),
        Case("a wide model", Call((2 * model + 4000, 13, 2 * wide + 101))),
        Case("a narrow model", Call((7, others, 5 * others))),
    ]


def oracle(model: int, heads: int, head: int, kind: str = "all") -> int:
    inner = heads * head
    kernels, biases = {"query": model * inner, "output": inner * model}, {"query": inner, "output": model}
    counts = {
        "all": 3 * (kernels["query"] + biases["query"]) + kernels["output"] + biases["output"],
        "no biases": 3 * kernels["query"] + kernels["output"],
        "one head": 3 * (model * head + head) + kernels["output"] + biases["output"],
        "no output": 3 * (kernels["query"] + biases["query"]),
        "square": 4 * (model * model + model),
        "output bias": 4 * (kernels["query"] + biases["query"]),
        "per head": heads * (4 * (model * model + model)),
    }
    return counts[kind]


ANSWER = "return projections + output"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The biases are missing: each of the four dense layers has one per output feature.": Mistake(
            ("(model_dim * inner + inner)", "(model_dim * inner)"),
            ("inner * model_dim + model_dim", "inner * model_dim"),
            kind="no biases",
        ),
        "Query, key and value are counted for one head only: there are num_heads of them.": Mistake(
            ("(model_dim * inner + inner)", "(model_dim * key_dim + key_dim)"), kind="one head"
        ),
        "The last dense layer is missing, the one that brings the heads back to model_dim features.": Mistake(
            (ANSWER, "return projections"), kind="no output"
        ),
        "This holds only when the heads share the model's features: in general they have num_heads * key_dim in all.": Mistake(
            ("inner = num_heads * key_dim", "inner = model_dim"), kind="square"
        ),
        "Too much: each head has key_dim features of its own, not all model_dim of them.": Mistake(
            (ANSWER, "return num_heads * 4 * (model_dim * model_dim + model_dim)"), kind="per head"
        ),
        "All four layers are counted alike: the last one goes back to model_dim features, and so has "
        "model_dim biases.": Mistake(("inner * model_dim + model_dim", "inner * model_dim + inner"), kind="output bias"),
    },
    alternatives=(
        ((ANSWER, "return 4 * model_dim * inner + 3 * inner + model_dim"),),
        """
def count_attention_params(model_dim, num_heads, key_dim):
    shapes = 3 * [(model_dim, num_heads, key_dim), (num_heads, key_dim)] + [(num_heads, key_dim, model_dim), (model_dim,)]
    return sum(np.prod(shape) for shape in shapes)
""",
        """
def count_attention_params(model_dim, num_heads, key_dim):
    first = layers.Dense(num_heads * key_dim)
    last = layers.Dense(model_dim)
    first.build((None, model_dim))
    last.build((None, num_heads * key_dim))
    return int(3 * first.count_params() + last.count_params())
""",
    ),
    # A count is right or wrong, however large.
    atol=0.1,
    rtol=0.0,
    off_limits=ATTENTION,
    contracts=(INTEGER,),
)
