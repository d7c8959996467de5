# %% [markdown] title="Convolutional networks" order=2 minutes=90 builds="convolution, stride, padding and dilation, pooling, VGG's parameters, a residual block, a network for images, a trained classifier of signals"
# # Convolutional networks
#
# **{points} points · about {minutes} minutes**
#
# Shuffle the pixels of a photo, and you no longer see what it shows. A network of dense layers does not mind: it never knew
# which pixels were neighbours. In this unit you build networks that do know: first the sliding window that they are made of,
# pixel by pixel, then pooling and a residual block, then a classifier that leaves every dense network behind.
#
# **Before you start** you need NumPy slices such as `image[2:5, 1:4]`, and the unit *From one neuron to back-propagation* or its
# ideas: dense layers, logits, ReLU, training with Keras.
#
# **How it works.** Each exercise has a cell to fill in: read its docstring, replace `raise NotImplementedError()`, run it,
# then run the check below it. If the check prints nothing, the numbers that it tries are right. Grading tries others, in more
# cases, and an answer that is right in some of them earns part of the points.
#
# Your answers can use what the set-up cell imports, but nothing that is defined in the cells headed “look at it”. No exercise
# needs an earlier one; you may call an earlier answer of yours, as long as that one is right. Some functions are
# *off-limits* because they would be the whole answer. The checks here do not look for them, but grading does.
#
# ## Set-up

# %% setup=true
from course import data, plots, training  # first, to keep the log quiet
from course.probe import probe

import numpy as np
import keras
from keras import layers, ops

training.set_seed(0)
training.report()

# %% [markdown]
# ## 1. A window that slides
#
# Here are handwritten digits of 8 × 8 pixels, and the same digits with their pixels shuffled, in the same way for all of them.
# *Predict: which of the two can a dense network learn better?*

# %%
(x_train, y_train), (x_test, y_test) = data.digits()
order = np.random.default_rng(0).permutation(64)

def shuffled(images):
    return images.reshape(len(images), 64)[:, order].reshape(images.shape)

plots.images(x_train, y_train)
plots.images(shuffled(x_train), y_train)

# %% [markdown]
# Neither: a dense layer has one weight per pixel, and with the weights shuffled the same way it computes the same. You do see
# the difference, because you look at **neighbours**: edges, corners, loops. And an edge is an edge wherever it is, so what
# finds it in one place should find it everywhere. That is the whole idea of a convolution:
#
# - a small table of weights, the **kernel**, is laid on a window of the image;
# - each weight is multiplied by the pixel below it, and the products are added up: one number for this place;
# - the window slides on, with **the same** weights.
#
# By hand, for an image of 5 × 5 pixels and a kernel of 3 × 3. The first window is printed in bold:
#
# | image | | | | | | kernel | | |
# |---|---|---|---|---|---|---|---|---|
# | **3** | **3** | **2** | 1 | 0 | | 0 | 1 | 2 |
# | **0** | **0** | **1** | 3 | 1 | | 2 | 2 | 0 |
# | **3** | **1** | **2** | 2 | 3 | | 0 | 1 | 2 |
# | 2 | 0 | 0 | 2 | 2 | | | | |
# | 2 | 0 | 0 | 0 | 1 | | | | |
#
# $$ 0·3 + 1·3 + 2·2 \; + \; 2·0 + 2·0 + 0·1 \; + \; 0·3 + 1·1 + 2·2 = 12 $$
#
# There are 3 × 3 places, and the results are $\begin{pmatrix} 12 & 12 & 17 \\ 10 & 17 & 19 \\ 9 & 6 & 14 \end{pmatrix}$.
#
# **A word on the word.** In mathematics, convolution turns the kernel around by 180° before it slides; what is computed here is
# called cross-correlation there. Deep learning says convolution all the same, since the kernel is learned anyway. Turned around,
# this kernel would give 18 in the first place. Note also that this example, a popular one, is symmetric from top to
# bottom: a program that lays the kernel upside down passes it. The check below uses a second kernel for that reason.

# %% [markdown]
# ### `conv2d_single`
#
# Write it for one image `(height, width)` and one kernel `(kernel_height, kernel_width)`, both NumPy arrays. The `stride` is how
# many pixels the window moves at a time: with 2, every other place is left out, both down and to the right. The `padding` is how
# many rows and columns of zeros are put around the image first, on each side. The whole kernel must lie inside.
#
# Loops are fine here. Off-limits: everything that convolves or correlates, of Keras, NumPy or SciPy.
#
# <details><summary>Hint</summary>First <code>np.pad</code>. How many places are there from top to bottom, and where does the
# window of place (<i>row</i>, <i>column</i>) begin? A slice gives you the window, and one product and one sum do the
# rest.</details>
#
# *Checked:* values, a square kernel, stride, padding, and both.

# %% exercise="conv2d_single"

# %% check="conv2d_single" points=6
image = np.array(
    [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]], dtype=float
)
kernel = np.array([[0.0, 1, 2], [2, 2, 0], [0, 1, 2]])
result, by_two, wider = (
    ops.convert_to_numpy(conv2d_single(image, kernel, **how))
    for how in ({}, {"stride": 2}, {"padding": 1})
)
assert result.shape == (3, 3), f"a 3 × 3 kernel has 3 × 3 places in 5 × 5 pixels, not {result.shape}."
assert result[0, 0] != 18, "the first number is 18, expected 12: is the kernel turned around?"
assert np.allclose(result, [[12, 12, 17], [10, 17, 19], [9, 6, 14]]), f"not as above: {result}"
assert by_two.shape == (2, 2), f"with stride 2 there are 2 × 2 places, not {by_two.shape}."
assert np.allclose(by_two, [[12, 17], [9, 14]]), (
    f"with stride 2, every other number stays: 12, 17, 9, 14, not {by_two.ravel()}."
)
assert wider.shape == (5, 5), f"with padding 1 there are 5 × 5 places, not {wider.shape}."
assert np.allclose(wider[0], [6, 14, 17, 11, 3]), f"with padding 1, row 0 is {wider[0]}."
corner = np.zeros((2, 3))
corner[0, 1] = 1  # picks the pixel in the middle of the first row
picked = ops.convert_to_numpy(conv2d_single(image, corner))
assert np.allclose(picked, image[:-1, 1:-1]), "is a kernel that is not square upside down, or turned?"

# %% [markdown]
# **Look at it.** A kernel is a question that is asked in every place. The first one below asks “is it brighter on the left than
# on the right?”, the second “is it brighter above than below?”. *Predict: where will the answers be large for the zero?*

# %%
zero = x_test[y_test == 0][0]
brighter_left = np.array([[1.0, 0, -1]] * 3)
brighter_above = brighter_left.T
plots.heatmaps(
    {
        "image": zero,
        "brighter left": conv2d_single(zero, brighter_left, padding=1),
        "brighter above": conv2d_single(zero, brighter_above, padding=1),
    },
    xlabel="column",
    ylabel="row",
)

# %% [markdown]
# Nobody will write kernels by hand from here on: a network learns them. The ones of a trained network often look like these.
#
# ## 2. How many places are there?
#
# The question comes up with every layer, so it deserves a formula. Along one axis of $n$ pixels, with a kernel of $k$ weights,
# $p$ pixels of padding at **each** end and a stride of $s$:
#
# $$ \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1 $$
#
# By hand, for $n = 5$ and $k = 3$: $5 - 3 + 1 = 3$ places; with $s = 2$, $\lfloor 2/2 \rfloor + 1 = 2$. For $n = 6$ and $s = 2$
# it is $\lfloor 3/2 \rfloor + 1 = 2$ as well: what is left over at the end gets no place.
#
# **Dilation** pulls the kernel apart: with a dilation of $d$, neighbouring weights read pixels that are $d$ apart. The kernel
# sees further, and has no more weights. *How far from its first weight is its last one, if it has $k$ of them?*

# %% [markdown]
# ### `conv_output_size`
#
# Write the formula, with dilation. All arguments are integers, and so is the result.
#
# <details><summary>Hint</summary>Draw a kernel of 3 weights with a dilation of 2 on squared paper. How many squares does it
# cover? That number takes the place of $k$.</details>
#
# *Checked:* stride, padding and dilation, each alone and all together, and that the size is an integer.

# %% exercise="conv_output_size"

# %% check="conv_output_size" points=3
assert conv_output_size(5, 3) == 3, f"5 pixels and 3 weights: 3 places, not {conv_output_size(5, 3)}."
places = conv_output_size(6, 3, stride=2)
assert places == 2, f"6 pixels, 3 weights, stride 2: 2 places and a pixel left over, not {places}."
places = conv_output_size(224, 7, stride=2, padding=3)
assert places == 112, (
    f"224 pixels, 7 weights, stride 2, padding 3: 112, not {places}. Does the padding count twice?"
)
places = conv_output_size(10, 3, dilation=2)
assert places == 6, f"10 pixels, 3 weights that cover 5 pixels: 6 places, not {places}."

# %% [markdown]
# Keras has names for two common cases: `padding="valid"` is no padding; `padding="same"` pads so that $\lceil n/s \rceil$
# places come out, below and on the right first if the number of zeros is odd.
#
# **Look at it.** Pixels that a result depends on are its **receptive field**. It grows with every layer: a stack of $L$
# convolutions of size $k$ and stride 1 sees $1 + L(k-1)$ pixels along an axis, and if the dilation doubles from layer to layer,
# $1 + (2^L - 1)(k - 1)$.

# %%
depth = np.arange(1, 9)
fields = {
    "3 weights": 1 + depth * 2,
    "7 weights": 1 + depth * 6,
    "3 weights, dilation doubles": 1 + (2**depth - 1) * 2,
}
plots.curves(fields, xlabel="layers", ylabel="receptive field", xs=depth)

# %% [markdown]
# Three layers of size 3 see as far as one of size 7. With $C$ channels in and out they have $3 · 9C^2 = 27C^2$ weights, against
# $49C^2$, and two more activations: with that Simonyan and Zisserman (2015, section 2.3) argue for small kernels in many layers.
#
# ## 3. Channels
#
# A colour image has three numbers per pixel, and a layer inside a network may have hundreds: its **channels**. Keras keeps them
# last: `(batch, height, width, channels)`. A kernel then has weights for each of them, and the sum runs over the window **and**
# all channels. One kernel gives one channel of the result; a layer has many, called **filters**, each with a bias:
#
# $$ y_{r,c,o} = b_o + \sum_{i,j}\sum_{k} x_{r+i,\,c+j,\,k}\; w_{i,j,k,o} $$
#
# By hand: an image of one pixel with the channels $(1, 2, 3)$, and a kernel of one pixel with the weights $(1, 0, −1)$ and the
# bias $0.5$, give $1 + 0 − 3 + 0.5 = −1.5$. So a 1 × 1 convolution is not an identity, as it is sometimes called: it mixes the
# channels of each pixel, as a dense layer would.

# %% [markdown]
# ### `conv2d`
#
# Write the convolution of a batch, without padding and with stride 1. `images` is `(batch, height, width, in_channels)`, `kernel`
# is `(kernel_height, kernel_width, in_channels, filters)`, `bias` is `(filters,)`. Use `ops`. Off-limits: everything that
# convolves, correlates or cuts out patches, of Keras, NumPy or SciPy.
#
# <details><summary>Hint</summary>You could loop over the places, but there are fewer <i>weights</i> than places. Take the weight
# in row <i>i</i> and column <i>j</i> of the kernel: which part of all images does it see while it slides? That part has the shape
# <code>(batch, rows, columns, in_channels)</code>, and <code>ops.matmul</code> with <code>(in_channels, filters)</code> sums
# over the channels for you.</details>
#
# *Checked:* values, a kernel that is square and has as many filters as channels, and a kernel of one pixel.

# %% exercise="conv2d"

# %% check="conv2d" points=5
pixel, mix = ops.array([[[[1.0, 2.0, 3.0]]]]), ops.array([[[[1.0], [0.0], [-1.0]]]])
result = ops.convert_to_numpy(conv2d(pixel, mix, ops.array([0.5])))
assert result.shape == (1, 1, 1, 1), f"one pixel, one filter: expected (1, 1, 1, 1), not {result.shape}."
assert np.isclose(result.item(), -1.5), f"expected 1 + 0 - 3 + 0.5 = -1.5, received {result.item()}."
rng = np.random.default_rng(0)
x, w, b = (rng.normal(size=s).astype("float32") for s in [(2, 5, 6, 3), (3, 2, 3, 4), (4,)])
result = ops.convert_to_numpy(conv2d(ops.array(x), ops.array(w), ops.array(b)))
assert result.shape == (2, 3, 5, 4), f"expected the shape (2, 3, 5, 4), received {result.shape}."
expected = np.sum(x[1, 2:5, 4:6, :] * w[:, :, :, 3]) + b[3]
assert np.isclose(result[1, 2, 4, 3], expected, atol=1e-4), (
    f"the last number is {result[1, 2, 4, 3]:.4f}, expected {expected:.4f}: the sum over the last "
    "window and its channels, plus one bias. Is the bias added once? Is anything turned around?"
)

# %% [markdown]
# **What sharing saves.** A dense layer that reads a photo of 224 × 224 pixels in three colours and has 1,000 neurons has
# $150{,}528 · 1000 + 1000 = 150{,}529{,}000$ parameters. A convolution with 64 filters of 3 × 3 has $9 · 3 · 64 + 64 =
# 1{,}792$, whatever the size of the photo, and gives 64 numbers for every pixel.
#
# ## 4. Pooling
#
# Somewhere, many numbers must become few. **Max pooling** keeps the largest number of each window: “was there an edge anywhere
# here?” It has nothing to learn. By hand, on the result of section 1, with windows of 2 × 2 that move by one pixel:
#
# $$ \begin{pmatrix} 12 & 12 & 17 \\ 10 & 17 & 19 \\ 9 & 6 & 14 \end{pmatrix} \;\to\; \begin{pmatrix} 17 & 19 \\ 17 & 19 \end{pmatrix} $$

# %% [markdown]
# ### `max_pool2d`
#
# Write it for `(batch, height, width, channels)`, with windows of `pool_size` by `pool_size` that move by `stride`. Each
# channel is pooled by itself. A window that would not lie inside is left out. Off-limits: the pooling ops and layers.
#
# <details><summary>Hint</summary>As before, you can loop over the places, or over the entries of a window. For the second: which
# slice, with a step, holds the upper left entry of <i>every</i> window?</details>
#
# *Checked:* windows side by side, windows that overlap, pixels left over, and images whose numbers are all negative.

# %% exercise="max_pool2d"

# %% check="max_pool2d" points=4
numbers = ops.reshape(ops.array([12.0, 12, 17, 10, 17, 19, 9, 6, 14]), (1, 3, 3, 1))
pooled = ops.convert_to_numpy(max_pool2d(numbers, 2, 1))
assert pooled.shape == (1, 2, 2, 1), f"expected the shape (1, 2, 2, 1), received {pooled.shape}."
assert np.allclose(pooled.ravel(), [17, 19, 17, 19]), f"expected 17, 19, 17, 19, not {pooled.ravel()}."
apart = ops.convert_to_numpy(max_pool2d(numbers, 2, 2))
assert apart.shape == (1, 1, 1, 1), f"with stride 2 one window lies inside, received {apart.shape}."
below = ops.convert_to_numpy(max_pool2d(-numbers, 2, 1))
assert below.max() < 0, f"the largest of negative numbers is negative, received {below.max():.3g}."

# %% [markdown]
# ### `global_average_pool`
#
# At the end of a network, **global average pooling** gives one number per channel: its mean over the whole image. Of the numbers
# above it is $116/9 = 12.89$. Write it for `(batch, height, width, channels)`; the result is `(batch, channels)`. Off-limits: the
# pooling ops and layers.
#
# <details><summary>Hint</summary>Which axes disappear?</details>
#
# *Checked:* values, an image with as many channels as rows, and a batch of one image.

# %% exercise="global_average_pool"

# %% check="global_average_pool" points=2
two = ops.concatenate([numbers, 10 * numbers], axis=-1)
means = ops.convert_to_numpy(global_average_pool(two))
assert means.shape == (1, 2), f"one image, two channels: expected (1, 2), received {means.shape}."
assert np.allclose(means, [[116 / 9, 1160 / 9]]), f"expected 12.89 and 128.9, received {means}."

# %% [markdown]
# **Look at it.** Why throw numbers away? Move a digit by one pixel, and nearly every pixel changes. The picture shows by how much
# what comes out changes, relative to its size. *Predict the order of the four bars.*

# %%
def change(function):
    """How far apart the results for the digits and for the same digits one pixel further right are."""
    images = np.pad(x_test[:, :, :, None], ((0, 0), (4, 4), (4, 4), (0, 0))).astype("float32")
    pair = images, np.roll(images, 1, axis=2)
    here, moved = (ops.convert_to_numpy(function(ops.array(x))) for x in pair)
    return np.linalg.norm(here - moved) / np.linalg.norm(here)

edges = ops.array(np.stack([brighter_left, brighter_above], axis=-1)[:, :, None], "float32")
def convolved(x):
    return ops.relu(conv2d(x, edges, ops.zeros(2)))

changes = {
    "pixels": change(lambda x: x),
    "edges": change(convolved),
    "max pooled": change(lambda x: max_pool2d(convolved(x), 3, 3)),
    "averaged": change(lambda x: global_average_pool(convolved(x))),
}
plots.bars(changes, ylabel="relative change", title="Moved by one pixel")

# %% [markdown]
# A convolution follows the shift: its result moves along (it is *equivariant*). The average over all places does not change at
# all (it is *invariant*), as long as nothing is cut off or comes in at the border. Max pooling lies between the two. The price:
# who averages no longer knows where something was.
#
# ## 5. Counting a famous network
#
# VGG came second in the classification task of 2014's ImageNet competition, and is still used as a yardstick. It is simple:
# blocks of 3 × 3 convolutions with padding, after each block a max pooling that halves height and width, then three dense
# layers. Its sizes in millions are (table 2 of the paper): 133, 133, 134, 138 and 144 for the versions A to E. By hand, the
# first two layers:
#
# | layer | kernel · channels in · filters | biases | parameters |
# |---|---|---|---|
# | convolution, 3 → 64 | 9 · 3 · 64 = 1,728 | 64 | 1,792 |
# | convolution, 64 → 64 | 9 · 64 · 64 = 36,864 | 64 | 36,928 |

# %% [markdown]
# ### `count_vgg_params`
#
# Count all parameters. `blocks` is a list of blocks, each a list of pairs `(kernel_size, filters)`; the image has 224 × 224
# pixels in three colours. The head `"dense"` flattens what the last pooling leaves and has layers of 4096, 4096 and `n_classes`
# neurons. The head `"average"` has a global average pooling and one dense layer.
#
# <details><summary>Hint</summary>Walk through the blocks, and keep three numbers up to date: the image's size, its channels, and
# the total.</details>
#
# *Checked:* kernels of other sizes, any number of blocks, both heads, other numbers of classes, and that the count is an
# integer.

# %% exercise="count_vgg_params"

# %% check="count_vgg_params" points=5
tiny = count_vgg_params([[(3, 64), (3, 64)]], n_classes=10, head="average")
assert tiny == 1792 + 36928 + 650, f"two convolutions and 650 in the dense layer: 39370, not {tiny}."
widths = (64, 128, 256, 512, 512)
vgg_d = [[(3, width)] * count for width, count in zip(widths, (2, 2, 3, 3, 3))]
average, dense = (count_vgg_params(vgg_d, head=head) for head in ("average", "dense"))
assert average == 15_227_688, f"VGG D with an average: expected 15227688 parameters, received {average}."
assert dense == 138_357_544, (
    f"VGG D: expected 138357544 parameters, received {dense}. How many numbers does the first "
    "dense layer read? The image has been halved five times, and has 512 channels."
)

# %% [markdown]
# **Look at it.** How many of the parameters are in the three dense layers? (Version C has 1 × 1 convolutions as well. And a
# network of 11 layers, such as A, is called VGG-11: 16 and 19 are D and E.)

# %%
counts = {"A": (1, 1, 2, 2, 2), "B": (2,) * 5, "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}
versions = {name: [[(3, w)] * n for w, n in zip(widths, count)] for name, count in counts.items()}
versions["C"] = [block if n < 2 else [*block[:2], (1, widths[n])] for n, block in enumerate(vgg_d)]
for name, blocks in sorted(versions.items()):
    total = count_vgg_params(blocks)
    head = total - count_vgg_params(blocks, head="average") + 513_000  # the average's own dense layer
    print(f"VGG {name}: {total:11,d} parameters, {head / total:.0%} of them in the dense layers")

# %% [markdown]
# ## 6. Deeper: a shortcut
#
# Deep stacks are hard to train: what comes in has to pass every layer, and so has the gradient on its way back. A **residual
# block** lets both go round: it computes a *change*, and adds it to its input.
#
# $$ y = \mathrm{ReLU}\big(x + \mathrm{conv}_2(\mathrm{ReLU}(\mathrm{conv}_1(x)))\big) $$
#
# If the second convolution gives zeros, the block hands on its input (as far as it is positive): doing nothing is easy to learn.
# Where the shape changes, because of a stride or more filters, the input goes through a 1 × 1 convolution with the same stride,
# the **projection**.
#
# It is sometimes said that shortcuts solve vanishing gradients. They help a lot; careful initial weights and normalisation help,
# too, and today's networks use all three.

# %% [markdown]
# ### `ResidualBlock`
#
# The layers are given. Write `call`: convolution, ReLU, convolution, sum, ReLU. `self.projection` is `None` where the input goes
# round as it is.
#
# <details><summary>Hint</summary>Name the two things that are added. Each is one line.</details>
#
# *Checked* with weights that we set: values for the same shape, more filters, and a stride.

# %% exercise="ResidualBlock" write=["call"]

# %% check="ResidualBlock" points=5
block = ResidualBlock(filters=2)
x = ops.array(np.random.default_rng(0).normal(size=(1, 4, 4, 2)), "float32")
block(x)  # builds it
for weight in block.conv2.weights:
    weight.assign(ops.zeros(weight.shape))
y = ops.convert_to_numpy(block(x))
assert np.allclose(y, ops.convert_to_numpy(ops.maximum(x, 0)), atol=1e-6), (
    "with a second convolution of zeros, the block should hand on what is positive of its input."
)
block.conv2.bias.assign(ops.array([-9.0, -9.0]))
assert ops.convert_to_numpy(block(x)).max() == 0, (
    "a change of -9 everywhere should leave only zeros: does ReLU come after the sum?"
)
y = ResidualBlock(filters=5, stride=2)(x)
assert tuple(y.shape) == (1, 2, 2, 5), f"expected the shape (1, 2, 2, 5), received {tuple(y.shape)}."

# %% [markdown]
# **Look at it.** How much of a difference between two images is left after $n$ layers with fresh weights? *Predict: which of the
# two curves falls?*

# %%
training.set_seed(0)
pair = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
left = {"two convolutions": [], "residual block": []}
plain = residual = ops.array(pair)
for _ in range(12):
    for half in range(2):
        plain = layers.Conv2D(4, 3, padding="same", activation="relu")(plain)
    residual = ResidualBlock(4)(residual)
    for name, images in zip(left, (plain, residual)):
        first, second = ops.convert_to_numpy(images)
        left[name].append(np.linalg.norm(first - second) / np.linalg.norm(pair[0] - pair[1]))
plots.curves(left, xlabel="blocks", ylabel="difference left", xs=np.arange(1, 13), log=True)

# %% [markdown]
# ## 7. A network for images
#
# ### `build_cnn`
#
# Build a `keras.Model`: a 3 × 3 convolution with `filters` filters, one with `2 · filters`, each with `padding="same"` and ReLU
# and followed by max pooling of 2 × 2; then global average pooling, and a dense layer that gives **logits**. From `(batch,
# image_size, image_size, channels)` to `(batch, n_classes)`. All layers have biases. Do not compile the model. You may build it
# in any way.
#
# <details><summary>Hint</summary>Seven layers, in the order of the sentence above. Which of them has no activation?</details>
#
# *Checked:* the logits for given weights, the number of parameters, that the weights start at random, and that the
# model is not compiled.

# %% exercise="build_cnn"

# %% check="build_cnn" points=4
model = build_cnn(8, channels=1, filters=16, n_classes=10)
x = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype("float32")
z = ops.convert_to_numpy(model(x))
assert z.shape == (5, 10), f"5 images and 10 classes should give (5, 10), received {z.shape}."
n = model.count_params()
assert n == 160 + 4640 + 330, (
    f"expected 160 + 4640 + 330 = 5130 parameters, received {n}. Does the head average, or flatten?"
)
assert not np.allclose(z.sum(axis=1), 1, atol=1e-3), "every row sums to 1: is there a softmax?"
assert z.min() < 0, "no output is negative: does the output layer have an activation, too?"
pixel = np.zeros((1, 8, 8, 1))
pixel[0, 2, 2] = 1
small = build_cnn(8, channels=1, filters=1, n_classes=2)
small(pixel)  # builds it
for weight in small.weights:  # all kernels 1, all biases 0
    weight.assign(np.full(weight.shape, float(len(weight.shape) > 1)))
bright, dark = (ops.convert_to_numpy(small(x)).ravel() for x in (pixel, -pixel))
assert np.allclose(bright, 2 * 9 / 4, atol=1e-4) and np.allclose(dark, 0, atol=1e-4), (
    f"kernels of 1, and one pixel of 1: 4, 2, 2 and 1 are left in each of 2 channels, 4.5 for a class, not {bright}; "
    f"with a pixel of -1 nothing is left, expected 0, not {dark}. What comes after each convolution, and last?"
)

# %% [markdown]
# **Train it on digits**, as they are and with shuffled pixels, next to a dense network of about the same size. *Predict the four
# scores: which falls?*

# %%
def fit_and_score(model, x, y, x_new, y_new, epochs=20):
    """Train a model that gives logits and return its accuracy on new samples."""
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), objective, metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[training.Progress()])
    return model.evaluate(x_new, y_new, verbose=0)[1]

def dense_network():
    return keras.Sequential(
        [layers.Flatten(), layers.Dense(68, activation="relu"), layers.Dense(10)]
    )

training.set_seed(0)
scores, networks = {}, {}
for name, make in {"dense": dense_network, "CNN": lambda: build_cnn(8, 1, 16, 10)}.items():
    for how, change_order in {"": lambda x: x, " shuffled": shuffled}.items():
        networks[name + how] = make()
        train, test = (change_order(x)[..., None] for x in (x_train, x_test))
        scores[name + how] = fit_and_score(networks[name + how], train, y_train, test, y_test)
plots.bars(scores, ylabel="accuracy", title="Digits, as they are and shuffled")

# %% [markdown]
# Digits are easy: with their few pixels, all in the same place, the dense network is as good. But only one of the two networks
# cares about the order of the pixels, and that is the one that looks at neighbours.
#
# **What has it learned?** The picture shows what the filters of the first convolution answer for one digit: their *feature maps*.
# *Which of them look for edges, as your two kernels of section 1 do?*

# %%
three = x_test[y_test == 3][:1, :, :, None]
first = next(layer for layer in networks["CNN"].layers if isinstance(layer, layers.Conv2D))
plots.feature_maps(first(ops.array(three))[0])

# %% [markdown]
# ## 8. Signals
#
# A convolution can slide along time as well. MNIST-1D has signals of 40 positions in ten classes; in the unit on dense
# networks, those reached an accuracy of a little over 0.6. Each signal is one of ten shapes, somewhere, stretched and
# noisy: made for something that looks for a shape everywhere.

# %%
(s_train, t_train), (s_test, t_test) = data.mnist1d()
plots.signals(s_train, t_train)

# %% [markdown]
# ### `train_signal_classifier`
#
# Write a function that takes signals `x` `(samples, positions)`, integer labels `y` and a `seed`, and returns a **trained**
# `keras.Model` that gives logits. `layers.Conv1D` slides along `(positions, channels)`, and a signal has one channel, so the
# positions need a new last axis: `layers.Reshape((-1, 1))`. A few seconds of training are enough. Everything in Keras is allowed.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>Start with two or three convolutions of about 50 filters of size 5, each but the last followed
# by max pooling, then flatten. Set the seed before the weights are made. Find the number of classes from <code>y</code>; Keras
# expects an <code>int</code>.</details>
#
# *Checked:* an accuracy of at least 0.80 on new samples, that the output is logits, that the same seed gives the same model,
# and that it works for other numbers of positions and classes. Grading makes new signals for every submission and renumbers the
# classes. {limits}

# %% exercise="train_signal_classifier"

# %% check="train_signal_classifier" points=6
trained = train_signal_classifier(s_train, t_train, seed=0)
logits = ops.convert_to_numpy(trained(s_test))
score = np.mean(logits.argmax(axis=-1) == t_test)
assert logits.shape == (1000, 10), f"expected the shape (1000, 10), received {logits.shape}."
assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), "every row sums to 1: is there a softmax?"
assert logits.min() < 0, "no output is negative: does the output layer have an activation, too?"
assert score >= 0.8, (
    f"accuracy {score:.2f}, expected at least 0.80; dense layers get about 0.62. Does the kernel slide "
    "along the positions, or has the signal the shape (1, 40)? Is it trained long enough?"
)

# %% [markdown]
# **Look at it.** The same function, on signals whose positions are shuffled. *Predict: closer to 0.9, to 0.6, or to 0.1?*

# %%
anyhow = np.random.default_rng(1).permutation(40)
lost = train_signal_classifier(s_train[:, anyhow], t_train, seed=0)
hits = ops.convert_to_numpy(lost(s_test[:, anyhow])).argmax(axis=-1) == t_test
plain = fit_and_score(dense_network(), s_train, t_train, s_test, t_test)
results = {"yours": score, "yours, shuffled": np.mean(hits), "dense": plain}
plots.bars(
    results, ylabel="accuracy", title="MNIST-1D", reference=0.1, reference_label="guessing"
)

# %% [markdown]
# A convolution is not better than a dense layer as such. It is a **bet** that neighbours belong together, and that what is
# worth finding may be anywhere. Where the bet is right, it needs fewer weights and learns more from the same samples; where it
# is wrong, it is no better than dense layers, or worse.
#
# ## What to remember
#
# - A convolution lays the same kernel on every window: multiply, add up, slide on. It does not turn the kernel around.
# - $\lfloor (n + 2p - d(k-1) - 1)/s \rfloor + 1$ places; `same` gives $\lceil n/s \rceil$.
# - A filter has weights for every channel it reads: $k^2 · C_{in} · C_{out} + C_{out}$ parameters, whatever the image's size.
# - Convolutions follow a shift, global pooling ignores it. Pooling has no parameters.
# - Most of VGG's parameters are in its first dense layer; an average in its place saves nine out of ten.
# - A residual block adds a change to its input, so that doing nothing is easy.
# - Shuffle the positions: who gets worse has looked at neighbours.
#
# ## Open questions
#
# 1. Near the border, `padding="same"` puts zeros below the kernel. Can a convolutional network find out where in the image it is?
# 2. What should be shared, and what bet would you make, for a chessboard? For a table of patients?
# 3. Two shuffles of the pixels: one for all images, or another one for each. Which network can learn what from each?
