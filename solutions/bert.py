"""BERT in small: embeddings, hidden words, sentence pairs, the encoder, training for both, fine-tuning, spans and tags."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="course")
class BertEmbeddings(layers.Layer):
    """What goes into an encoder: for each token, what it is, where it stands, and to which segment it belongs.

    The layers are given: `token`, `position` and `segment` are tables (`layers.Embedding`) with rows
    of `dim` numbers; `norm` is a layer normalisation.

    Args:
        vocab_size: Number of different tokens, at least 1.
        max_length: Tokens of the longest row, at least 1.
        dim: Numbers per token, at least 1.
        segments: Number of different segments, at least 1.

    Raises:
        ValueError: If a size is not positive.

    Example:
        >>> layer = BertEmbeddings(vocab_size=30, max_length=8, dim=4)
        >>> print(tuple(layer(ops.ones((2, 5), dtype="int32")).shape), layer.count_params())
        (2, 5, 4) 168

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3, figure 2. arXiv:1810.04805
    """

    def __init__(self, vocab_size: int, max_length: int, dim: int, segments: int = 2, **kwargs):
        super().__init__(**kwargs)
        if min(vocab_size, max_length, dim, segments) < 1:
            raise ValueError(f"Expected sizes of at least 1. Received: {vocab_size=}, {max_length=}, {dim=}, {segments=}.")
        self.vocab_size, self.max_length, self.dim, self.segments = vocab_size, max_length, dim, segments
        self.token = layers.Embedding(vocab_size, dim, dtype=self.dtype_policy, name="token")
        self.position = layers.Embedding(max_length, dim, dtype=self.dtype_policy, name="position")
        self.segment = layers.Embedding(segments, dim, dtype=self.dtype_policy, name="segment")
        self.norm = layers.LayerNormalization(epsilon=1e-12, dtype=self.dtype_policy, name="norm")

    def build(self, input_shape):
        for table in (self.token, self.position, self.segment):
            table.build(input_shape)
        self.norm.build((*input_shape, self.dim))

    def call(self, ids, segment_ids=None):
        """Add up the three rows of each token and normalise the sum.

        Args:
            ids: Integer tensor, `(batch, length)`, with `length` at most `max_length`.
            segment_ids: Integer tensor, `(batch, length)`; `None` puts all tokens into segment 0.

        Returns:
            Float tensor, `(batch, length, dim)`. The first token of a row has position 0.
        """
        positions = ops.arange(ids.shape[1], dtype="int32")  # (length,)
        if segment_ids is None:
            segment_ids = ops.zeros_like(ids)
        # One row of positions serves the whole batch.
        return self.norm(self.token(ids) + self.position(positions) + self.segment(segment_ids))

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.dim)

    def get_config(self):
        sizes = {"vocab_size": self.vocab_size, "max_length": self.max_length, "dim": self.dim, "segments": self.segments}
        return {**super().get_config(), **sizes}


def mask_tokens(ids, rng, vocab_size: int):
    """Choose tokens for a model to guess, and hide most of them.

    Ids 0 to 3 are special (padding, `[CLS]`, `[SEP]`, `[MASK]`) and never chosen. Each other token is
    chosen with a probability of 0.15. Of those that are chosen, each becomes `[MASK]`, id 3, with a
    probability of 0.8; a random word, any id from 4 to `vocab_size - 1`, with 0.1; and stays as it is
    with 0.1. Every token's fate is drawn by itself.

    Args:
        ids: Integer NumPy array, `(samples, length)`. It is not changed.
        rng: `np.random.Generator`, where all randomness comes from.
        vocab_size: Number of ids.

    Returns:
        `(inputs, chosen)`: integers, `(samples, length)`, what the model gets to see; and booleans,
        `(samples, length)`, true for the tokens that it has to guess.

    Example:
        >>> ids = np.full((1000, 100), 7)
        >>> inputs, chosen = mask_tokens(ids, np.random.default_rng(0), vocab_size=50)
        >>> print(f"{chosen.mean():.2f} {(inputs[chosen] == 3).mean():.2f} {(inputs[chosen] == 7).mean():.2f}")
        0.15 0.80 0.10

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3.1, task 1. arXiv:1810.04805
    """
    chosen = (rng.random(ids.shape) < 0.15) & (ids >= 4)
    fate = rng.random(ids.shape)
    words = rng.integers(4, vocab_size, size=ids.shape)
    # np.where makes new arrays, so what was handed over stays as it is.
    inputs = np.where(chosen & (fate < 0.8), 3, ids)
    return np.where(chosen & (fate >= 0.9), words, inputs), chosen


def mlm_loss(logits, labels, chosen):
    """Compute the loss of a masked language model: cross-entropy, averaged over the chosen tokens.

    Args:
        logits: Float tensor, `(batch, length, vocab_size)`: any real numbers, also large ones.
        labels: Integer tensor, `(batch, length)`: the tokens as they were before masking.
        chosen: Boolean tensor, `(batch, length)`: which tokens the model had to guess.

    Returns:
        A scalar, in nats: the mean of `-log p(label)` over the chosen tokens; 0 if there are none.

    Example:
        >>> logits = ops.array([[[0.0, 0.0], [9.0, 0.0]]])
        >>> print(f"{float(mlm_loss(logits, ops.array([[0, 1]]), ops.array([[True, False]]))):.4f}")
        0.6931

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3.1, task 1. arXiv:1810.04805
    """
    weights = ops.cast(chosen, logits.dtype)
    losses = -ops.take_along_axis(ops.log_softmax(logits), labels[:, :, None], axis=-1)[:, :, 0]  # (batch, length)
    # At least 1 below the line: a batch without a chosen token has nothing above it either.
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)


def pair_sentences(documents, rng):
    """Make pairs of sentences as BERT reads them: `[CLS] A [SEP] B [SEP]`.

    Every sentence but the last of its document is the A of one pair. With a probability of 0.5, drawn
    for each pair by itself, B is the sentence that follows it; else a random sentence of a random
    other document, every other document and every sentence equally probable. Ids 0 to 3 are special:
    0 is padding, 1 is `[CLS]`, 2 is `[SEP]`, 3 is `[MASK]`.

    Args:
        documents: Integer NumPy array, `(documents, sentences, length)`, at least two documents. Each
            sentence has at least one token, all at least 4, and is filled up with 0 behind them.
        rng: `np.random.Generator`, where all randomness comes from.

    Returns:
        `(ids, segment_ids, is_next)`, with `documents * (sentences - 1)` pairs in the order of reading.
        Integers, `(pairs, 2 * length + 3)`: the tokens of each pair without gaps, filled up with 0
        behind the second `[SEP]`. Integers of the same shape: 1 for the tokens of B and the `[SEP]`
        after it, 0 for all that stand before, and for padding. Booleans, `(pairs,)`: whether B follows A.

    Example:
        >>> documents = np.array([[[7, 8, 0], [9, 0, 0]], [[5, 0, 0], [5, 5, 0]]])
        >>> ids, segment_ids, is_next = pair_sentences(documents, np.random.default_rng(2))
        >>> print(ids[0], segment_ids[0], is_next[0])
        [1 7 8 2 9 2 0 0 0] [0 0 0 0 1 1 0 0 0] True

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3.1, task 2, and figure 2. arXiv:1810.04805
    """
    number, sentences, length = documents.shape
    pairs = number * (sentences - 1)
    ids, segment_ids = np.zeros((2, pairs, 2 * length + 3), dtype=documents.dtype)
    is_next = rng.random(pairs) < 0.5
    for pair, (document, sentence) in enumerate(np.ndindex(number, sentences - 1)):
        first, second = documents[document, sentence], documents[document, sentence + 1]
        if not is_next[pair]:
            # One to number - 1 documents further on, around the corner: never the same one.
            other = (document + rng.integers(1, number)) % number
            second = documents[other, rng.integers(sentences)]
        tokens = [1, *first[first > 0], 2, *second[second > 0], 2]
        ids[pair, : len(tokens)] = tokens
        segment_ids[pair, (first > 0).sum() + 2 : len(tokens)] = 1
    return ids, segment_ids, is_next


@keras.saving.register_keras_serializable(package="course")
class EncoderBlock(layers.Layer):
    """One block of BERT: every token looks at all others, then each is worked on by itself.

    The layers are given: `attention` is multi-head attention; `hidden` a dense layer with GELU and
    `output_dense` one without activation; `norm1` and `norm2` are layer normalisations.

    Args:
        dim: Numbers per token, a multiple of `num_heads`.
        num_heads: Heads of the attention, at least 1.
        ff_dim: Neurons of the hidden layer, at least 1.

    Raises:
        ValueError: If a size is not positive, or `dim` is not a multiple of `num_heads`.

    Example:
        >>> block = EncoderBlock(dim=8, num_heads=2, ff_dim=32)
        >>> print(tuple(block(ops.ones((1, 5, 8))).shape), block.count_params())
        (1, 5, 8) 872

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3; Vaswani et al., 2017, section 3.1.
        arXiv:1810.04805, arXiv:1706.03762
    """

    def __init__(self, dim: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        if min(dim, num_heads, ff_dim) < 1 or dim % num_heads:
            raise ValueError(
                f"Expected sizes of at least 1, dim a multiple of num_heads. Received: {dim=}, {num_heads=}, {ff_dim=}."
            )
        self.supports_masking = True
        self.dim, self.num_heads, self.ff_dim = dim, num_heads, ff_dim
        policy = {"dtype": self.dtype_policy}
        self.attention = layers.MultiHeadAttention(num_heads, dim // num_heads, name="attention", **policy)
        self.norm1 = layers.LayerNormalization(epsilon=1e-12, name="norm1", **policy)
        self.hidden = layers.Dense(ff_dim, activation="gelu", name="hidden", **policy)
        self.output_dense = layers.Dense(dim, name="output_dense", **policy)
        self.norm2 = layers.LayerNormalization(epsilon=1e-12, name="norm2", **policy)

    def build(self, input_shape):
        self.attention.build(input_shape, input_shape)
        self.norm1.build(input_shape)
        self.hidden.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.ff_dim))
        self.norm2.build(input_shape)

    def call(self, x, mask=None):
        """Send tokens through the block.

        Both parts are added to what went into them, and each sum is normalised: `norm1` after the
        attention, `norm2` after the dense layers.

        Args:
            x: Float tensor, `(batch, length, dim)`.
            mask: Boolean tensor, `(batch, length)`: true for tokens, false for padding, which nobody
                may attend to. `None` means that there is no padding.

        Returns:
            Float tensor, `(batch, length, dim)`.
        """
        # (batch, 1, length): the same for every query, so it says which keys are there.
        keys = None if mask is None else mask[:, None, :]
        x = self.norm1(x + self.attention(x, x, attention_mask=keys))
        return self.norm2(x + self.output_dense(self.hidden(x)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "dim": self.dim, "num_heads": self.num_heads, "ff_dim": self.ff_dim}


def count_bert_params(
    vocab_size: int, max_length: int, dim: int, ff_dim: int, num_layers: int, segments: int = 2, pooler: bool = True
) -> int:
    """Count the trainable numbers of BERT's encoder.

    The embeddings are three tables (tokens, positions, segments) and a layer normalisation. Each block
    has an attention with four square projections (query, key, value, output), two dense layers, and two
    layer normalisations. The pooler is one square dense layer. All dense layers and projections have
    biases, and a layer normalisation has a scale and a shift per dimension.

    Args:
        vocab_size: Rows of the token table.
        max_length: Rows of the position table.
        dim: Numbers per token.
        ff_dim: Neurons of each block's hidden layer.
        num_layers: Number of blocks.
        segments: Rows of the segment table.
        pooler: Whether the pooler counts.

    Returns:
        The number of weights and biases.

    Example:
        >>> count_bert_params(30522, 512, dim=768, ff_dim=3072, num_layers=12)
        109482240

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3. arXiv:1810.04805
    """
    norm = 2 * dim
    embeddings = (vocab_size + max_length + segments) * dim + norm
    attention = 4 * (dim * dim + dim)  # however many heads share it
    feed_forward = dim * ff_dim + ff_dim + ff_dim * dim + dim
    block = attention + feed_forward + 2 * norm
    return embeddings + num_layers * block + (dim * dim + dim if pooler else 0)


def build_mini_bert(vocab_size: int, max_length: int, dim: int, num_heads: int, ff_dim: int, num_layers: int) -> keras.Model:
    """Build a small BERT that guesses words, and whether two sentences belong together.

    Its input is ids alone: `[CLS] A [SEP] B [SEP]`, 1 … 2 … 2, filled up with 0. The segments follow
    from these: 0 up to and with the first `[SEP]`, 1 behind it. Token, position and segment embeddings
    are added up and normalised. Then come `num_layers` blocks as in BERT: multi-head attention, in which
    nobody attends to padding, a dense layer of `ff_dim` neurons with GELU and one of `dim`, each of the
    two parts added to what went into it, and each sum normalised. On the last states, a dense layer
    gives a logit for each word; on the last state of the first token, a dense layer of `dim` neurons
    with tanh (the pooler) and one of a single neuron give a logit for the pair. Made of Keras's
    `Embedding`, `LayerNormalization` (epsilon 1e-12), `MultiHeadAttention` and `Dense`, all with biases.

    Args:
        vocab_size: Number of ids.
        max_length: Tokens of the longest row.
        dim: Numbers per token, a multiple of `num_heads`.
        num_heads: Heads of each attention.
        ff_dim: Neurons of each hidden layer.
        num_layers: Number of blocks.

    Returns:
        Keras model, not compiled, with random initial weights: from integers `(batch, length)`, of any
        length up to `max_length`, to a dict of logits: `"words"`, `(batch, length, vocab_size)`, and
        `"is_next"`, `(batch,)`. What stands in "words" for padding does not matter.

    Example:
        >>> build_mini_bert(92, max_length=10, dim=64, num_heads=4, ff_dim=256, num_layers=2).count_params()
        116957

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3. arXiv:1810.04805
    """
    ids = layers.Input((None,), dtype="int32")
    ends = ops.cast(ops.equal(ids, 2), "int32")
    # How many [SEP] stand before each token; behind the second one, where padding is, there are two.
    segments = ops.minimum(ops.cumsum(ends, axis=1) - ends, 1)
    positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1  # (batch, length)
    x = layers.Embedding(vocab_size, dim)(ids) + layers.Embedding(max_length, dim)(positions)
    x = layers.LayerNormalization(epsilon=1e-12)(x + layers.Embedding(2, dim)(segments))
    keys = ops.not_equal(ids, 0)[:, None, :]  # (batch, 1, length)
    for _ in range(num_layers):
        attended = layers.MultiHeadAttention(num_heads, dim // num_heads)(x, x, attention_mask=keys)
        x = layers.LayerNormalization(epsilon=1e-12)(x + attended)
        worked = layers.Dense(dim)(layers.Dense(ff_dim, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-12)(x + worked)
    pooled = layers.Dense(dim, activation="tanh")(x[:, 0])
    return keras.Model(ids, {"words": layers.Dense(vocab_size)(x), "is_next": layers.Dense(1)(pooled)[:, 0]})


def train_mini_bert(sentences, vocab_size, seed):
    """Make a masked language model, pre-train it on sentences, and return it.

    Args:
        sentences: Integer array, `(samples, length)`. Ids 0 to 3 are special; 3 is `[MASK]`, which
            does not occur.
        vocab_size: Number of ids.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from integers `(batch, length)`, some of them `[MASK]`, to logits
        `(batch, length, vocab_size)`: real numbers. At a `[MASK]`, their softmax says
        how probable each word is.

    Example:
        >>> sentences = 4 + (np.arange(512)[:, None] + np.arange(3)) % 5  # three words in a row, of five
        >>> model = train_mini_bert(sentences, vocab_size=9, seed=0)
        >>> print(ops.convert_to_numpy(ops.argmax(model(np.array([[4, 3, 6], [8, 3, 5]])), axis=-1))[:, 1])
        [5 4]

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3.1. arXiv:1810.04805
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    epochs, batch_size, dim, length = 10, 128, 32, sentences.shape[1]
    ids = layers.Input((length,), dtype="int32")
    positions = ops.zeros_like(ids) + ops.arange(length, dtype="int32")  # (batch, length)
    x = layers.Embedding(vocab_size, dim)(ids) + layers.Embedding(length, dim)(positions)
    x = layers.LayerNormalization(epsilon=1e-12)(x)
    for _ in range(2):
        x = layers.LayerNormalization(epsilon=1e-12)(x + layers.MultiHeadAttention(4, dim // 4)(x, x))
        worked = layers.Dense(dim)(layers.Dense(4 * dim, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-12)(x + worked)
    model = keras.Model(ids, layers.Dense(vocab_size)(x))

    # Other tokens are hidden in every epoch, so all epochs are laid one after the other and masked once.
    labels = np.tile(sentences, (epochs, 1))
    chosen = (rng.random(labels.shape) < 0.15) & (labels >= 4)
    fate = rng.random(labels.shape)
    inputs = np.where(chosen & (fate < 0.8), 3, labels)
    inputs = np.where(chosen & (fate >= 0.9), rng.integers(4, vocab_size, size=labels.shape), inputs)

    steps = -(-len(labels) // batch_size)
    # Small steps at first: a fresh block with the norm after the sum is easily thrown off.
    rate = keras.optimizers.schedules.CosineDecay(0.0006, steps, warmup_target=0.006, warmup_steps=steps // 10)
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    # The weights say what counts: the chosen tokens and no others.
    model.fit(inputs, labels, sample_weight=chosen.astype("float32"), batch_size=batch_size, verbose=0)
    return model


def train_fine_tuned(encoder, x, y, seed):
    """Make a classifier of sentences from a pre-trained encoder and a few labels, and return it.

    Args:
        encoder: `keras.Model`, pre-trained: from integers `(batch, length)` to one vector per token,
            `(batch, length, dim)`.
        x: Integer array, `(samples, length)`: few sentences.
        y: Integer array, `(samples,)`: their classes, from 0 to `classes - 1`; every class occurs.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from integers `(batch, length)` to logits, `(batch, classes)`: real
        numbers, the largest at the predicted class.

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 3.2. arXiv:1810.04805
    """
    keras.utils.set_random_seed(seed)
    states = encoder.output  # (batch, length, dim)
    sentence = layers.GlobalAveragePooling1D()(states)  # (batch, dim)
    model = keras.Model(encoder.input, layers.Dense(int(np.max(y)) + 1)(sentence))
    # Small steps: what the encoder knows should be bent, not thrown away.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss)
    model.fit(x, y, batch_size=8, epochs=30, verbose=0)
    return model


def best_span(start_logits, end_logits, max_length: int):
    """Find the answer to a question in a text: the best first and last token together.

    Args:
        start_logits: Float NumPy array, `(tokens,)`: how well each token would do as the first one.
        end_logits: Float NumPy array, `(tokens,)`: how well each token would do as the last one.
        max_length: Tokens of the longest answer that is allowed, at least 1.

    Returns:
        `(start, end)`: two integers, the positions of the first and the last token of the answer. Of
        all spans with `start <= end` of at most `max_length` tokens, the one with the largest sum of
        its two logits.

    Example:
        >>> print(best_span(np.array([0.0, 1.0, 5.0]), np.array([4.0, 2.0, 0.0]), max_length=2))
        (2, 2)

    Reference:
        Devlin, Chang, Lee and Toutanova, 2018, BERT, section 4.2. arXiv:1810.04805
    """
    tokens = len(start_logits)
    sums = start_logits[:, None] + end_logits[None, :]  # (start, end)
    further = np.arange(tokens)[None, :] - np.arange(tokens)[:, None]  # by how much the end lies behind the start
    sums = np.where((further >= 0) & (further < max_length), sums, -np.inf)
    start, end = np.unravel_index(np.argmax(sums), sums.shape)
    return int(start), int(end)


def entity_f1(tags, predicted) -> float:
    """Score what a model has found in a text: the F1 of whole spans, not of single tokens.

    Tags are BIO. 0 (O) belongs to nothing. For each kind of span, k = 1, 2, …, the tag `2 * k - 1` (B) is
    its first token, and `2 * k` (I) each further one. So a span is a B and all I of the same kind that
    follow it directly; an I that continues no span belongs to nothing. A span that was predicted is
    right if one of the same kind begins and ends at the same tokens of the same row.

    Args:
        tags: Integer array, `(batch, length)`: what is right.
        predicted: Integer array, `(batch, length)`: what a model says.

    Returns:
        A float from 0 to 1: twice the number of right spans, divided by the number of true and of
        predicted ones together; 0 if there are none at all.

    Example:
        >>> entity_f1([[1, 2, 0, 1]], [[1, 0, 0, 1]])  # the first one ends too early
        0.5

    Reference:
        Tjong Kim Sang and De Meulder, 2003, Introduction to the CoNLL-2003 Shared Task, section 2.3.
    """

    def spans_in(rows):
        found = set()
        for number, row in enumerate(np.asarray(rows)):
            for start in np.flatnonzero(row % 2):
                end = start + 1
                while end < len(row) and row[end] == row[start] + 1:
                    end += 1
                found.add((number, int(start), end, int(row[start])))
        return found

    true, claimed = spans_in(tags), spans_in(predicted)
    return 2 * len(true & claimed) / max(1, len(true) + len(claimed))
