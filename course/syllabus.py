"""The units of the course, in teaching order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CELL_SECONDS, NOTEBOOK_SECONDS = 120.0, 900.0
"""CPU seconds that grading allows a cell and a notebook, unless an instructor sets other limits."""


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
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.attention.flex_attention.flex_attention",
)

_AUTODIFF = ("jax.value_and_grad", "tensorflow.GradientTape", "torch.autograd.backward")

_RECURRENT = (
    "keras.layers.RNN",
    "keras.layers.SimpleRNN",
    "keras.layers.SimpleRNNCell",
    "keras.layers.LSTM",
    "keras.layers.LSTMCell",
    "keras.layers.GRU",
    "keras.layers.GRUCell",
    "torch.nn.RNNCell",
    "torch.nn.LSTM",
)

_CONVOLUTION = (
    "keras.ops.conv",
    "keras.ops.correlate",
    "keras.ops.depthwise_conv",
    "keras.ops.separable_conv",
    "keras.ops.image.extract_patches",
    "keras.layers.Conv1D",
    "keras.layers.Conv2D",
    "keras.layers.DepthwiseConv2D",
    "keras.layers.SeparableConv2D",
    "numpy.convolve",
    "scipy.ndimage.convolve",
    "scipy.signal.convolve2d",
    "scipy.signal.correlate2d",
    "scipy.signal.fftconvolve",
    "tensorflow.nn.conv2d",
    "tensorflow.nn.convolution",
    "jax.lax.conv_general_dilated",
    "torch.nn.functional.unfold",
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
                "keras.ops.elu",
                "keras.activations.elu",
                "keras.ops.threshold",
                "keras.activations.threshold",
                "keras.layers.ReLU",
                "keras.layers.LeakyReLU",
                "keras.layers.PReLU",
                "keras.layers.ELU",
                "keras.layers.Activation",
            ),
            "sigmoid": (
                "keras.ops.sigmoid",
                "keras.ops.log_sigmoid",
                "keras.activations.sigmoid",
                "keras.activations.log_sigmoid",
                "keras.ops.silu",
                "keras.ops.swish",
                "keras.activations.silu",
                "keras.activations.swish",
                "keras.ops.glu",
                "keras.activations.glu",
                "keras.layers.Activation",
                "scipy.special.expit",
                "scipy.special.log_expit",
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
                "tensorflow.nn.sparse_softmax_cross_entropy_with_logits",
                "tensorflow.nn.softmax_cross_entropy_with_logits",
                "torch.nn.CrossEntropyLoss",
                "torch.nn.functional.cross_entropy",
                "torch.nn.functional.nll_loss",
            ),
            "mlp_forward": ("keras.layers.Dense", "keras.layers.EinsumDense"),
            "mlp_backward": _AUTODIFF,
            "sgd_step": ("keras.optimizers.SGD",),
            "momentum_step": ("keras.optimizers.SGD",),
        },
    ),
    Unit(
        "cnn",
        "Convolutional networks",
        minutes=90,
        points=40,
        off_limits={
            "conv2d_single": _CONVOLUTION,
            "conv2d": _CONVOLUTION,
            "max_pool2d": (
                "keras.ops.max_pool",
                "keras.layers.MaxPooling1D",
                "keras.layers.MaxPooling2D",
                "keras.layers.MaxPool2D",
                "jax.lax.reduce_window",
                "scipy.ndimage.maximum_filter",
                "tensorflow.nn.max_pool2d",
            ),
            "global_average_pool": (
                "keras.ops.average_pool",
                "keras.layers.AveragePooling2D",
                "keras.layers.AvgPool2D",
                "keras.layers.GlobalAveragePooling2D",
                "keras.layers.GlobalAvgPool2D",
            ),
        },
    ),
    Unit(
        "rnn",
        "Recurrent networks",
        minutes=90,
        points=40,
        off_limits={
            "rnn_step": _RECURRENT,
            "rnn_forward": _RECURRENT,
            "bptt": _AUTODIFF,
            "state_sensitivities": _AUTODIFF,
            "lstm_step": _RECURRENT,
            "gru_step": _RECURRENT,
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
                "scipy.spatial.distance.cosine",
            ),
            "scaled_dot_product_attention": _ATTENTION,
            "MultiHeadAttention": _ATTENTION,
            "count_attention_params": _ATTENTION,
            "positional_encoding": ("keras_hub.layers.SinePositionEncoding",),
        },
    ),
    Unit(
        "bert",
        "Mini-BERT",
        minutes=90,
        points=40,
        off_limits={
            "train_mini_bert": ("course.data.Grammar",),
            "train_fine_tuned": ("course.data.Grammar", "course.pretrained.load_encoder"),
        },
    ),
)


def is_unit(id: str) -> bool:
    """Whether the course has a unit of that id."""
    return any(candidate.id == id for candidate in UNITS)


def unit(id: str) -> Unit:
    """The unit of that id.

    Raises:
        KeyError: If there is none; the message lists those that there are.
    """
    for candidate in UNITS:
        if candidate.id == id:
            return candidate
    raise KeyError(f"no unit {id!r}; the course has {', '.join(candidate.id for candidate in UNITS)}.")
