"""Attention, from dot products to a trained layer."""

import keras
import numpy as np
from keras import layers, ops


def dot_scores(query, keys):
    """Score each key by its dot product with the query.

    Args:
        query: Float tensor, `(dim,)`.
        keys: Float tensor, `(num_keys, dim)`: one key per row.

    Returns:
        Float tensor, `(num_keys,)`: large where a key is long and points the query's way, 0 where
        it stands at a right angle.

    Example:
        >>> keys = ops.array([[4.0, 3.0], [1.0, 4.0], [-4.0, 3.0], [-2.0, -3.0]])
        >>> print(ops.convert_to_numpy(dot_scores(ops.array([3.0, 4.0]), keys)))
        [ 24.  19.   0. -18.]

    Reference:
        Vaswani et al., 2017, section 3.2.1. arXiv:1706.03762
    """
    # A matrix times a vector is one dot product per row: (num_keys, dim) times (dim,).
    return ops.matmul(keys, query)


def scaled_dot_product_attention(query, key, value, mask=None):
    """Average the values, each weighted by how well its key matches the query.

    Args:
        query: Float tensor, `(..., query_len, key_dim)`.
        key: Float tensor, `(..., key_len, key_dim)`.
        value: Float tensor, `(..., key_len, value_dim)`.
        mask: Boolean tensor, broadcastable to `(..., query_len, key_len)`; `True` means "may
            attend". Every query may attend to at least one key. `None` allows everything.

    Returns:
        `(output, weights)`. The output is `(..., query_len, value_dim)`, in the units of `value`.
        The weights are `(..., query_len, key_len)`, probabilities whose rows sum to 1; a key that
        may not be attended to has weight 0, however large its score.

    Example:
        >>> python, executes = [0.1, 0.2, 0.9, 0.7, 0.6], [0.2, 0.3, 0.4, 0.6, 0.3]
        >>> words = ops.array([python, executes, [0.3, 0.1, 0.8, 0.7, 0.6]])
        >>> output, weights = scaled_dot_product_attention(words, words, words)
        >>> print(np.round(ops.convert_to_numpy(weights[0]), 4))
        [0.3701 0.2743 0.3555]

    Reference:
        Vaswani et al., 2017, section 3.2.1, equation 1. arXiv:1706.03762
    """
    key_dim = query.shape[-1]
    # The dot product of two random vectors has variance key_dim. Without the scale, softmax would saturate and its
    # gradient vanish.
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / key_dim**0.5  # (..., query_len, key_len)
    if mask is not None:
        # exp(-inf) is exactly 0. A finite stand-in such as -1e4 leaks as soon as the scores are that large.
        scores = ops.where(mask, scores, -np.inf)
    weights = ops.softmax(scores, axis=-1)  # each query shares out 1 among the keys
    return ops.matmul(weights, value), weights


def causal_mask(length: int):
    """Say which positions each position may attend to when it must not look ahead.

    Args:
        length: Number of positions, at least 1.

    Returns:
        Boolean tensor, `(length, length)`: row = query, column = key. `True` means "may attend":
        each position to itself and to all before it.

    Example:
        >>> print(ops.convert_to_numpy(causal_mask(3)).astype(int))
        [[1 0 0]
         [1 1 0]
         [1 1 1]]

    Reference:
        Vaswani et al., 2017, section 3.2.3. arXiv:1706.03762
    """
    # Compare every query's position with every key's by broadcasting a column against a row.
    positions = ops.arange(length)
    return positions[:, None] >= positions[None, :]


def padding_mask(ids, pad_id: int = 0):
    """Say which keys are real tokens, so that nothing attends to padding.

    Args:
        ids: Integer tensor, `(batch, key_len)`: token ids.
        pad_id: The id that stands for "no token here".

    Returns:
        Boolean tensor, `(batch, 1, key_len)`: `True` means "may attend". The axis of length 1
        stands for every query.

    Example:
        >>> print(ops.convert_to_numpy(padding_mask(ops.array([[7, 5, 0, 0]]))).astype(int))
        [[[1 1 0 0]]]

    Reference:
        Vaswani et al., 2017, section 3.2.3 describes masking, there of later positions. arXiv:1706.03762
    """
    # Padding is a property of the keys: queries at padded positions may compute what they like, nobody reads it.
    real = ops.not_equal(ids, pad_id)  # (batch, key_len)
    return ops.expand_dims(real, axis=1)


def split_heads(x, num_heads: int):
    """Cut the features of each position into equal consecutive pieces, one per head.

    Args:
        x: Float tensor, `(batch, length, num_heads * head_dim)`.
        num_heads: Number of heads; it divides the number of features.

    Returns:
        Float tensor, `(batch, num_heads, length, head_dim)`: head 0 has the first `head_dim`
        features of each position, head 1 the next ones, and so on.

    Example:
        >>> x = ops.reshape(ops.arange(12), (1, 3, 4))
        >>> print(ops.convert_to_numpy(split_heads(x, 2))[0, 0])
        [[0 1]
         [4 5]
         [8 9]]

    Reference:
        Vaswani et al., 2017, section 3.2.2. arXiv:1706.03762
    """
    _, length, features = ops.shape(x)
    # Reshape can only cut the last axis; the heads are then moved in front of the positions by a transpose.
    pieces = ops.reshape(x, (-1, length, num_heads, features // num_heads))  # (batch, length, heads, head_dim)
    return ops.transpose(pieces, (0, 2, 1, 3))  # (batch, heads, length, head_dim)


def merge_heads(x):
    """Put the heads' features side by side again: the inverse of splitting.

    Args:
        x: Float tensor, `(batch, num_heads, length, head_dim)`.

    Returns:
        Float tensor, `(batch, length, num_heads * head_dim)`: for each position head 0's features,
        then head 1's, and so on.

    Example:
        >>> x = ops.array([[[[0, 1], [4, 5]], [[2, 3], [6, 7]]]])
        >>> print(ops.convert_to_numpy(merge_heads(x)))
        [[[0 1 2 3]
          [4 5 6 7]]]

    Reference:
        Vaswani et al., 2017, section 3.2.2. arXiv:1706.03762
    """
    _, num_heads, length, head_dim = ops.shape(x)
    # Bring the features of one position next to each other first; only then may a reshape join them.
    side_by_side = ops.transpose(x, (0, 2, 1, 3))  # (batch, length, heads, head_dim)
    return ops.reshape(side_by_side, (-1, length, num_heads * head_dim))


@keras.saving.register_keras_serializable(package="course")
class MultiHeadAttention(layers.Layer):
    """Several attention heads side by side, joined by a dense layer.

    Query, key and value each go through a dense layer of their own with `num_heads * key_dim`
    features: `query_dense`, `key_dense` and `value_dense`. Head `h` owns the features from
    `h * key_dim` up to, not including, `(h + 1) * key_dim`. Each head attends by itself, by scaled
    dot products. The heads' outputs, side by side in the same order, go through `output_dense`.

    Args:
        num_heads: Number of heads, at least 1.
        key_dim: Features of one head, at least 1. The usual choice is `model_dim // num_heads`.

    Raises:
        ValueError: If `num_heads` or `key_dim` is not positive.

    Example:
        >>> layer = MultiHeadAttention(num_heads=8, key_dim=64)
        >>> x = ops.zeros((2, 5, 512))
        >>> print(tuple(layer(x, x).shape), f"{layer.count_params():,}")
        (2, 5, 512) 1,050,624

    Reference:
        Vaswani et al., 2017, section 3.2.2. arXiv:1706.03762
    """

    def __init__(self, num_heads: int, key_dim: int, **kwargs):
        super().__init__(**kwargs)
        if num_heads < 1 or key_dim < 1:
            raise ValueError(f"Expected num_heads and key_dim of at least 1. Received: {num_heads=}, {key_dim=}.")
        self.supports_masking = True
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.query_dense = layers.Dense(num_heads * key_dim, dtype=self.dtype_policy, name="query_dense")
        self.key_dense = layers.Dense(num_heads * key_dim, dtype=self.dtype_policy, name="key_dense")
        self.value_dense = layers.Dense(num_heads * key_dim, dtype=self.dtype_policy, name="value_dense")

    def build(self, query_shape, value_shape, key_shape=None):
        self.query_dense.build(query_shape)
        self.key_dense.build(key_shape or value_shape)
        self.value_dense.build(value_shape)
        self.output_dense = layers.Dense(query_shape[-1], dtype=self.dtype_policy, name="output_dense")
        self.output_dense.build((*query_shape[:-1], self.num_heads * self.key_dim))

    def call(self, query, value, key=None, mask=None):
        """Attend from every position of `query` to the positions of `key`.

        Args:
            query: Float tensor, `(batch, query_len, model_dim)`.
            value: Float tensor, `(batch, key_len, model_dim)`.
            key: Float tensor, `(batch, key_len, model_dim)`; `None` means the same as `value`.
            mask: Boolean tensor, `(batch, query_len, key_len)`, or 1 in place of `batch` or
                `query_len`; `True` means "may attend", in every head. Every query may attend to at
                least one key. `None` allows everything.

        Returns:
            Float tensor, `(batch, query_len, model_dim)`.
        """

        def split(x):
            pieces = ops.reshape(x, (*ops.shape(x)[:-1], self.num_heads, self.key_dim))
            return ops.transpose(pieces, (0, 2, 1, 3))  # (batch, heads, length, key_dim)

        queries = split(self.query_dense(query))
        keys = split(self.key_dense(value if key is None else key))
        values = split(self.value_dense(value))
        scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2)) / self.key_dim**0.5  # (batch, heads, query, key)
        if mask is not None:
            # The new axis lets every head share the mask.
            scores = ops.where(ops.expand_dims(mask, axis=1), scores, -np.inf)
        attended = ops.matmul(ops.softmax(scores, axis=-1), values)  # (batch, heads, query, key_dim)
        merged = ops.transpose(attended, (0, 2, 1, 3))  # (batch, query, heads, key_dim)
        return self.output_dense(ops.reshape(merged, (*ops.shape(query)[:-1], self.num_heads * self.key_dim)))

    def compute_mask(self, inputs, previous_mask):
        # `mask` is about keys, it does not say which outputs are padding: nothing is handed on.
        return None

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return query_shape

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "key_dim": self.key_dim}


def count_attention_params(model_dim: int, num_heads: int, key_dim: int) -> int:
    """Count the trainable numbers of a multi-head attention layer, biases included.

    Args:
        model_dim: Features of query, key, value and of the layer's output.
        num_heads: Number of heads.
        key_dim: Features of each head; `num_heads * key_dim` may differ from `model_dim`.

    Returns:
        The number of weights and biases in the dense layers for query, key, value and output.

    Example:
        >>> count_attention_params(512, 8, 64)
        1050624

    Reference:
        Vaswani et al., 2017, section 3.2.2; the paper's layers have no biases. arXiv:1706.03762
    """
    inner = num_heads * key_dim
    # Three layers go from model_dim features to inner ones, one goes back; a dense layer has one bias per output.
    projections = 3 * (model_dim * inner + inner)
    output = inner * model_dim + model_dim
    return projections + output


def positional_encoding(length: int, dim: int):
    """Give each position a vector of sines and cosines of falling frequency.

    Args:
        length: Number of positions; the first is position 0.
        dim: Features of each vector, an even number.

    Returns:
        Float tensor, `(length, dim)`, between -1 and 1. Sine and cosine alternate: for position `p`
        and pair `i`, column `2i` is `sin(p / 10000**(2i / dim))` and column `2i + 1` is the cosine
        of the same angle.

    Example:
        >>> print(np.round(ops.convert_to_numpy(positional_encoding(2, 512))[1, :4], 4))
        [0.8415 0.5403 0.8219 0.5697]

    Reference:
        Vaswani et al., 2017, section 3.5. arXiv:1706.03762
    """
    positions = ops.arange(length, dtype="float32")[:, None]  # (length, 1)
    doubled = ops.arange(0, dim, 2, dtype="float32")[None, :]  # 2i of each pair: (1, dim / 2)
    angles = positions / ops.power(10000.0, doubled / dim)  # (length, dim / 2)
    # Stacked along a new last axis and flattened, sine and cosine of a pair become neighbours.
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)  # (length, dim / 2, 2)
    return ops.reshape(pairs, (length, dim))


def train_unscrambler(x, y, seed):
    """Learn, with one attention head, how the tokens of every sequence were rearranged.

    Args:
        x: Integer NumPy array, `(samples, length)`: token ids from 0 to `vocabulary - 1`; each of
            them occurs.
        y: Integer NumPy array, `(samples, length)`: `x` with its positions rearranged, in the same
            way for every sample: `y[:, i] = x[:, source[i]]`. Nobody tells you `source`.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from `(batch, length)` to `(logits, weights)`. The logits are
        `(batch, length, vocabulary)`, for each token of the rearranged sequence, before any
        softmax. The weights are `(batch, length, length)`, the head's attention map: row = output
        position, column = input position. Rows sum to 1, and on average at least 0.75 of that is on
        one token, the one that goes to this output position.

    Example:
        >>> x = np.random.default_rng(0).integers(5, size=(1000, 3))
        >>> logits, weights = train_unscrambler(x, x[:, [2, 0, 1]], seed=0)(x[:1])
        >>> print(ops.convert_to_numpy(ops.argmax(weights[0], axis=-1)))
        [2 0 1]

    Reference:
        Vaswani et al., 2017, section 3.2. arXiv:1706.03762
    """
    keras.utils.set_random_seed(seed)
    length, vocabulary, dim = x.shape[1], int(np.max(x)) + 1, 32
    tokens = keras.Input((length,), dtype="int32")
    places = ops.one_hot(ops.zeros_like(tokens) + ops.arange(length, dtype="int32"), length)  # (batch, length, length)
    # Where to look depends on the places alone, so queries and keys are places; what is fetched are the tokens. A dense
    # layer on one-hot places is a table with a vector for each place. An embedding would do as well, but with TensorFlow
    # Adam takes far larger steps on its rows, because each place occurs in every sequence of the batch.
    query = layers.Dense(dim, use_bias=False)(places)
    key = layers.Dense(dim, use_bias=False)(places)
    value = layers.Embedding(vocabulary, dim)(tokens)
    fetched, weights = layers.Attention()([query, value, key], return_attention_scores=True)
    logits = layers.Dense(vocabulary)(fetched)
    # Only the logits have labels, so a model with one output is trained; the one that is returned shares its layers.
    trained = keras.Model(tokens, logits)
    trained.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained.fit(x, y, batch_size=64, epochs=10, verbose=0)
    return keras.Model(tokens, (logits, weights))


def train_recall(x, y, seed):
    """Learn, with one attention head, to find what a question asks for.

    Args:
        x: Integer NumPy array, `(samples, 2 * pairs + 1)`: token ids from 0 to `vocabulary - 1`; each of
            them occurs. In a row: name, value, name, value, ..., question. The names of a row differ.
            Each question belongs to one name, the same in all rows; nobody tells you to which.
        y: Integer NumPy array, `(samples,)`: the value that follows this name, as its token id.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from `(batch, 2 * n + 1)`, for any number `n` of pairs, to
        `(logits, weights)`. The logits are `(batch, vocabulary)`, for the value that is asked for,
        before any softmax. The weights are `(batch, n)`: how much of its attention the question gives
        to each pair. Rows sum to 1, and on average at least 0.8 of that is on the pair that is asked
        for.

    Example:
        >>> x = np.array([[0, 2, 1, 3, 4], [0, 2, 1, 3, 5], [0, 3, 1, 2, 4], [0, 3, 1, 2, 5]] * 200)
        >>> y = np.array([2, 3, 3, 2] * 200)
        >>> logits, weights = train_recall(x, y, seed=0)(x[:4])
        >>> print(ops.convert_to_numpy(ops.argmax(logits, axis=-1)))
        [2 3 3 2]

    Reference:
        Graves et al., 2014, Neural Turing Machines, section 4.3. arXiv:1410.5401
    """
    keras.utils.set_random_seed(seed)
    vocabulary, dim = int(np.max(x)) + 1, 32
    tokens = keras.Input((None,), dtype="int32")
    vectors = layers.Embedding(vocabulary, dim)(tokens)
    # The question asks, the names answer to it, and what is handed over is the values.
    query = layers.Dense(dim)(vectors[:, -1:])
    key = layers.Dense(dim)(vectors[:, :-1:2])
    value = vectors[:, 1::2]
    fetched, weights = layers.Attention()([query, value, key], return_attention_scores=True)
    logits = layers.Dense(vocabulary)(fetched[:, 0])
    # Only the logits have labels, so a model with one output is trained; the one that is returned shares its layers.
    trained = keras.Model(tokens, logits)
    trained.compile(keras.optimizers.Adam(0.005), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained.fit(x, y, batch_size=25, epochs=15, verbose=0)
    return keras.Model(tokens, (logits, weights[:, 0]))
