"""Convolutional networks, from one sliding window to a trained classifier."""

import keras
import numpy as np
from keras import layers, ops


def conv2d_single(image, kernel, stride: int = 1, padding: int = 0):
    """Slide a kernel over an image and take a weighted sum in every place.

    This is what deep learning calls convolution: the kernel is laid on the image as it is, not
    turned around.

    Args:
        image: Float NumPy array, `(height, width)`.
        kernel: Float NumPy array, `(kernel_height, kernel_width)`; no larger than the padded image.
        stride: Pixels from one place to the next, down and to the right, at least 1.
        padding: Rows and columns of zeros around the image, on each of its four sides.

    Returns:
        Float NumPy array, `(rows, columns)`: one number for each place in which the kernel lies
        inside the padded image, places in the order of reading.

    Example:
        >>> image = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> print(conv2d_single(image, np.array([[1.0, 10.0]])))
        [[21. 32.]
         [54. 65.]]

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 9.1, equation 9.6.
    """
    image = np.pad(image, padding)
    height, width = kernel.shape
    rows = (image.shape[0] - height) // stride + 1
    columns = (image.shape[1] - width) // stride + 1
    output = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            # The window's corner moves by the stride, its size is the kernel's.
            top, left = row * stride, column * stride
            output[row, column] = np.sum(image[top : top + height, left : left + width] * kernel)
    return output


def conv_output_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Count the places of a kernel along one axis of an image.

    Args:
        size: Pixels of the image along this axis.
        kernel_size: Weights of the kernel along this axis.
        stride: Pixels from one place to the next, at least 1.
        padding: Pixels that are added at each of the two ends.
        dilation: Pixels from one weight of the kernel to the next; 1 means side by side.

    Returns:
        The number of places in which the whole kernel lies inside the padded image, at least 1.

    Example:
        >>> conv_output_size(224, kernel_size=7, stride=2, padding=3)
        112

    Reference:
        Dumoulin and Visin, 2016, A guide to convolution arithmetic for deep learning, sections 2.4
        and 5.1. arXiv:1603.07285
    """
    # From the first weight to the last there are kernel_size - 1 gaps of `dilation` pixels.
    reach = dilation * (kernel_size - 1) + 1
    # The first place costs `reach` pixels, and every further one costs `stride`; what is left over gives none.
    return (size + 2 * padding - reach) // stride + 1


def conv2d(images, kernel, bias):
    """Convolve a batch of images that have channels, without padding and with stride 1.

    Args:
        images: Float tensor, `(batch, height, width, in_channels)`.
        kernel: Float tensor, `(kernel_height, kernel_width, in_channels, filters)`.
        bias: Float tensor, `(filters,)`.

    Returns:
        Float tensor, `(batch, height - kernel_height + 1, width - kernel_width + 1, filters)`. Each
        number is a sum over the window and over all channels of the image, plus the filter's bias.

    Example:
        >>> images = ops.ones((1, 4, 5, 3))
        >>> output = conv2d(images, ops.ones((2, 2, 3, 1)), ops.array([0.5]))
        >>> print(tuple(output.shape), float(output[0, 0, 0, 0]))
        (1, 3, 4, 1) 12.5

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 9.5, equation 9.7.
    """
    kernel_height, kernel_width = kernel.shape[:2]
    height = images.shape[1] - kernel_height + 1
    width = images.shape[2] - kernel_width + 1
    output = bias
    for i in range(kernel_height):
        for j in range(kernel_width):
            # What weight (i, j) of the kernel sees, in all its places at once.
            seen = images[:, i : i + height, j : j + width, :]  # (batch, rows, columns, in_channels)
            output = output + ops.matmul(seen, kernel[i, j])  # (batch, rows, columns, filters)
    return output


def max_pool2d(images, pool_size: int, stride: int):
    """Keep the largest number of each window, channel by channel.

    Args:
        images: Float tensor, `(batch, height, width, channels)`.
        pool_size: Height and width of the window.
        stride: Pixels from one window to the next, down and to the right.

    Returns:
        Float tensor, `(batch, rows, columns, channels)`, of the windows that lie inside the image.

    Example:
        >>> images = ops.reshape(ops.arange(1.0, 17.0), (1, 4, 4, 1))
        >>> print(ops.convert_to_numpy(max_pool2d(images, pool_size=2, stride=2))[0, :, :, 0])
        [[ 6.  8.]
         [14. 16.]]

    Reference:
        Goodfellow, Bengio and Courville, 2016, Deep Learning, section 9.3.
    """
    rows = (images.shape[1] - pool_size) // stride + 1
    columns = (images.shape[2] - pool_size) // stride + 1
    # Entry (i, j) of every window, as one image each; the largest of these images is the result.
    entries = [
        images[:, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride, :]
        for i in range(pool_size)
        for j in range(pool_size)
    ]
    return ops.max(ops.stack(entries), axis=0)  # (batch, rows, columns, channels)


def count_vgg_params(blocks, n_classes: int = 1000, head: str = "dense") -> int:
    """Count the trainable numbers of a VGG network for colour images of 224 by 224 pixels.

    Every convolution has a bias and keeps the image's size, and a 2 by 2 max pooling ends each
    block, which halves both sides, rounded down. The head `"dense"` flattens what is left, and has
    dense layers of 4096, 4096 and `n_classes` neurons; the head `"average"` is global average
    pooling and one dense layer of `n_classes` neurons. All dense layers have biases.

    Args:
        blocks: List of blocks; a block is a list of its convolutions, `(kernel_size, filters)` each.
        n_classes: Number of classes.
        head: `"dense"` or `"average"`.

    Returns:
        The number of weights and biases of the whole network.

    Example:
        >>> count_vgg_params([[(3, 64)], [(3, 128)]], n_classes=10, head="average")
        76938

    Reference:
        Simonyan and Zisserman, 2014, Very Deep Convolutional Networks for Large-Scale Image
        Recognition, section 2. arXiv:1409.1556
    """
    size, channels, total = 224, 3, 0
    for block in blocks:
        for kernel_size, filters in block:
            # Each filter has a kernel for every channel of its input, and one bias for them all.
            total += kernel_size**2 * channels * filters + filters
            channels = filters
        size //= 2  # pooling halves the image, and has nothing to learn
    sizes = [size * size * channels, 4096, 4096] if head == "dense" else [channels]
    for features, neurons in zip(sizes, [*sizes[1:], n_classes], strict=True):
        total += features * neurons + neurons
    return total


def count_multiply_adds(size: int, channels: int, convolutions, dense: bool = False) -> int:
    """Count the multiplications of weights that a stack of convolutions makes for one image.

    The images are square, and so are the kernels. Padding is `"same"`: a convolution with stride `s`
    gives `ceil(size / s)` places along each axis. In a convolution with `g` groups, channels and
    filters are split into `g` equal parts, and each filter reads the channels of its own part only.
    Biases, which are added, do not count.

    Args:
        size: Height and width of the image.
        channels: Channels of the image.
        convolutions: List of convolutions in their order, `(kernel_size, filters, stride, groups)`
            each; `groups` divides the channels that are read, and the filters.
        dense: Whether a convolution reads all channels that there are so far, those of the image and
            of every convolution before it, side by side; all strides are 1 then. If not, it
            reads the result of the one before it.

    Returns:
        The number of multiply-adds of all convolutions together.

    Example:
        >>> count_multiply_adds(28, 192, [(5, 32, 1, 1)])
        120422400
        >>> count_multiply_adds(28, 192, [(1, 16, 1, 1), (5, 32, 1, 1)])
        12443648

    Reference:
        Szegedy et al., 2014, Going deeper with convolutions, section 4, arXiv:1409.4842; Howard et
        al., 2017, MobileNets, section 3.1, arXiv:1704.04861; Huang, Liu, van der Maaten and
        Weinberger, 2016, Densely Connected Convolutional Networks, section 3, arXiv:1608.06993.
    """
    total = 0
    for kernel_size, filters, stride, groups in convolutions:
        size = -(-size // stride)  # rounded up
        # In each place, each filter multiplies its kernel with what it reads: a group's share of the channels.
        total += size**2 * filters * kernel_size**2 * (channels // groups)
        channels = channels + filters if dense else filters
    return total


def batch_norm(x, gamma, beta, moving_mean, moving_variance, training: bool, momentum: float = 0.9, epsilon: float = 1e-3):
    """Normalise each channel over all samples and places, then scale and shift it.

    While training, mean and variance are those of the batch itself, and the moving averages follow
    them: a share `momentum` of the old one stays, the rest is the batch's. Afterwards, the moving
    averages take the place of mean and variance, and stay as they are. The variance is the mean of
    the squared differences (divided by `n`, not by `n - 1`), and `epsilon` is added to it.

    Args:
        x: Float tensor, `(batch, ..., channels)`, with two axes or more.
        gamma: Float tensor, `(channels,)`: what the normalised numbers are multiplied by.
        beta: Float tensor, `(channels,)`: what is added to them then.
        moving_mean: Float tensor, `(channels,)`.
        moving_variance: Float tensor, `(channels,)`.
        training: Whether the statistics of the batch are used, and followed.
        momentum: Between 0 and 1.
        epsilon: Positive.

    Returns:
        `(y, moving_mean, moving_variance)`: float tensors, `y` of the shape of `x`, and the moving
        averages afterwards.

    Example:
        >>> x = ops.array([[1.0, 10.0], [3.0, 30.0]])
        >>> zeros, ones = ops.zeros(2), ops.ones(2)
        >>> y, mean, _ = batch_norm(x, ones, zeros, zeros, ones, training=True)
        >>> print(ops.convert_to_numpy(y).round())
        [[-1. -1.]
         [ 1.  1.]]
        >>> print(ops.convert_to_numpy(10 * mean).round())
        [ 2. 20.]

    Reference:
        Ioffe and Szegedy, 2015, Batch Normalization, section 3, algorithms 1 and 2, with the variance
        as Keras takes it. arXiv:1502.03167
    """
    mean, variance = moving_mean, moving_variance
    if training:
        # One number per channel: samples and places are averaged away together.
        mean, variance = ops.moments(x, axes=tuple(range(len(x.shape) - 1)))
        moving_mean = momentum * moving_mean + (1 - momentum) * mean
        moving_variance = momentum * moving_variance + (1 - momentum) * variance
    y = gamma * (x - mean) / ops.sqrt(variance + epsilon) + beta
    return y, moving_mean, moving_variance


@keras.saving.register_keras_serializable(package="course")
class ResidualBlock(layers.Layer):
    """Two convolutions whose result is added to what came in.

    The layers are given: `conv1` and `conv2` have `filters` kernels of 3 by 3, keep the image's
    size but for the stride of `conv1`, and have neither bias nor activation; `norm1` and `norm2` are
    batch normalisations. `projection` is a convolution of 1 by 1 with the same stride where the
    input's shape differs from the output's; where it does not, `projection` is `None`.

    Args:
        filters: Channels of the output, at least 1.
        stride: Stride of the block, at least 1.

    Raises:
        ValueError: If `filters` or `stride` is not positive.

    Example:
        >>> block = ResidualBlock(filters=8, stride=2)
        >>> print(tuple(block(ops.zeros((1, 6, 6, 4))).shape), block.count_params())
        (1, 3, 3, 8) 968

    Reference:
        He, Zhang, Ren and Sun, 2015, Deep Residual Learning for Image Recognition, section 3.2,
        equations 1 and 2, and section 3.4; the projection without normalisation. arXiv:1512.03385
    """

    def __init__(self, filters: int, stride: int = 1, **kwargs):
        super().__init__(**kwargs)
        if filters < 1 or stride < 1:
            raise ValueError(f"Expected filters and stride of at least 1. Received: {filters=}, {stride=}.")
        self.filters = filters
        self.stride = stride
        # A bias would be taken away again by the normalisation, which has a shift of its own.
        how = {"padding": "same", "use_bias": False, "dtype": self.dtype_policy}
        self.conv1 = layers.Conv2D(filters, 3, stride, **how, name="conv1")
        self.norm1 = layers.BatchNormalization(momentum=0.9, dtype=self.dtype_policy, name="norm1")
        self.conv2 = layers.Conv2D(filters, 3, **how, name="conv2")
        self.norm2 = layers.BatchNormalization(momentum=0.9, dtype=self.dtype_policy, name="norm2")
        self.projection = None

    def build(self, input_shape):
        output_shape = self.conv1.compute_output_shape(input_shape)
        self.conv1.build(input_shape)
        for layer in (self.norm1, self.conv2, self.norm2):
            layer.build(output_shape)
        if self.stride > 1 or input_shape[-1] != self.filters:
            self.projection = layers.Conv2D(self.filters, 1, self.stride, dtype=self.dtype_policy, name="projection")
            self.projection.build(input_shape)

    def call(self, x):
        """Send images through the block.

        Each convolution is followed by its normalisation; ReLU follows the first normalisation, and
        the sum. Whether the block is being trained, Keras tells the normalisations by itself.

        Args:
            x: Float tensor, `(batch, height, width, channels)`.

        Returns:
            Float tensor, `(batch, height / stride, width / stride, filters)`, both sizes rounded up;
            no entry is negative.
        """
        hidden = ops.relu(self.norm1(self.conv1(x)))
        change = self.norm2(self.conv2(hidden))
        shortcut = x if self.projection is None else self.projection(x)
        # After the sum: before it, the block could only add, never take away.
        return ops.relu(shortcut + change)

    def compute_output_shape(self, input_shape):
        return self.conv1.compute_output_shape(input_shape)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "stride": self.stride}


def build_cnn(image_size: int, channels: int, filters: int, n_classes: int) -> keras.Model:
    """Build a small convolutional classifier, for a loss that takes logits.

    Two convolutions of 3 by 3 with a bias and ReLU, which keep the image's size: the first has
    `filters` filters, the second twice as many. After each of them comes a max pooling of 2 by 2.
    Then global average pooling, and a dense layer with a bias.

    Args:
        image_size: Height and width of the images, at least 4.
        channels: Channels of the images.
        filters: Filters of the first convolution.
        n_classes: Number of classes.

    Returns:
        Keras model, not compiled, with random initial weights: from `(batch, image_size,
        image_size, channels)` to logits, `(batch, n_classes)`, any real numbers.

    Example:
        >>> build_cnn(8, channels=1, filters=16, n_classes=10).count_params()
        5130

    Reference:
        LeCun, Bottou, Bengio and Haffner, 1998, Gradient-based learning applied to document
        recognition, section II; Lin, Chen and Yan, 2013, for the average. arXiv:1312.4400
    """
    inputs = layers.Input((image_size, image_size, channels))
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(2 * filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    # The average forgets where a pattern was, so the dense layer needs one weight per channel, not one per pixel.
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(n_classes)(x))


def shift_images(images, shifts):
    """Move each image by its own number of pixels; zeros come in at the border.

    Args:
        images: Float NumPy array, `(batch, height, width, channels)`.
        shifts: Integer NumPy array, `(batch, 2)`: by how many pixels each image moves down and to the
            right; negative numbers move it up and to the left.

    Returns:
        Float NumPy array of the shape of `images`. What is moved over the border is lost.

    Example:
        >>> images = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
        >>> print(shift_images(images, np.array([[1, -1]]))[0, :, :, 0])
        [[0. 0. 0.]
         [2. 3. 0.]
         [5. 6. 0.]]

    Reference:
        Krizhevsky, Sutskever and Hinton, 2012, ImageNet Classification with Deep Convolutional Neural
        Networks, section 4.1; He, Zhang, Ren and Sun, 2015, section 4.2, pads and cuts like this.
        arXiv:1512.03385
    """
    height, width = images.shape[1:3]
    reach = np.abs(shifts).max()
    # In an image with a wide enough border, to move it is to look through a window elsewhere.
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    moved = np.zeros_like(images)
    for n, (down, right) in enumerate(shifts):
        top, left = reach - down, reach - right
        moved[n] = padded[n, top : top + height, left : left + width]
    return moved


def train_signal_classifier(x, y, seed):
    """Make a network that knows what a neighbour is, train it on signals, and return it.

    Args:
        x: Float32 array, `(samples, positions)`: signals with a mean near 0 and a standard
            deviation near 1. Neighbouring positions belong together.
        y: Integer array, `(samples,)`: the class of each signal, from 0 to `classes - 1`; every
            class occurs.
        seed: Integer, not negative; the same seed gives the same model.

    Returns:
        A trained `keras.Model` from `(batch, positions)` to logits, `(batch, classes)`: real
        numbers, the largest at the predicted class. Not probabilities.

    Example:
        >>> y = np.arange(400) % 2
        >>> x = np.zeros((400, 12), dtype="float32")
        >>> x[np.arange(400), np.arange(400) // 2 % 11] = 1
        >>> x[np.arange(400), np.arange(400) // 2 % 11 + 1] = 1 - 2 * y  # both up, or up and down
        >>> model = train_signal_classifier(x, y, seed=0)
        >>> print(ops.convert_to_numpy(ops.argmax(model(x[:4]), axis=-1)))
        [0 1 0 1]

    Reference:
        LeCun, Bottou, Bengio and Haffner, 1998, Gradient-based learning applied to document
        recognition, section II.
    """
    keras.utils.set_random_seed(seed)
    # A convolution along time slides over positions; a signal of one number per position has one channel.
    model = keras.Sequential(
        [
            layers.Reshape((-1, 1)),
            layers.Conv1D(48, 5, padding="same", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(48, 5, padding="same", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(48, 5, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(int(np.max(y)) + 1),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(x, y, batch_size=128, epochs=12, verbose=0)
    return model
