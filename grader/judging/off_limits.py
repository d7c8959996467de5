"""What several exercises put off-limits, because it is the answer: dotted names, of which the last part counts."""

ATTENTION = (
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

AUTODIFF = (
    "jax.value_and_grad",
    "tensorflow.GradientTape",
    "torch.autograd.backward",
)

RECURRENT = (
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

CONVOLUTION = (
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

NORMALISATION = (
    "keras.layers.BatchNormalization",
    "keras.layers.GroupNormalization",
    "keras.layers.LayerNormalization",
    "keras.layers.Normalization",
    "keras.ops.batch_normalization",
    "keras.ops.layer_normalization",
    "tensorflow.nn.batch_normalization",
    "tensorflow.nn.fused_batch_norm",
    "jax.nn.standardize",
    "torch.batch_norm",
    "torch.nn.BatchNorm1d",
    "torch.nn.BatchNorm2d",
    "torch.nn.functional.batch_norm",
    "torch.nn.functional.layer_norm",
)
