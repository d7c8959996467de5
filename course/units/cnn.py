# %% [markdown] title="Convolutional networks" order=2 minutes=200 builds="convolution, stride, padding and dilation, pooling, parameters and multiply-adds, batch normalisation, a residual network, augmentation, a trained classifier of signals"
# # Convolutional networks
#
# **{points} points · about {minutes} minutes, in three sittings (sections 1 to 4, 5 to 8, 9 to 11)**
#
# Shuffle the pixels of a photo, and you no longer see what it shows. A network of dense layers does not mind: it never knew
# which pixels were neighbours. In this unit you build networks that do know: first the sliding window that they are made of,
# pixel by pixel, then pooling and a residual block, then classifiers that leave dense networks behind where a shape
# may be anywhere.
#
# **Before you start** you need NumPy slices such as `image[2:5, 1:4]`, and the unit *From one neuron to back-propagation* or
# its ideas: dense layers, logits, ReLU, training with Keras.
#
# **How it works.** Each exercise has a cell to fill in: read its docstring, replace `raise NotImplementedError()`, run it,
# then run the check below it. If the check prints nothing, the numbers that it tries are right. Grading tries others, in more
# cases, and an answer that is right in some of them earns part of the points.
#
# Your answers can use what the set-up cell imports, but nothing that is defined in the cells headed “look at it”. No exercise
# needs an earlier one; you may call an earlier answer of yours, as long as that one is right. Some functions are
# *off-limits* because they would be the whole answer. The checks here do not look for them, but grading does. Where a tensor is
# asked for, a NumPy array of the same numbers will do.
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
# - each weight is multiplied by the pixel it lies on, and the products are added up: one number for this place;
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
# **A word on the word.** In mathematics, convolution turns the kernel around by 180° before it slides; what is computed here
# is called cross-correlation there. Deep learning says convolution all the same, since the kernel is learned anyway. Turned
# around, this kernel would give 18 in the first place. Note also that this example, a popular one, is symmetric from top to
# bottom: a program that lays the kernel upside down passes it. The check below uses a second kernel for that reason.

# %% [markdown]
# ### `conv2d_single`
#
# Write it for one image `(height, width)` and one kernel `(kernel_height, kernel_width)`, both NumPy arrays. The `stride` is
# how many pixels the window moves at a time: with 2, every other place is left out, both down and to the right. The `padding`
# is how many rows and columns of zeros are put around the image first, on each side. The whole kernel must lie inside.
#
# Loops are fine here. Off-limits: everything that convolves or correlates, of Keras, NumPy or SciPy.
#
# <details><summary>Hint</summary>First <code>np.pad</code>. How many places are there from top to bottom, and where does the
# window of place (<i>row</i>, <i>column</i>) begin? A slice gives you the window, and one product and one sum do the
# rest.</details>
#
# *Checked:* values, a square kernel, stride, padding, and both.

# %% exercise="conv2d_single"

# %% check="conv2d_single" points=5
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
    zlabel="value",
)

# %% [markdown]
# The first kernel answers at upright strokes, the second at level ones, with opposite signs on their two sides. (At the border,
# part of the answer is to the zeros of the padding.) Nobody will write kernels by hand from here on: a network learns them.
# *Will they look like these?* Section 8 shows what comes out of some.
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

# %% check="conv_output_size" points=2
assert conv_output_size(5, 3) == 3, f"5 pixels and 3 weights: 3 places, not {conv_output_size(5, 3)}."
places = conv_output_size(6, 3, stride=2)
assert places == 2, f"6 pixels, 3 weights, stride 2: 2 places and a pixel left over, not {places}."
places = conv_output_size(224, 7, stride=2, padding=3)
assert places == 112, (
    f"224 pixels, 7 weights, stride 2, padding 3: 112, not {places}. Does the padding count twice?"
)
places = conv_output_size(10, 3, dilation=2)
assert places == 6, f"10 pixels, 3 weights that cover 5 pixels: 6 places, not {places}."
places = conv_output_size(20, 4, dilation=3)
assert places == 11, f"20 pixels, 4 weights that are 3 apart and cover 10 pixels: 11 places, not {places}."

# %% [markdown]
# Keras has names for two common cases: `padding="valid"` is no padding; `padding="same"` pads so that $\lceil n/s \rceil$
# places come out. If that takes an odd number of zeros, the last one goes to the bottom, or to the right.
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
# Three layers of size 3 see as far as one of size 7. With $C$ channels in and out they have $3 · 9C^2 = 27C^2$ weights,
# against $49C^2$, and two more activations: with that Simonyan and Zisserman (2015, section 2.3) argue for small kernels in
# many layers.
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
# bias $0.5$, give $1 + 0 − 3 + 0.5 = −1.5$. So a 1 × 1 convolution is no identity: it mixes the
# channels of each pixel, as a dense layer would.

# %% [markdown]
# ### `conv2d`
#
# Write the convolution of a batch, without padding and with stride 1. `images` is `(batch, height, width, in_channels)`,
# `kernel` is `(kernel_height, kernel_width, in_channels, filters)`, `bias` is `(filters,)`. Off-limits: everything that
# convolves or correlates, of Keras, NumPy or SciPy, and `ops.image.extract_patches`.
#
# <details><summary>Hint</summary>You could loop over the places, but there are fewer <i>weights</i> than places. Take the weight
# in row <i>i</i> and column <i>j</i> of the kernel: which part of all images does it see while it slides? That part has the
# shape
# <code>(batch, rows, columns, in_channels)</code>, and <code>ops.matmul</code> with <code>(in_channels, filters)</code> sums
# over the channels for you.</details>
#
# *Checked:* values, a kernel that is square and has as many filters as channels, and a kernel of one pixel.

# %% exercise="conv2d"

# %% check="conv2d" points=4
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

# %% check="max_pool2d" points=3
numbers = ops.reshape(ops.array([12.0, 12, 17, 10, 17, 19, 9, 6, 14]), (1, 3, 3, 1))
pooled = ops.convert_to_numpy(max_pool2d(numbers, 2, 1))
assert pooled.shape == (1, 2, 2, 1), f"expected the shape (1, 2, 2, 1), received {pooled.shape}."
assert np.allclose(pooled.ravel(), [17, 19, 17, 19]), f"expected 17, 19, 17, 19, not {pooled.ravel()}."
apart = ops.convert_to_numpy(max_pool2d(numbers, 2, 2))
assert apart.shape == (1, 1, 1, 1), f"with stride 2 one window lies inside, received {apart.shape}."
quarters = ops.convert_to_numpy(max_pool2d(ops.reshape(ops.arange(16.0), (1, 4, 4, 1)), 2, 2)).ravel()
assert quarters.tolist() == [5, 7, 13, 15], f"0 to 15 in four rows, stride 2: 5, 7, 13, 15, not {quarters}."
below = ops.convert_to_numpy(max_pool2d(-numbers, 2, 1))
assert below.max() < 0, f"the largest of negative numbers is negative, received {below.max():.3g}."

# %% [markdown]
# At the end of a network, **global average pooling** gives one number per channel, its mean over the whole image: `ops.mean(x,
# axis=(1, 2))`. Of the nine numbers above it is $116/9 = 12.89$.
#
# **Look at it.** Why throw numbers away? Move a digit by one pixel, and the image changes by most of its size. The picture
# shows by how much what comes out changes, relative to its size. *Predict the order of four bars: the pixels, the answers of
# the two kernels of section 1 after ReLU, their maxima in windows of 3 × 3, and their averages.*

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
    "averaged": change(lambda x: ops.mean(convolved(x), axis=(1, 2))),
}
plots.bars(changes, ylabel="relative change", title="Moved by one pixel")
wide = np.pad(x_test[:, :, :, None], ((0, 0), (4, 4), (4, 4), (0, 0))).astype("float32")
one_way = ops.convert_to_numpy(convolved(ops.array(np.roll(wide, 1, axis=2))))[:, :, 1:]
other_way = ops.convert_to_numpy(convolved(ops.array(wide)))[:, :, :-1]
print("first moved, then convolved, or the other way round: at most", np.abs(one_way - other_way).max(), "apart")

# %% claims=true
assert np.abs(one_way - other_way).max() < 1e-6
assert changes["averaged"] < 1e-5 < changes["max pooled"] < changes["pixels"] < changes["edges"], changes

# %% [markdown]
# The kernels' answers change even more than the pixels. But with stride 1, a convolution follows the shift: its result moves
# along (it is *equivariant*). The average over all places does
# not change (it is *invariant*), since nothing is cut off here and nothing comes in at the border. Max pooling lies between the
# two. The price: who averages no longer knows where something was.
#
# ## 5. What a network costs
#
# ### Numbers to learn
#
# VGG came second in the classification task of 2014's ImageNet competition, and is still used as a yardstick. It is simple:
# blocks of convolutions with padding, most of them 3 × 3, after each block a max pooling that halves height and width, then
# three dense layers. Its sizes in millions are (table 2 of the paper): 133, 133, 134, 138 and 144 for the versions A to E. By
# hand, the first two layers:
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

# %% check="count_vgg_params" points=4
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
# ### Numbers to compute
#
# Parameters say how much a network has to learn and to store. How much it has to compute, they do not say: a convolution uses
# each of its weights once in **every place**. What is counted is **multiply-adds** (a rough measure of time, which memory
# takes, too): one multiplication with a weight, whose product is added to a sum. By hand, 32 filters of 5 × 5 on an image of
# 28 × 28 pixels with 192 channels, as they come up in GoogLeNet (Szegedy et al., 2014, table 1, layer 3a):
#
# $$ 28 · 28 · 32 · 5 · 5 · 192 = 120{,}422{,}400 $$
#
# Three ways to pay less, each found in a well-known network:
#
# - **A bottleneck.** A 1 × 1 convolution first mixes the 192 channels into 16, which the 5 × 5 convolution then reads. *By
#   hand: how many multiply-adds are these two together?* (12,443,648.) Often another 1 × 1 brings back as many channels as
#   there were.
# - **Groups.** Channels and filters are split into $g$ parts, and a filter reads the channels of its own part alone: a $g$-th
#   of the products. With one channel per group the convolution is called *depthwise*: it looks at neighbours and mixes no
#   channels. A 1 × 1 convolution after it mixes channels and looks at no neighbours (MobileNet).
# - **Dense connections.** Each convolution gets *all* channels that there are so far, side by side, and adds a few of its own
#   (DenseNet). What it reads grows from layer to layer: $c_0 + L · k$ channels after $L$ layers of $k$ filters.
#
# ### `count_multiply_adds`
#
# **Write** a function that counts all multiplications with weights.
#
# - *Shapes:* images and kernels are square, the padding is `"same"`. `convolutions` is a list of `(kernel_size, filters,
#   stride, groups)`. With `dense=True` each of them reads the image's channels and those of all before it.
# - *Allowed:* everything.
# - *Checked:* sizes that a stride does not divide, kernels of several sizes, groups, dense connections, that the count is an
#   integer however large it is, and that the list is left as it is. Biases do not count.
#
# <details><summary>Hint</summary>Walk through the list and keep three numbers up to date: the image's size, the channels that the
# next convolution reads, and the total. How many places are there, and how many products for one filter in one place?</details>

# %% exercise="count_multiply_adds"

# %% check="count_multiply_adds" points=4
one = count_multiply_adds(28, 192, [(5, 32, 1, 1)])
assert one == 120_422_400, f"28 · 28 places, 32 filters, 5 · 5 · 192 products: 120422400, not {one}."
halved = count_multiply_adds(7, 3, [(3, 10, 2, 1)])
assert halved == 4 * 4 * 10 * 9 * 3, (
    f"stride 2 on 7 × 7 pixels leaves 4 × 4 places, 4320 products in all, not {halved}."
)
split = count_multiply_adds(8, 6, [(3, 12, 1, 3)])
assert split == 64 * 12 * 9 * 2, (
    f"three groups of 2 channels: each of 12 filters reads 2 channels, 13824 products, not {split}."
)
grown = count_multiply_adds(4, 2, [(1, 3, 1, 1), (1, 3, 1, 1)], dense=True)
assert grown == 16 * 3 * 2 + 16 * 3 * 5, (
    f"dense: the second convolution reads 2 + 3 channels, 336 products in all, not {grown}."
)

# %% [markdown]
# **Look at it.** The same job in three ways: 3 × 3 neighbours, from 256 channels to 256, on 14 × 14 pixels. *Predict: what
# share of the plain convolution's multiply-adds do the other two need?*

# %%
ways = {
    "plain": [(3, 256, 1, 1)],
    "bottleneck": [(1, 64, 1, 1), (3, 64, 1, 1), (1, 256, 1, 1)],
    "depthwise, then 1 × 1": [(3, 256, 1, 256), (1, 256, 1, 1)],
}
costs = {way: count_multiply_adds(14, 256, stack) for way, stack in ways.items()}
for way, cost in costs.items():
    print(f"{way:22}{cost:12,d} multiply-adds, {cost / costs['plain']:.1%}")

# %% claims=true
assert abs(costs["bottleneck"] / costs["plain"] - 0.118) < 0.0005
assert abs(costs["depthwise, then 1 × 1"] / costs["plain"] - (1 / 256 + 1 / 9)) < 1e-9

# %% [markdown]
# Depthwise and 1 × 1 together cost $1/C + 1/9$ of a plain convolution with $C$ filters. The bottleneck, with 64, 64 and 256
# filters as in the first blocks of ResNet-50, costs 12 % of it. They are not the same functions, of course: less can be said
# with fewer products. *What can no depthwise convolution compute?*
#
# ## 6. Batch normalisation
#
# In a deep network, every layer reads numbers that all layers before it have scaled. If each of them makes its numbers a
# little too small, little is left of them after twenty layers. **Batch normalisation** measures, instead of hoping: for every
# channel it takes mean $\mu$ and variance $\sigma^2$ over **all samples of the batch and all places**, and makes of a number
# $x$
#
# $$ y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta $$
#
# with a scale $\gamma$ and a shift $\beta$ per channel that are learned, and a small $\epsilon$ against a division by zero.
# By hand: a channel with the numbers 1 and 3 has $\mu = 2$ and $\sigma^2 = 1$ (the mean of the squared differences), so with
# $\gamma = 1$, $\beta = 0$ and without $\epsilon$ it becomes $-1$ and $1$.
#
# After training, somebody sends a *single* image. It has no batch, and what it is should not depend on who else is in one. So
# while training the layer keeps **moving averages** of $\mu$ and $\sigma^2$, and afterwards it uses those:
#
# $$ \text{average} \leftarrow m · \text{average} + (1 - m) · \text{the batch's} $$
#
# A channel has four numbers then: $\gamma$ and $\beta$ are trained, the two averages are not. The shift $\beta$ makes a bias in
# the convolution before it useless: $\mu$ takes it away again.

# %% [markdown]
# ### `batch_norm`
#
# **Write** it for training and for afterwards.
#
# - *Shapes:* `x` is `(batch, …, channels)`, with two axes (a table) or four (images). `gamma`, `beta` and the two averages are
#   `(channels,)`. The result is `(y, moving_mean, moving_variance)`.
# - *Allowed:* everything else in `ops`. *Off-limits:* Keras's normalisation layers and ops.
# - *Checked:* images and tables, training and afterwards, both averages, another `momentum` and another `epsilon`, and that the
#   arguments are left as they are.
#
# <details><summary>Hint</summary>Which mean and variance are used depends on <code>training</code>; the formula is the same.
# <code>ops.mean</code> and <code>ops.var</code> take several axes: which of them stays?</details>

# %% exercise="batch_norm"

# %% check="batch_norm" points=5
x = ops.array([[1.0, 10.0], [3.0, 30.0]])
start = ops.array([4.0, 4.0]), ops.array([9.0, 9.0])  # moving mean and variance
y, mean, variance = map(
    ops.convert_to_numpy, batch_norm(x, ops.ones(2), ops.array([0.0, 5.0]), *start, training=True)
)
assert y.shape == (2, 2), f"y should have the shape of x, (2, 2), received {y.shape}."
assert np.allclose(y, [[-1, 4], [1, 6]], atol=0.001), f"expected about [[-1, 4], [1, 6]], not {y}."
assert np.allclose(mean, [3.8, 5.6]), f"0.9 · 4 + 0.1 · 2 = 3.8, and 0.9 · 4 + 0.1 · 20 = 5.6, not {mean}."
assert np.allclose(variance, [8.2, 18.1]), f"0.9 · 9 + 0.1 · 1 and 0.9 · 9 + 0.1 · 100, not {variance}."
y, mean, _ = map(
    ops.convert_to_numpy, batch_norm(x, 3 * ops.ones(2), ops.zeros(2), *start, training=False, epsilon=7.0)
)
assert np.allclose(y[0], [-2.25, 4.5]), (
    f"afterwards: 3 · (1 - 4) / √(9 + 7) = -2.25 and 3 · (10 - 4) / 4 = 4.5, not {y[0]}."
)
assert np.allclose(mean, 4), f"after training the averages stay as they are, not {mean}."
images = ops.array(np.arange(16.0).reshape(2, 2, 2, 2), dtype="float32")
y, *_ = batch_norm(images, ops.ones(2), ops.zeros(2), ops.zeros(2), ops.ones(2), training=True)
assert tuple(y.shape) == (2, 2, 2, 2), f"images keep their shape, received {tuple(y.shape)}."
assert np.allclose(ops.convert_to_numpy(y)[0, 0, 0], -7 / np.sqrt(21.001), atol=1e-3), (
    "in each channel of these images the mean is 7 or 8 and the variance 21, over all samples and places."
)

# %% [markdown]
# **Is it Keras's?** Your function beside `layers.BatchNormalization`, over three batches of training and one afterwards:

# %%
keras_layer = layers.BatchNormalization(momentum=0.9)
averages = ops.zeros(3), ops.ones(3)
rng = np.random.default_rng(0)
for training_now in (True, True, True, False):
    batch = ops.array(rng.normal(2.0, 3.0, size=(8, 4, 4, 3)), dtype="float32")
    theirs = keras_layer(batch, training=training_now)
    yours, *averages = batch_norm(batch, ops.ones(3), ops.zeros(3), *averages, training=training_now)
    apart_by = np.abs(ops.convert_to_numpy(yours - theirs)).max()
    print(f"training {training_now!s:5}  largest difference {apart_by:.1e}")

# %% claims=true
assert apart_by < 1e-4

# %% [markdown]
# **A trap.** Keras's own `momentum` is 0.99. The digits of this unit are 1,347 training images: with batches of 64, six epochs
# are 132 steps. *By hand: which share of the averages is then still what they began with, mean 0 and variance 1? And with a
# momentum of 0.9?* ($0.99^{132} = 0.27$, and $0.9^{132} < 10^{-6}$.) *What will a network that has learned its training set say
# of new images, if the averages have not arrived yet?* Below, the momentum is 0.9.
#
# Why does it help? Ioffe and Szegedy wrote of *internal covariate shift*: layers that chase a moving distribution. Santurkar
# et al. (2018, section 2) added shifting noise after each normalisation, which made the distributions less stable than
# without any, and the network learned as fast as before; they put it down to a smoother loss (arXiv:1805.11604). What is not
# in doubt is that it helps: the next section measures that.
#
# ## 7. Deeper: a shortcut
#
# More layers can say more. A network of 20 layers could do whatever one of 8 layers does: let 12 of them hand on what they
# get. So its training loss should be no higher. *Is that so, for plain stacks of convolutions? What would you bet?* He et al.
# (2015) found that deeper plain networks have a **higher training error**, with batch normalisation, too. That is no
# overfitting, since it is the training error. They suspect that to hand on what comes in is not easy to learn for a stack of
# convolutions and ReLUs.
#
# So make it easy. A **residual block** computes a *change*, and adds it to its input:
#
# $$ y = \mathrm{ReLU}\big(x + F(x)\big), \qquad F(x) = \mathrm{norm}_2(\mathrm{conv}_2(\mathrm{ReLU}(\mathrm{norm}_1(\mathrm{conv}_1(x))))) $$
#
# If $\gamma$ and $\beta$ of the second normalisation are 0, the block hands on its input (as far as it is positive). Where
# the shape changes, because of a stride or of more filters, the input goes through a 1 × 1 convolution with the same stride,
# the **projection**.

# %%
boxes = {
    "x\n(batch, height, width, channels)": (0, 0),
    "conv1 (3 × 3, stride)\nnorm1, ReLU": (2, 0),
    "conv2 (3 × 3)\nnorm2": (3.6, 0),
    "x itself, or\nprojection (1 × 1, stride)": (2.8, 1.2),
    "sum, ReLU\n(batch, height / stride, width / stride, filters)": (5.8, 0),
}
x_box, first_box, second_box, around_box, sum_box = boxes
arrows = [(x_box, first_box), (first_box, second_box), (second_box, sum_box), (x_box, around_box), (around_box, sum_box)]
plots.diagram(boxes, dict.fromkeys(arrows, ""), title="Residual block")

# %% [markdown]
# ### `ResidualBlock`
#
# **Write** `call`. The layers are given, with `self.norm1` and `self.norm2` from Keras. `self.projection` is `None` where the
# input goes round as it is.
#
# - *Shapes:* from `(batch, height, width, channels)` to `(batch, height / stride, width / stride, filters)`, rounded up.
# - *Allowed:* everything.
# - *Checked* with weights and moving averages that we set: values for the same shape, more filters, a stride, and both, and
#   while the block is trained.
#
# <details><summary>Hint</summary>Name the two things that are added. Each is one line.</details>

# %% exercise="ResidualBlock" write=["call"]

# %% check="ResidualBlock" points=4
block = ResidualBlock(filters=2)
x = ops.array(np.random.default_rng(0).normal(size=(1, 4, 4, 2)), "float32")
block(x)  # builds it
block.norm2.gamma.assign([0.0, 0.0])
y = ops.convert_to_numpy(block(x))
assert np.allclose(y, ops.convert_to_numpy(ops.maximum(x, 0)), atol=1e-6), (
    "with a change of zeros, the block should hand on what is positive of its input."
)
block.norm2.beta.assign([-9.0, -9.0])
assert ops.convert_to_numpy(block(x)).max() == 0, (
    "a change of -9 everywhere should leave only zeros: does ReLU come after the sum?"
)
block.norm2.beta.assign([0.0, 0.0])
block.norm2.gamma.assign([1.0, 1.0])
block.norm1.gamma.assign([0.0, 0.0])
block.norm1.beta.assign([-1.0, -1.0])  # nothing is left after ReLU, so the change is what norm2 makes of 0
assert np.allclose(ops.convert_to_numpy(block(x)), y, atol=1e-6), (
    "when norm1 gives -1 everywhere, nothing comes through ReLU, and the change is 0: is each convolution "
    "followed by its own normalisation, and the first one by ReLU?"
)
y = ResidualBlock(filters=5, stride=2)(x)
assert tuple(y.shape) == (1, 2, 2, 5), f"expected the shape (1, 2, 2, 5), received {tuple(y.shape)}."

# %% [markdown]
# **Train it.** Two networks with 20 normalised convolutions after a first one, the same rate and the same batches: one is a
# plain stack, the other is made of your blocks. *Predict both training losses after six epochs.*

# %%
def deep_network(depth, shortcut, filters=16):
    """Logits for digits: a first convolution, `depth` more in pairs, an average and a dense layer."""
    inputs = keras.Input((8, 8, 1))
    z = layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    for _ in range(depth // 2):
        if shortcut:
            z = ResidualBlock(filters)(z)
            continue
        for half in range(2):
            z = layers.Conv2D(filters, 3, padding="same", use_bias=False)(z)
            z = ops.relu(layers.BatchNormalization(momentum=0.9)(z))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(z)))

falling, deep_scores = {}, {}
for name, depth, shortcut in [("plain, 20", 20, False), ("residual, 20", 20, True)]:
    training.set_seed(0)
    network = deep_network(depth, shortcut)
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(0.003), objective, metrics=["accuracy"])
    history = network.fit(
        x_train[..., None], y_train, batch_size=64, epochs=6, verbose=0, callbacks=[training.Progress()]
    )
    falling[name] = history.history["loss"]
    deep_scores[name] = network.evaluate(x_test[..., None], y_test, verbose=0)[1]
plots.curves(falling, xlabel="epoch", ylabel="training loss", xs=np.arange(1, 7), log=True)
for name, score in deep_scores.items():
    print(f"{name:14} accuracy on new digits {score:.2f}")

# %% claims=true
assert falling["residual, 20"][-1] < 0.25 and falling["plain, 20"][-1] > 3 * falling["residual, 20"][-1], falling

# %% measure="stacks"
def stacks():
    """Training loss after the last of six epochs, and accuracy, of plain and residual networks without and with normalisation."""

    def plain_bare(depth):
        inputs = keras.Input((8, 8, 1))
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
        for _ in range(depth):
            x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
        return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))

    kinds = {
        "plain without normalisation": plain_bare,
        "plain": lambda depth: deep_network(depth, False),
        "residual": lambda depth: deep_network(depth, True),
    }
    for kind, make in kinds.items():
        for depth in (2, 8, 20, 32):
            for seed in range(3):
                training.set_seed(seed)
                network = make(depth)
                objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
                network.compile(keras.optimizers.Adam(0.003), objective, metrics=["accuracy"])
                history = network.fit(x_train[..., None], y_train, batch_size=64, epochs=6, verbose=0)
                accuracy = network.evaluate(x_test[..., None], y_test, verbose=0)[1]
                yield {
                    "kind": kind,
                    "depth": depth,
                    "seed": seed,
                    "loss": round(history.history["loss"][-1], 4),
                    "accuracy": round(accuracy, 4),
                }

# %% [markdown]
# One seed proves little. The table behind the next picture was measured beforehand, with three seeds for each of four depths,
# and with the same rate, batches and six epochs for all. It has a third kind: plain stacks without any normalisation.

# %%
table = data.measured("cnn-stacks")
depths, by_depth = np.unique(table["depth"]), {}
for kind in np.unique(table["kind"]):
    rows = table[table["kind"] == kind]
    by_depth[kind] = [rows["loss"][rows["depth"] == d].mean() for d in depths]
plots.curves(by_depth, xlabel="convolutions after the first", ylabel="training loss", xs=depths, log=True)
for kind, losses in by_depth.items():
    print(f"{kind:28}", *(f"{depth} layers: {loss:.3f}" for depth, loss in zip(depths, losses)), sep="  ")

# %% claims=true
lost = {kind: dict(zip(depths, losses)) for kind, losses in by_depth.items()}
assert lost["plain"][8] < lost["plain"][20] / 2 < lost["plain"][32] / 4, lost
assert lost["residual"][8] > lost["residual"][20] > lost["residual"][32] and lost["residual"][8] < 0.1, lost
assert min(lost["plain without normalisation"][depth] for depth in (20, 32)) > 2.3, lost

# %% [markdown]
# Without normalisation, 20 and 32 layers stay at $\ln 10 = 2.303$: at this rate they have learned nothing. With it, plain
# networks of 20 layers learn, but 32 layers have a *higher* training loss than 20, and these a higher one than 8: a small
# version of what He et al. found. (After six epochs, slower and worse look alike; they trained three times as long, and it
# stayed: section 4.1.) The deeper one of these residual networks is, the lower is its training loss. So the two are not the
# same cure: here normalisation makes a plain network of 20 layers trainable, and the shortcut makes depth worth it. Another
# rate, other initial weights or more epochs may move these numbers.
#
# ## 8. A network for images
#
# ### `build_cnn`
#
# Build a `keras.Model`: a 3 × 3 convolution with `filters` filters, one with `2 · filters`, each with `padding="same"` and
# ReLU and followed by max pooling of 2 × 2 with stride 2, where what is left over is dropped; then global average pooling,
# and a dense layer that gives **logits**. From `(batch, image_size, image_size, channels)` to `(batch, n_classes)`. All
# layers have biases. Do not compile the model. You may build it in any way.
#
# <details><summary>Hint</summary>Six layers after the input, in the order of the sentence above. Which of those with weights has no
# activation?</details>
#
# *Checked:* the logits for given weights, the number of parameters, that the weights start at random, and that the
# model is not compiled.

# %% exercise="build_cnn"

# %% check="build_cnn" points=3
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
# **Train it on digits**, as they are and with shuffled pixels, next to a dense network of about the same size. *Predict the
# four scores: which falls?*

# %%
def fit_and_score(model, x, y, x_new, y_new, epochs=10):
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
# Digits are easy: with their few pixels, all in the same place, the dense network is as good. It differs between the two only
# by its random start. The CNN does care about the order of the pixels: it looks at neighbours. (Try other seeds.)
#
# **What has it learned?** The picture shows what the filters of the first convolution answer for one digit: their *feature
# maps*. *Which of them look for edges, as your two kernels of section 1 do?*

# %%
three = x_test[y_test == 3][:1, :, :, None]
first = next(layer for layer in networks["CNN"].layers if isinstance(layer, layers.Conv2D))
plots.feature_maps(first(ops.array(three))[0])

# %% [markdown]
# ## 9. More images than you have
#
# A three stays a three when it is moved by a pixel. Whoever knows that need not wait for the network to find out: move the
# training images, by other numbers of pixels in every epoch, and each of them becomes many. That is **data augmentation**. It
# says, in data, which changes do not matter, as a convolution says it in its weights. By hand, moved down by one and to the
# left by one:
#
# $$ \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \;\to\; \begin{pmatrix} 0 & 0 \\ 2 & 0 \end{pmatrix} $$

# %% [markdown]
# ### `shift_images`
#
# **Write** a function that moves each image by its own number of pixels; zeros come in.
#
# - *Shapes:* `images` `(batch, height, width, channels)` and integer `shifts` `(batch, 2)`, down and to the right, are NumPy
#   arrays, and so is the result.
# - *Allowed:* everything.
# - *Checked:* all four directions, shifts of 0, images that leave their frame altogether, and that `images` and `shifts` are
#   left as they are.
#
# <details><summary>Hint</summary>Put a wide border of zeros around the images. To move an image down by one is to cut a window out
# of this larger one. Where does the window begin?</details>

# %% exercise="shift_images"

# %% check="shift_images" points=2
square = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
moved = shift_images(square, np.array([[1, -1]]))
assert moved.shape == (1, 2, 2, 1), f"the shape should stay (1, 2, 2, 1), received {moved.shape}."
assert np.allclose(moved.ravel(), [0, 0, 2, 0]), (
    f"down by one and to the left by one: 0, 0, 2, 0, not {moved.ravel()}. Does something come in that left on the other side?"
)
both = shift_images(np.repeat(square, 3, axis=0), np.array([[0, 1], [-1, 0], [0, 0]]))
assert np.allclose(both[0].ravel(), [0, 1, 0, 3]), f"to the right by one: 0, 1, 0, 3, not {both[0].ravel()}."
assert np.allclose(both[1].ravel(), [3, 4, 0, 0]), f"up by one: 3, 4, 0, 0, not {both[1].ravel()}."
assert np.allclose(both[2], square[0]), "an image that is moved by 0 pixels stays as it is."
wide_one = shift_images(np.arange(1.0, 7).reshape(1, 2, 3, 1), np.array([[1, 1]]))
assert np.allclose(wide_one.ravel(), [0, 0, 0, 0, 1, 2]), f"2 × 3, down and right by one: not {wide_one.ravel()}."
assert np.allclose(shift_images(square, np.array([[0, 5]])), 0), "moved by 5 pixels, nothing is left of 2 × 2."

# %% [markdown]
# **Look at it.** 200 digits to learn from, as they are, moved, and mirrored from left to right in half of the cases; 80
# epochs, each with other changes. *Predict: does either of the two changes help, and does either do harm?*

# %%
few, few_labels = x_train[:200, :, :, None], y_train[:200]
changes_of = {
    "as they are": lambda images, rng: images,
    "moved": lambda images, rng: shift_images(images, rng.integers(-1, 2, size=(len(images), 2))),
    "mirrored": lambda images, rng: np.where(
        rng.random((len(images), 1, 1, 1)) < 0.5, images, images[:, :, ::-1]
    ),
}
augmented = {}
for name, change_images in changes_of.items():
    training.set_seed(0)
    rng = np.random.default_rng(0)
    every = np.concatenate([change_images(few, rng) for _ in range(80)])
    augmented[name] = fit_and_score(
        build_cnn(8, 1, 32, 10), every, np.tile(few_labels, 80), x_test[..., None], y_test, epochs=1
    )
plots.bars(augmented, ylabel="accuracy on new digits", title="200 digits, 80 epochs")

# %% claims=true
assert augmented["mirrored"] < min(augmented["as they are"], augmented["moved"]), augmented
assert augmented["moved"] < augmented["as they are"] + 0.03, augmented

# %% [markdown]
# Mirrored digits do harm: it is not true that a digit stays what it is in a mirror. And moving does not help here. A moved
# digit is what it was, as long as all of it is there; but these fill their frames from top to bottom, so a move cuts strokes
# off, and the new digits are not moved. An augmentation is a statement about the data to come. In section 11 it will be
# nearer the truth. (One seed: repeat it with others.)

# %% [markdown]
# ## 10. Signals
#
# A convolution can slide along time as well. MNIST-1D has signals of 40 positions in ten classes; in the unit on dense
# networks, those reached an accuracy of a little over 0.6. Each signal is one of ten shapes, somewhere, stretched and
# noisy (in the spirit of Greydanus and Kobak, 2020, arXiv:2011.14439): made for something that looks for a shape everywhere.

# %%
(s_train, t_train), (s_test, t_test) = data.mnist1d()
plots.signals(s_train, t_train)

# %% [markdown]
# ### `train_signal_classifier`
#
# Write a function that takes signals `x` `(samples, positions)`, integer labels `y` and a `seed`, and returns a **trained**
# `keras.Model` that gives logits. `layers.Conv1D` slides along `(positions, channels)`, and a signal has one channel, so the
# positions need a new last axis: `layers.Reshape((-1, 1))`. A few seconds of training are enough. Everything in Keras is
# allowed.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>Start with two or three convolutions of about 50 filters of size 5, with
# <code>padding="same"</code> so that short signals survive, each but the last followed by max pooling, then flatten. Set the
# seed before the weights are made. Find the number of classes from <code>y</code>; Keras expects an <code>int</code>.</details>
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
    f"accuracy {score:.2f}, expected at least 0.80; dense layers get about 0.62. Is it trained long enough? Does the kernel "
    "slide along the positions, or has the signal the shape (1, 40)? Is an average taken at the end, where flattening helps?"
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
# worth finding may be anywhere. Where the bet is right, it learns more from the same samples; where it is wrong, it is no
# better than dense layers, or worse.

# %% [markdown]
# ## 11. Your project: digits among scraps
#
# The digits so far stood in the middle of their frame. Now they lie anywhere on a canvas of 16 × 16 pixels, among scraps of
# other digits. This is where sliding windows should be worth most. *Predict: how far does the nearest neighbour get, and a
# dense network?*

# %%
def on_canvas(images, rng, size=16, scraps=4):
    """Each image anywhere on a canvas of its own, among scraps of 4 × 4 pixels of other images."""
    canvases = np.zeros((len(images), size, size, 1), "float32")
    for canvas, image in zip(canvases, images):
        for other in rng.integers(len(images), size=scraps):
            (row, column), (top, left) = rng.integers(0, 5, size=2), rng.integers(0, size - 3, size=2)
            canvas[top : top + 4, left : left + 4, 0] = images[other, row : row + 4, column : column + 4]
        top, left = rng.integers(0, size - 7, size=2)
        canvas[top : top + 8, left : left + 8, 0] = image
    return canvases

rng = np.random.default_rng(0)
canvases, canvas_labels = on_canvas(x_train[:1047], rng), y_train[:1047]
held_back, held_back_labels = on_canvas(x_train[1047:], rng), y_train[1047:]  # to choose by
new_canvases, new_labels = on_canvas(x_test, rng), y_test  # looked at once, at the end
plots.images(canvases[..., 0], canvas_labels)

# %% [markdown]
# What you choose (depth, width, rate, how far to move), choose by the 300 images that are held back. The test images are for
# the end. Four networks to begin with, all trained for 12 epochs: a dense one and the CNN of section 8, with canvases that
# are moved in every epoch by up to 3 pixels; and a network of three of your blocks, two of which halve the image, unmoved and
# moved.

# %%
def residual_network(filters=16):
    inputs = keras.Input((16, 16, 1))
    z = layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    for width, stride in [(2 * filters, 2), (2 * filters, 1), (4 * filters, 2)]:
        z = ResidualBlock(width, stride)(z)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalMaxPooling2D()(z)))

def learn(model, move, epochs=12, rate=0.003, seed=0):
    """Train on the canvases, moved by up to `move` pixels in each epoch; return the model and its accuracies on those held back."""
    training.set_seed(seed)
    network, rng, held = model(), np.random.default_rng(seed), []
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), objective, metrics=["accuracy"])
    for _ in range(epochs):
        moved = shift_images(canvases, rng.integers(-move, move + 1, size=(len(canvases), 2)))
        network.fit(moved, canvas_labels, batch_size=32, verbose=0)
        held.append(network.evaluate(held_back, held_back_labels, verbose=0)[1])
    return network, held

choices = {
    "dense": (dense_network, 3),
    "CNN": (lambda: build_cnn(16, 1, 32, 10), 3),
    "residual, unmoved": (residual_network, 0),
    "residual": (residual_network, 3),
}
learned = {}
for name, choice in choices.items():
    learned[name] = learn(*choice)
    print(f"{name}: {learned[name][1][-1]:.3f} of those held back are right")
plots.curves(
    {name: held for name, (_, held) in learned.items()}, xlabel="epoch", ylabel="accuracy on those held back"
)

# %% [markdown]
# The dense network hardly beats guessing, moved canvases or not: it would have to learn each digit in each place. Convolutions
# share what they learn between places. In twelve epochs the residual network gets further than the CNN: it is deeper, has more
# weights, normalises, and takes a maximum at the end. *Which of these matters? Try.* And the augmentation helps, though it is
# only nearly true: moved by 3 pixels, some digits lose an edge.
#
# **Now yours.** How far do you get on the images that are held back? Some things to try: more epochs and a rate that falls
# (`keras.optimizers.schedules.CosineDecay`), more filters, a fourth block, an average in place of the maximum, other shifts,
# new scraps in every epoch. Add yours to `learned`, and compare by the images held back. When you have chosen, run the cell
# after it: it looks at the test images.
# Its last bar is what the small CNN makes of digits in the middle of their frames, without scraps: no limit, but something to
# compare with.

# %%
# learned["mine"] = learn(lambda: residual_network(24), move=2, epochs=24)
print({name: round(held[-1], 3) for name, (_, held) in learned.items()})

# %%
flat, flat_new = (images.reshape(len(images), -1) for images in (canvases, new_canvases))
nearest = [canvas_labels[np.argmin(((flat - image) ** 2).sum(axis=1))] for image in flat_new]
final = {"nearest": np.mean(nearest == new_labels)}
final |= {name: network.evaluate(new_canvases, new_labels, verbose=0)[1] for name, (network, _) in learned.items()}
final["no scraps"] = scores["CNN"]
plots.bars(final, ylabel="accuracy", title="Digits among scraps", reference=0.1, reference_label="guessing")

# %% claims=true
assert final["dense"] < final["nearest"] < 0.4, final
assert final["residual, unmoved"] > final["CNN"] + 0.05 and final["residual"] > final["residual, unmoved"], final

# %% [markdown]
# ## What to remember
#
# - A convolution lays the same kernel on every window: multiply, add up, slide on. It does not turn the kernel around.
# - $\lfloor (n + 2p - d(k-1) - 1)/s \rfloor + 1$ places; `same` gives $\lceil n/s \rceil$.
# - A filter has weights for every channel it reads: $k^2 · C_{in} · C_{out} + C_{out}$ parameters, whatever the image's size.
#   Each is used once in every place: that times the number of places is the cost.
# - With stride 1, convolutions follow a shift; global pooling ignores it as long as nothing crosses the border.
# - Most of VGG's parameters are in its three dense layers; an average and one dense layer in their place save about nine of
#   ten.
# - Batch normalisation uses the batch's statistics in training and moving averages afterwards. These need steps to arrive.
# - Deeper plain networks can have a higher *training* loss. A residual block adds a change to its input, so that doing
#   nothing is easy.
# - Augmentation is a statement about the data to come; where it is false, it can do harm.
# - Shuffle the positions: who gets worse has looked at neighbours.
#
# ## Open questions
#
# 1. Near the border, `padding="same"` puts zeros below the kernel. Can a convolutional network find out where in the image it
#    is?
# 2. What should be shared, and what bet would you make, for a chessboard? For a table of patients?
# 3. Two shuffles of the pixels: one for all images, or another one for each. Which network can learn what from each?
