"""The units of the course, in teaching order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unit:
    """One notebook of the course.

    Args:
        id: Name of the unit, its notebook and its modules.
        title: What a student reads.
        minutes: Time to plan for.
        points: Sum of its checks' points.
        off_limits: Per exercise, dotted names of what its answer must not call, because it is the answer.
    """

    id: str
    title: str
    minutes: int
    points: float
    off_limits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_ATTENTION = (
    "keras.layers.AdditiveAttention",
    "keras.layers.Attention",
    "keras.layers.GroupQueryAttention",
    "keras.layers.MultiHeadAttention",
    "keras.ops.dot_product_attention",
    "keras.ops.nn.dot_product_attention",
)

UNITS = (
    Unit(
        "mlp",
        "From one neuron to back-propagation",
        minutes=90,
        points=40,
        off_limits={
            "affine": ("keras.layers.Dense", "keras.layers.EinsumDense"),
            "relu": (
                "keras.ops.relu",
                "keras.ops.leaky_relu",
                "keras.activations.relu",
                "keras.activations.leaky_relu",
                "keras.layers.ReLU",
                "keras.layers.LeakyReLU",
                "keras.layers.Activation",
            ),
            "sigmoid": (
                "keras.ops.sigmoid",
                "keras.ops.log_sigmoid",
                "keras.activations.sigmoid",
                "keras.activations.log_sigmoid",
                "keras.layers.Activation",
            ),
            "softmax": (
                "keras.ops.softmax",
                "keras.ops.log_softmax",
                "keras.activations.softmax",
                "keras.activations.log_softmax",
                "keras.layers.Softmax",
                "keras.layers.Activation",
            ),
            "cross_entropy": (
                "keras.ops.sparse_categorical_crossentropy",
                "keras.ops.categorical_crossentropy",
                "keras.losses.sparse_categorical_crossentropy",
                "keras.losses.categorical_crossentropy",
                "keras.losses.SparseCategoricalCrossentropy",
                "keras.losses.CategoricalCrossentropy",
                "keras.metrics.sparse_categorical_crossentropy",
                "keras.metrics.categorical_crossentropy",
                "keras.metrics.SparseCategoricalCrossentropy",
                "keras.metrics.CategoricalCrossentropy",
            ),
            "mlp_forward": ("keras.layers.Dense", "keras.layers.EinsumDense"),
            "sgd_step": ("keras.optimizers.SGD",),
            "momentum_step": ("keras.optimizers.SGD",),
        },
    ),
    Unit(
        "attention",
        "Attention",
        minutes=90,
        points=40,
        off_limits={
            "dot_scores": ("keras.layers.Dot",),
            "cosine_scores": (
                "keras.layers.Dot",
                "keras.losses.CosineSimilarity",
                "keras.losses.cosine_similarity",
                "keras.metrics.CosineSimilarity",
            ),
            "scaled_dot_product_attention": _ATTENTION,
            "MultiHeadAttention": _ATTENTION,
            "count_attention_params": _ATTENTION,
        },
    ),
)


def unit(id: str) -> Unit:
    """The unit of that id.

    Raises:
        KeyError: If there is none; the message lists those that there are.
    """
    for candidate in UNITS:
        if candidate.id == id:
            return candidate
    raise KeyError(f"no unit {id!r}; the course has {', '.join(candidate.id for candidate in UNITS)}.")
