"""The reference solutions of unit `attention`: examples, cases computed by hand, Keras's own layers, the shared layer test."""

import doctest

import keras
import numpy as np
import pytest
from keras import ops

from course import data
from layer_test import run_layer_test
from solutions import attention

pytestmark = [
    pytest.mark.all_backends,
    # Keras's variables do not take the `copy` keyword with which NumPy 2 calls them when a model is saved.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

# "python", "executes", "quicks" of the lecture notes: query, key and value at once.
WORDS = np.array([[0.1, 0.2, 0.9, 0.7, 0.6], [0.2, 0.3, 0.4, 0.6, 0.3], [0.3, 0.1, 0.8, 0.7, 0.6]], dtype="float32")

FOUR_DIGITS = {"atol": 5e-5, "rtol": 0}
"""Tolerance where the expected numbers are printed with four digits."""


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def attend(*arrays, mask=None):
    tensors = [ops.convert_to_tensor(np.asarray(x, dtype="float32")) for x in arrays]
    mask = None if mask is None else ops.convert_to_tensor(mask)
    return tuple(to_numpy(x) for x in attention.scaled_dot_product_attention(*tensors, mask=mask))


EXAMPLES = [test for test in doctest.DocTestFinder().find(attention, "attention") if test.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=[test.name for test in EXAMPLES])
def test_example_in_docstring(example):
    output = []
    doctest.DocTestRunner().run(example, out=output.append)
    assert not output, "".join(output)


def test_every_exercise_has_an_example():
    names = {name for name, value in vars(attention).items() if getattr(value, "__module__", "") == attention.__name__}
    assert names <= {test.name.removeprefix("attention.") for test in EXAMPLES} | {"train_unscrambler"}


# --- scores ---


def test_dot_products_of_the_slide():
    keys = ops.array([[4.0, 3.0], [1.0, 4.0], [-4.0, 3.0], [-2.0, -3.0]])
    assert to_numpy(attention.dot_scores(ops.array([3.0, 4.0]), keys)).tolist() == [24, 19, 0, -18]


def test_a_long_key_beats_a_better_aligned_one():
    keys = ops.array([[4.0, 3.0], [2.0, 8.0]])
    assert to_numpy(attention.dot_scores(ops.array([3.0, 4.0]), keys)).tolist() == [24, 38]


# --- scaled dot-product attention ---


def test_attention_of_the_lecture_notes():
    output, weights = attend(WORDS, WORDS, WORDS)
    expected = [[0.3701, 0.2743, 0.3555], [0.3495, 0.3056, 0.3449], [0.3639, 0.2770, 0.3591]]
    np.testing.assert_allclose(weights, expected, **FOUR_DIGITS)
    np.testing.assert_allclose(output[0], [0.1985, 0.1919, 0.7273, 0.6726, 0.5177], **FOUR_DIGITS)


def test_division_by_eight():
    query, key = np.zeros((1, 64)), np.zeros((2, 64))
    query[0, 0], key[:, 0] = 1, [112, 96]
    np.testing.assert_allclose(attend(query, key, [[0.0], [1.0]])[1], [[0.8808, 0.1192]], **FOUR_DIGITS)


def test_causal_attention_of_the_lecture_notes():
    weights = attend(WORDS, WORDS, WORDS, mask=np.tri(3, dtype=bool))[1]
    expected = [[1, 0, 0], [0.5335, 0.4665, 0], [0.3639, 0.2770, 0.3591]]
    np.testing.assert_allclose(weights, expected, **FOUR_DIGITS)


def test_order_of_keys_does_not_matter_and_order_of_queries_is_kept():
    rng = np.random.default_rng(0)
    query, key, value = rng.normal(size=(4, 3)), rng.normal(size=(6, 3)), rng.normal(size=(6, 5))
    order, turn = rng.permutation(6), [2, 0, 3, 1]
    output, weights = attend(query, key, value)
    again, reordered = attend(query[turn], key[order], value[order])
    np.testing.assert_allclose(again, output[turn], atol=1e-6)  # sums in another order
    np.testing.assert_allclose(reordered, weights[turn][:, order], atol=1e-6)


def test_mask_holds_against_any_score():
    query, key, value = [[200.0]], [[-100.0], [100.0]], [[1.0], [2.0]]  # scores of -20,000 and 20,000
    output, weights = attend(query, key, value, mask=np.array([[True, False]]))
    assert weights.tolist() == [[1, 0]]
    assert output.tolist() == [[1]]


def test_attention_equals_that_of_keras():
    rng = np.random.default_rng(1)
    # Keras has the heads behind the positions: (batch, length, heads, dim).
    query, key, value = (rng.normal(size=(2, n, 3, 4)).astype("float32") for n in (5, 6, 6))
    mask = np.argsort(rng.random((2, 1, 5, 6)), axis=-1) < 3
    expected = ops.dot_product_attention(*(ops.convert_to_tensor(x) for x in (query, key, value)), mask=ops.array(mask))
    output, _ = attend(*(np.moveaxis(x, 2, 1) for x in (query, key, value)), mask=mask)
    np.testing.assert_allclose(np.moveaxis(output, 1, 2), to_numpy(expected), atol=1e-6)


# --- masks ---


def test_padding_of_a_short_batch():
    padding = attention.padding_mask(ops.array([[5, 0, 0], [0, 9, 2]]), pad_id=0)
    assert to_numpy(padding).tolist() == [[[True, False, False]], [[False, True, True]]]


def test_padding_id_may_be_any_number():
    assert to_numpy(attention.padding_mask(ops.array([[0, 7, 8]]), pad_id=7)).tolist() == [[[True, False, True]]]


# --- heads ---


def test_splitting_is_einsum_and_merging_undoes_it():
    x = np.random.default_rng(2).normal(size=(2, 3, 20)).astype("float32")
    heads = attention.split_heads(ops.convert_to_tensor(x), 4)
    np.testing.assert_array_equal(to_numpy(heads), np.einsum("blhd->bhld", x.reshape(2, 3, 4, 5)))
    np.testing.assert_array_equal(to_numpy(attention.merge_heads(heads)), x)


def test_pieces_work_in_a_layer_whose_length_is_not_known():
    class Pieces(keras.layers.Layer):
        def call(self, x):
            heads = attention.split_heads(x, 2)
            mixed, _ = attention.scaled_dot_product_attention(heads, heads, heads)
            return attention.merge_heads(mixed)

        def compute_output_shape(self, shape):
            return shape

    x = keras.Input((None, 8))
    model = keras.Model(x, Pieces()(x))
    for length in (3, 5):
        assert model.predict(np.zeros((2, length, 8), "float32"), verbose=0).shape == (2, length, 8)


# --- multi-head attention ---


def keras_twin(layer, model_dim):
    """Keras's own layer with the same weights; it stores heads and their features on separate axes."""
    heads, key_dim = layer.num_heads, layer.key_dim
    twin = keras.layers.MultiHeadAttention(heads, key_dim)
    twin.build((None, None, model_dim), (None, None, model_dim))
    weights = []
    for name in ("query", "key", "value"):
        dense = getattr(layer, f"{name}_dense")
        weights.append(to_numpy(dense.kernel.value).reshape(model_dim, heads, key_dim))
        weights.append(to_numpy(dense.bias.value).reshape(heads, key_dim))
    weights.append(to_numpy(layer.output_dense.kernel.value).reshape(heads, key_dim, model_dim))
    weights.append(to_numpy(layer.output_dense.bias.value))
    twin.set_weights(weights)
    return twin


@pytest.mark.parametrize("mask_shape", [None, (2, 5, 7), (2, 1, 7), (1, 5, 7)])
@pytest.mark.parametrize("with_key", [False, True])
def test_multi_head_attention_equals_that_of_keras(mask_shape, with_key):
    rng = np.random.default_rng(3)
    query, value, key = (ops.convert_to_tensor(rng.normal(size=(2, n, 10)).astype("float32")) for n in (5, 7, 7))
    key = key if with_key else None
    mask = None if mask_shape is None else ops.array(np.argsort(rng.random(mask_shape), axis=-1) < 4)
    layer = attention.MultiHeadAttention(num_heads=3, key_dim=4)
    layer(query, value, key=key)
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape) * 0.5)  # biases too
    expected = keras_twin(layer, model_dim=10)(query, value, key=key, attention_mask=mask)
    received = to_numpy(layer(query, value, key=key, mask=mask))
    np.testing.assert_allclose(received, to_numpy(expected), atol=1e-5)  # float32, numbers up to 10


def test_one_head_with_identity_weights_is_plain_attention():
    layer = attention.MultiHeadAttention(num_heads=1, key_dim=5)
    words = ops.convert_to_tensor(WORDS[None])
    layer(words, words)
    for variable in layer.weights:
        variable.assign(np.eye(5) if len(variable.shape) == 2 else np.zeros(5))
    received = to_numpy(layer(words, words))[0, 0]
    np.testing.assert_allclose(received, [0.1985, 0.1919, 0.7273, 0.6726, 0.5177], **FOUR_DIGITS)


def test_multi_head_attention_is_a_good_layer(tmp_path):
    rng = np.random.default_rng(4)
    inputs = {name: rng.normal(size=(2, n, 10)).astype("float32") for name, n in (("query", 5), ("value", 7), ("key", 7))}
    inputs["mask"] = np.argsort(rng.random((2, 5, 7)), axis=-1) < 4
    shapes = {f"{name}_dense.kernel": (10, 12) for name in ("query", "key", "value")}
    shapes |= {f"{name}_dense.bias": (12,) for name in ("query", "key", "value")}
    shapes |= {"output_dense.kernel": (12, 10), "output_dense.bias": (10,)}
    run_layer_test(attention.MultiHeadAttention, {"num_heads": 3, "key_dim": 4}, inputs, (2, 5, 10), shapes, tmp_path)


def test_multi_head_attention_takes_sequences_of_any_length():
    query, value = keras.Input((None, 10)), keras.Input((None, 10))
    model = keras.Model([query, value], attention.MultiHeadAttention(2, 3)(query, value))
    assert model.output_shape == (None, None, 10)
    for length in (4, 6):
        assert tuple(model([np.zeros((1, length, 10)), np.zeros((1, 3, 10))]).shape) == (1, length, 10)


@pytest.mark.parametrize(("num_heads", "key_dim"), [(0, 4), (2, 0), (-1, 3)])
def test_multi_head_attention_refuses_sizes_below_one(num_heads, key_dim):
    with pytest.raises(ValueError, match="Received: num_heads="):
        attention.MultiHeadAttention(num_heads, key_dim)


# --- counting ---


@pytest.mark.parametrize(("sizes", "count"), [((512, 8, 64), 1_050_624), ((512, 8, 512), 8_401_408), ((10, 3, 4), 526)])
def test_count_equals_that_of_both_layers(sizes, count):
    model_dim, num_heads, key_dim = sizes
    assert attention.count_attention_params(*sizes) == count
    for layer_class in (attention.MultiHeadAttention, keras.layers.MultiHeadAttention):
        layer = layer_class(num_heads, key_dim)
        layer.build((None, None, model_dim), (None, None, model_dim))
        assert layer.count_params() == count


# --- positions ---


def test_positions_have_one_length_and_products_that_depend_on_distance_only():
    table = to_numpy(attention.positional_encoding(40, 512))
    np.testing.assert_allclose(table[1, :4], [0.8415, 0.5403, 0.8219, 0.5697], **FOUR_DIGITS)
    assert table[0, :4].tolist() == [0, 1, 0, 1]
    assert abs(table).max() <= 1
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), np.full(40, 16.0), atol=1e-4)  # 512 squares in float32
    products = [table[p] @ table[p + 5] for p in range(35)]
    np.testing.assert_allclose(products, np.full(35, 189.597), atol=2e-3)  # printed with three digits, float32 sums


# --- training ---


def test_recall_looks_at_content_and_takes_any_number_of_pairs():
    x, y, _ = data.recall(samples=400, pairs=4, names=6, values=7, seed=0)
    model = attention.train_recall(x, y, seed=1)
    for pairs in (2, 6):
        new, answers, asked = data.recall(samples=200, pairs=pairs, names=6, values=7, seed=2)
        logits, weights = (to_numpy(found) for found in model(ops.array(new)))
        assert np.mean(logits.argmax(axis=1) == answers) > 0.95
        assert np.mean(weights[np.arange(200), asked]) > 0.8
