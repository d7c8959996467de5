"""The solutions of `cnn`: doctests, the lectures' worked examples, and Keras's own ops, layers and models.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_cnn.py`.
"""

import doctest

import keras
import numpy as np
import pytest
from keras import layers, ops

from layer_test import run_layer_test
from solutions import cnn

pytestmark = pytest.mark.all_backends

IMAGE = np.array([[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]], dtype=float)
KERNEL = np.array([[0, 1, 2], [2, 2, 0], [0, 1, 2]], dtype=float)
RESULT = np.array([[12, 12, 17], [10, 17, 19], [9, 6, 14]], dtype=float)
FLOAT32 = {"atol": 2e-5, "rtol": 2e-5}
"""Rounding of float32 over sums of some dozens of products."""


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def float32(*shape):
    return np.random.default_rng(7).normal(size=shape).astype("float32")


def test_doctests():
    result = doctest.testmod(cnn)
    assert result.attempted > 10
    assert result.failed == 0


# --- one window ---


def test_the_lectures_example():
    assert cnn.conv2d_single(IMAGE, KERNEL).tolist() == RESULT.tolist()
    assert cnn.conv2d_single(IMAGE, KERNEL, stride=2).tolist() == [[12, 17], [9, 14]]
    assert cnn.conv2d_single(IMAGE, KERNEL, padding=1)[0].tolist() == [6, 14, 17, 11, 3]
    # what mathematics calls convolution
    assert cnn.conv2d_single(IMAGE, KERNEL[::-1, ::-1]).tolist() == [[18, 20, 19], [10, 9, 17], [11, 8, 14]]
    assert cnn.conv2d_single(IMAGE, KERNEL.T).tolist() == [[17, 15, 20], [11, 13, 19], [8, 6, 12]]


def test_the_lectures_kernel_is_the_only_one_that_gives_its_result():
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE, (3, 3)).reshape(9, 9)
    assert np.linalg.matrix_rank(windows) == 9
    np.testing.assert_allclose(np.linalg.solve(windows, RESULT.ravel()), KERNEL.ravel(), atol=1e-12)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 2), (3, 1)])
def test_single_convolution_equals_keras(stride, padding):
    image, kernel = float32(7, 9), float32(3, 2)
    wide = np.pad(image, padding)[None, :, :, None]
    expected = array(ops.conv(ops.array(wide), ops.array(kernel[:, :, None, None]), strides=stride, padding="valid"))[
        0, :, :, 0
    ]
    np.testing.assert_allclose(cnn.conv2d_single(image, kernel, stride, padding), expected, **FLOAT32)


@pytest.mark.parametrize("size", [7, 8, 13])
@pytest.mark.parametrize(("kernel_size", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (2, 3, 1), (3, 1, 2), (4, 1, 2)])
def test_output_size_equals_keras(size, kernel_size, stride, dilation):
    for padding in (0, 2):
        layer = layers.Conv1D(1, kernel_size, strides=stride, dilation_rate=dilation)
        expected = layer.compute_output_shape((1, size + 2 * padding, 1))[1]
        assert cnn.conv_output_size(size, kernel_size, stride, padding, dilation) == expected


# --- channels and pooling ---


@pytest.mark.parametrize(("images", "kernel"), [((2, 5, 6, 3), (3, 2, 3, 4)), ((1, 4, 4, 2), (1, 1, 2, 5))])
def test_convolution_equals_the_layer(images, kernel):
    x, weights, bias = float32(*images), float32(*kernel), float32(kernel[-1])
    layer = layers.Conv2D(kernel[-1], kernel[:2])
    layer.build(images)
    layer.set_weights([weights, bias])
    expected = array(layer(x))
    np.testing.assert_allclose(array(cnn.conv2d(*map(ops.array, (x, weights, bias)))), expected, **FLOAT32)


def test_pooling_of_the_lectures_result():
    numbers = ops.array(RESULT[None, :, :, None])
    assert array(cnn.max_pool2d(numbers, 2, 1))[0, :, :, 0].tolist() == [[17, 19], [17, 19]]


@pytest.mark.parametrize(("pool_size", "stride"), [(2, 2), (3, 1), (3, 2), (2, 3)])
def test_max_pool_equals_the_layer(pool_size, stride):
    images = ops.array(float32(2, 7, 8, 3))
    expected = array(layers.MaxPooling2D(pool_size, stride)(images))
    np.testing.assert_array_equal(array(cnn.max_pool2d(images, pool_size, stride)), expected)


# --- counting ---

WIDTHS = (64, 128, 256, 512, 512)
VGG = {
    "A": ((1, 1, 2, 2, 2), 132_863_336),
    "B": ((2, 2, 2, 2, 2), 133_047_848),
    "C": ((2, 2, 3, 3, 3), 133_638_952),
    "D": ((2, 2, 3, 3, 3), 138_357_544),
    "E": ((2, 2, 4, 4, 4), 143_667_240),
}
"""Convolutions per block, and parameters. C's third convolutions are 1 by 1; D and E are what Keras calls VGG16 and VGG19."""


def vgg(name):
    blocks = [[(3, width)] * count for width, count in zip(WIDTHS, VGG[name][0], strict=True)]
    if name == "C":
        blocks = [[*block[:2], *((1, filters) for _, filters in block[2:])] for block in blocks]
    return blocks


@pytest.mark.parametrize("name", VGG)
def test_parameters_of_vgg(name):
    assert cnn.count_vgg_params(vgg(name)) == VGG[name][1]


def test_an_average_in_place_of_dense_layers():
    assert cnn.count_vgg_params(vgg("D"), head="average") == 15_227_688


@pytest.mark.parametrize("head", ["dense", "average"])
def test_count_equals_keras(head):
    blocks = [[(3, 4), (1, 6)], [(5, 8)], [(3, 4)], [(3, 2)], [(3, 2)]]
    model = keras.Sequential([layers.Input((224, 224, 3))])
    for block in blocks:
        for kernel_size, filters in block:
            model.add(layers.Conv2D(filters, kernel_size, padding="same"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten() if head == "dense" else layers.GlobalAveragePooling2D())
    for neurons in [4096, 4096, 7] if head == "dense" else [7]:
        model.add(layers.Dense(neurons))
    assert cnn.count_vgg_params(blocks, n_classes=7, head=head) == model.count_params()


@pytest.mark.parametrize("dense", [False, True])
def test_multiply_adds_are_weights_times_places(dense):
    stack = [(3, 12, 1 if dense else 2, 2), (1, 8, 1, 4), (5, 6, 1, 1)]
    x = layers.Input((7, 7, 4))
    places, weights = [], []
    for kernel_size, filters, stride, groups in stack:
        layer = layers.Conv2D(filters, kernel_size, stride, "same", groups=groups, use_bias=False)
        y = layer(x)
        places.append(y.shape[1] * y.shape[2])
        weights.append(layer.count_params())
        x = layers.Concatenate()([x, y]) if dense else y
    assert cnn.count_multiply_adds(7, 4, stack, dense) == np.dot(places, weights)


def test_multiply_adds_of_a_layer_of_googlenet():
    assert cnn.count_multiply_adds(28, 192, [(5, 32, 1, 1)]) == 120_422_400
    assert cnn.count_multiply_adds(28, 192, [(1, 16, 1, 1), (5, 32, 1, 1)]) == 12_443_648


# --- normalisation ---


@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 6, 3)])
def test_normalisation_equals_the_layer_in_training_and_afterwards(shape):
    layer = layers.BatchNormalization(momentum=0.8, epsilon=0.01)
    layer.build(shape)
    gamma, beta = (ops.array(values) for values in float32(2, 3))
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    averages = ops.zeros(3), ops.ones(3)
    for training in (True, True, False):
        x = ops.array(3 + 2 * float32(*shape))
        y, *averages = cnn.batch_norm(x, gamma, beta, *averages, training=training, momentum=0.8, epsilon=0.01)
        np.testing.assert_allclose(array(y), array(layer(x, training=training)), **FLOAT32)
        np.testing.assert_allclose(array(averages[0]), array(layer.moving_mean), **FLOAT32)
        np.testing.assert_allclose(array(averages[1]), array(layer.moving_variance), **FLOAT32)


# --- a residual block ---

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def test_residual_block_by_hand():
    # A first convolution that copies, a second that takes the double, normalised by 0 and 1: x + 2 relu(x), and ReLU once more.
    block = cnn.ResidualBlock(filters=1)
    x = ops.array([[[[-3.0], [2.0]]]])
    block(x)
    for layer, factor in ((block.conv1, 1.0), (block.conv2, 2.0)):
        kernel = np.zeros((3, 3, 1, 1))
        kernel[1, 1] = factor
        layer.set_weights([kernel])
    for norm in (block.norm1, block.norm2):
        norm.moving_variance.assign([1 - 1e-3])  # its epsilon makes that 1
    np.testing.assert_allclose(array(block(x)).ravel(), [0.0, 6.0], **FLOAT32)


@pytest.mark.parametrize("training", [False, True])
def test_residual_block_with_a_last_scale_of_zeros_hands_on_its_input(training):
    block, x = cnn.ResidualBlock(filters=4), ops.array(float32(2, 5, 6, 4))
    block(x)
    block.norm2.gamma.assign(np.zeros(4))
    np.testing.assert_array_equal(array(block(x, training=training)), np.maximum(array(x), 0))


def test_residual_block_normalises_by_the_batch_while_it_is_trained():
    inputs = keras.Input((5, 6, 3))
    model = keras.Model(inputs, cnn.ResidualBlock(3)(inputs))
    block = model.layers[-1]
    model.compile("sgd", "mse")
    model.fit(5 + float32(8, 5, 6, 3), float32(8, 5, 6, 3), epochs=1, verbose=0)
    assert np.abs(array(block.norm1.moving_mean)).max() > 0


@pytest.mark.parametrize(("filters", "stride"), [(4, 1), (5, 1), (4, 2)])
def test_residual_block_is_a_good_layer(filters, stride, tmp_path):
    inputs = {"x": float32(2, 6, 7, 4)}
    shapes = {"conv1.kernel": (3, 3, 4, filters), "conv2.kernel": (3, 3, filters, filters)}
    shapes |= {f"{name}.{kind}": (filters,) for name in ("norm1", "norm2") for kind in NORM}
    if (filters, stride) != (4, 1):
        shapes |= {"projection.kernel": (1, 1, 4, filters), "projection.bias": (filters,)}
    output = (2, -(-6 // stride), -(-7 // stride), filters)
    run_layer_test(cnn.ResidualBlock, {"filters": filters, "stride": stride}, inputs, output, shapes, tmp_path)


@pytest.mark.parametrize(("filters", "stride"), [(0, 1), (3, 0)])
def test_residual_block_refuses_sizes_below_one(filters, stride):
    with pytest.raises(ValueError, match="Received: filters="):
        cnn.ResidualBlock(filters, stride)


# --- more images ---


def test_shifted_images_are_rolled_and_cut():
    images, rng = float32(20, 6, 7, 2), np.random.default_rng(3)
    shifts = rng.integers(-4, 5, size=(20, 2))
    before = images.copy(), shifts.copy()
    moved = cnn.shift_images(images, shifts)
    for image, result, (down, right) in zip(images, moved, shifts, strict=True):
        expected = np.roll(image, (down, right), axis=(0, 1))
        expected[(np.arange(6) < down) | (np.arange(6) >= 6 + down)] = 0
        expected[:, (np.arange(7) < right) | (np.arange(7) >= 7 + right)] = 0
        np.testing.assert_array_equal(result, expected)
    assert np.array_equal(images, before[0]) and np.array_equal(shifts, before[1])


# --- models ---


def test_model_has_the_layers_that_it_should():
    model = cnn.build_cnn(8, channels=2, filters=3, n_classes=5)
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == [*["Conv2D", "MaxPooling2D"] * 2, "GlobalAveragePooling2D", "Dense"]
    assert model.count_params() == (9 * 2 + 1) * 3 + (9 * 3 + 1) * 6 + (6 + 1) * 5
    assert array(model(float32(3, 8, 8, 2))).min() < 0


def test_model_survives_saving_and_training(tmp_path):
    model, x, labels = cnn.build_cnn(6, 1, 4, 3), float32(12, 6, 6, 1), np.arange(12) % 3
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(x, labels, epochs=1, batch_size=4, verbose=0)
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again(x)), array(model(x)), **FLOAT32)
