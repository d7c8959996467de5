# %% [markdown] title="From one neuron to back-propagation" order=1 minutes=190 builds="neuron, softmax, cross-entropy, back-propagation by hand, SGD and momentum, a trained classifier"
# # From one neuron to back-propagation
#
# **{points} points · about {minutes} minutes, in three sittings (parts 1 to 3, 4 and 5, 6)**, and 40 more for the parts headed
# *Extra*, which no exercise needs
#
# You will build a neural network twice. First by hand: you write its neurons, its loss, its gradients and its training steps,
# and it learns to fence in an island of points. Then in Keras, where you train it on signals that a linear model tells apart
# badly.
#
# **Before you start** you need Python with NumPy arrays, matrix products, logarithms, standard deviations, and the chain rule
# for derivatives. Some words: a *batch* is a group of samples that are computed together, one per row; the *gradient* of a
# number is the list of its derivatives; a label is *one-hot* when it is written as a row with a 1 at its class and 0
# elsewhere.
#
# **How it works.** Each exercise has a cell to fill in: read its docstring, replace `raise NotImplementedError()`, run it,
# then run the check below it. If the check prints nothing, the numbers that it tries are right. Grading tries others, in more
# cases, and an answer that is right in some of them earns part of the points.
#
# Your answers can use what the set-up cell imports, but nothing that other cells define, unless they are answers of yours. No
# exercise needs an earlier one; you may call an earlier answer of yours, as long as that one is right. The cells headed “look
# at it” do need your answers above them: pass over those that stop at one you have not written yet. Some functions are
# *off-limits* because they would be the whole answer. The checks here do not look for them, but grading does. Where a tensor
# is asked for, a NumPy array of the same numbers will do.
#
# ## Set-up
#
# The set-up cell prints which backend computes: TensorFlow, JAX or PyTorch. `ops` is Keras's version of NumPy. What you write
# with `ops` and `layers` runs on all three. (`a @ b` and `a.T` do not work with every tensor of every backend: write
# `ops.matmul(a, b)` and `ops.transpose(a)`.)

# %% setup=true
from course import data, plots, training  # first, to keep the log quiet
from course.probe import probe

import numpy as np
import keras
from keras import layers, ops

training.set_seed(0)
training.report()

# %% [markdown]
# ## 1. One neuron, then a layer
#
# A neuron weighs its inputs, adds a bias, and sends the sum through a curve:
#
# $$ h = \tanh(w \cdot x + b) $$
#
# The curve, here $\tanh$, is called the **activation function**, or the activation for short. With one input, $w$ sets how
# steep it is, and it crosses zero at $-b/w$. *Predict before you run: which curve is the steepest, and where does the third
# one cross zero?*

# %%
x = np.linspace(-4, 4, 161)
settings = [(1, 0), (3, 0), (1, -2)]
neurons = {f"w = {w}, b = {b}": np.tanh(w * x + b) for w, b in settings}
plots.curves(neurons, xlabel="input x", ylabel="output h", title="One neuron", xs=x)

# %% [markdown]
# A **layer** is a group of neurons that read the same inputs. Without the activation, a layer is an affine map. Keras keeps one
# sample per **row**, so the weights stand on the right:
#
# $$ y = x W + b \qquad (\text{batch}, \text{inputs}) \cdot (\text{inputs}, \text{outputs}) + (\text{outputs},) $$
#
# Books often write $Wx + b$ with samples in columns; their $W$ is our $W^\top$. By hand, for $x = (1, 2)$:
#
# | | output 0 | output 1 | output 2 |
# |---|---|---|---|
# | weights of input 0 | 1 | 0 | −1 |
# | weights of input 1 | 2 | 1 | 0 |
# | bias | 0.5 | 0 | −1 |
# | $y$ | 1·1 + 2·2 + 0.5 = **5.5** | 2·1 = **2** | −1 − 1 = **−2** |

# %% [markdown]
# ### `affine`
#
# Write the affine map for a whole batch: `x` is `(batch, inputs)`, `kernel` is `(inputs, outputs)`, `bias` is `(outputs,)`.
# Anything in `ops` is allowed; whole layers such as `layers.Dense` are off-limits. You need no loop over the samples.
#
# <details><summary>Hint</summary>Write the three shapes side by side. Which product of two of them gives
# <code>(batch, outputs)</code>? Adding <code>(outputs,)</code> to that repeats it for every row.</details>
#
# *Checked:* values, a batch of one row, and a square kernel.

# %% exercise="affine"

# %% check="affine" points=2
kernel = ops.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]])
bias = ops.array([0.5, 0.0, -1.0])
y = ops.convert_to_numpy(affine(ops.array([[1.0, 2.0]]), kernel, bias))
assert y.shape == (1, 3), (
    f"1 sample and 3 outputs should give (1, 3), received {y.shape}: which axis is the batch?"
)
assert np.allclose(y, [[5.5, 2, -2]]), (
    f"expected 5.5, 2, -2 as in the table, received {y[0]}: is the bias added, and only once?"
)

# %% [markdown]
# ### `relu`
#
# A rectified linear unit has a very simple activation: negative numbers become 0 and the others stay as they are. Write
# it for a tensor of any shape. Off-limits: `ops.relu`, `keras.activations.relu` and `layers.ReLU`.
#
# <details><summary>Hint</summary>For each entry, compare two numbers and keep one of them.</details>
#
# *Checked:* values, for vectors, matrices and tensors with more axes.

# %% exercise="relu"

# %% check="relu" points=1
z = ops.array([[-2.0, 0.0, 3.0], [0.5, -0.1, 100.0]])
active = ops.convert_to_numpy(relu(z))
assert active.shape == (2, 3), (
    f"the shape is {active.shape}, expected (2, 3) as before: is each entry compared by itself?"
)
assert (active >= 0).all(), f"the smallest entry is {active.min():.3g}: did a negative one stay?"
assert np.allclose(active, [[0, 0, 3], [0.5, 0, 100]]), (
    f"expected 0, 0, 3, 0.5, 0, 100, received {active.ravel()}: "
    "do negative numbers become 0, and do positive ones keep their size?"
)

# %% [markdown]
# ### `sigmoid`
#
# The sigmoid turns any number into one between 0 and 1, which can be read as a probability:
#
# $$ \sigma(z) = \frac{1}{1 + e^{-z}} $$
#
# The formula has a trap: $e^{1000}$ does not fit into a float and becomes infinity. In the formula as it stands this is just
# survivable, because $1/\infty$ is 0. In the equivalent form $e^z / (1 + e^z)$ the value at 1000 is $\infty/\infty$, which is
# NaN. Write a version for a tensor of any shape that gives 1 and 0 at ±1000. Only values are graded; can you do it so that no
# `exp` ever overflows? Off-limits: `ops.sigmoid`, `keras.activations.sigmoid` and the versions of
# them that start with `log_`.
#
# <details><summary>Hint</summary>Which sign must a number have so that <code>exp</code> of it can never overflow? For each sign
# of $z$, one of the two forms needs only such an <code>exp</code>. Mind that <code>ops.where</code> computes both of its
# branches for every number.</details>
#
# *Checked:* values near zero, values where the curve is almost flat, up to ±10, and numbers like ±1000.

# %% exercise="sigmoid"

# %% check="sigmoid" points=2
ln3 = float(np.log(3))
s = ops.convert_to_numpy(sigmoid(ops.array([0.0, ln3, -ln3, 1000.0, -1000.0])))
assert not np.isnan(s).any(), (
    f"received {s}: NaN comes from infinity divided by infinity. What does exp see at ±1000?"
)
assert np.allclose(s[:3], [0.5, 0.75, 0.25]), (
    f"expected 0.5, 0.75, 0.25 at 0 and ±ln 3, received {s[:3]}: is the sign in exp right?"
)
assert np.allclose(s[3:], [1, 0]), f"expected 1 and 0 at ±1000, received {s[3:]}."

# %% [markdown]
# **Look at it.** The picture shows your two activations and their slopes. *Predict: where is the sigmoid steepest, and how
# steep is it there?*

# %%
z = np.linspace(-6, 6, 241)
activations = {
    name: ops.convert_to_numpy(activation(ops.array(z, "float32")))
    for name, activation in {"relu": relu, "sigmoid": sigmoid}.items()
}
slopes = {f"slope of {name}": np.gradient(values, z) for name, values in activations.items()}
activations["relu"] = np.where(activations["relu"] > 1.5, np.nan, activations["relu"])  # it goes on; the picture ends
plots.curves(activations | slopes, xlabel="z", ylabel="output, slope", xs=z)
print(f"The sigmoid's slope is at most {slopes['slope of sigmoid'].max():.3f}.")

# %% claims=true
assert abs(slopes["slope of sigmoid"].max() - 0.25) < 0.001

# %% [markdown]
# Slopes decide, with the weights, how much of a gradient gets through a deep network: part 4 measures it.
#
# ### Why an activation at all?
#
# Without an activation, more layers gain nothing, because two affine maps in a row are one affine map:
#
# $$ (xW_1 + b_1)W_2 + b_2 = x\,(W_1W_2) + (b_1W_2 + b_2) $$
#
# Your `affine` confirms it for drawn numbers, up to rounding:

# %%
rng = np.random.default_rng(0)
shapes = [(5, 2), (2, 9), (9,), (9, 3), (3,)]
x, W1, b1, W2, b2 = (ops.array(rng.normal(size=shape), "float32") for shape in shapes)
two_layers = affine(affine(x, W1, b1), W2, b2)
one_layer = affine(x, ops.matmul(W1, W2), ops.matmul(b1, W2) + b2)
print(f"largest difference: {float(ops.max(ops.abs(two_layers - one_layer))):.1e}")

# %% [markdown]
# One affine map can only divide the plane along a straight line. Below, an island of 100 points lies in a ring of 100 others.
# A linear model $\hat y = w_0 + w_1 x_1 + w_2 x_2$ has 3 parameters, which least squares can fit to the classes 0 and 1; what
# is above ½ counts as class 1. *Predict: how many of the 200 points will it get right?*

# %%
rng = np.random.default_rng(7)
radius = np.concatenate([rng.uniform(0, 1, 100), rng.uniform(1.5, 2.3, 100)])
angle = rng.uniform(0, 2 * np.pi, 200)
island_x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
island_y = np.repeat([0, 1], 100)
w, *_ = np.linalg.lstsq(np.c_[np.ones(200), island_x], island_y, rcond=None)

def line(points):
    """A score for each class: the larger one wins."""
    above = w[0] + points @ w[1:] - 0.5
    return np.stack([-above, above], axis=1)

plots.decision_boundary(line, island_x, island_y, title="Linear, 3 parameters")
print(np.sum(line(island_x).argmax(axis=1) == island_y), "of 200 are right")

# %% [markdown]
# You will come back to the island with a network of your own.
#
# ## 2. From scores to a loss
#
# A classifier gives each class a score, its **logit**: any real number. Softmax turns the logits of one sample into
# probabilities:
#
# $$ p_j = \frac{e^{z_j}}{\sum_k e^{z_k}} $$
#
# By hand, for $z = (2, 1, 0)$: the exponentials are 7.389, 2.718 and 1, their sum is 11.107, so $p = (0.665, 0.245, 0.090)$.
# Of two classes, the one whose score is higher by 1 is $e$ times as probable, whatever the scores are. Only differences count:
# $(1002, 1001, 1000)$ gives the same probabilities.
#
# ### `softmax`
#
# Write softmax for a batch: `(batch, classes)` in, the same shape out. Each **row** is a sample, and its probabilities must sum
# to 1 even if its logits are in the thousands. Off-limits: `ops.softmax`, `keras.activations.softmax`, `layers.Softmax` and
# the versions of them that start with `log_`.
#
# <details><summary>Hint</summary>Only differences count, so you may move all logits of a row by the same amount. Which amount
# makes sure that <code>exp</code> never sees a large positive number? With <code>keepdims=True</code> a sum or a maximum over
# an axis keeps a shape that broadcasts.</details>
#
# *Checked:* values, large logits and logits far apart in one row, and a batch of one row.

# %% exercise="softmax"

# %% check="softmax" points=3
p = ops.convert_to_numpy(softmax(ops.array([[2.0, 1.0, 0.0], [3.0, 3.0, 3.0]])))
assert np.allclose(p.sum(axis=1), 1, atol=1e-5), (
    f"the rows sum to {p.sum(axis=1)}, expected 1: does the sum run over the classes?"
)
assert np.allclose(p[0], [0.66524, 0.24473, 0.09003], atol=1e-4), (
    f"row 0 is {p[0]}, expected 0.665, 0.245, 0.090: "
    "is each exp divided by the sum of its row?"
)
p = ops.convert_to_numpy(softmax(ops.array([[1000.0, 0.0, 0.0], [0.0, -1000.0, -1000.0]])))
assert np.allclose(p, [[1, 0, 0]] * 2), (
    f"logits that are 1000 apart give {p}, expected 1, 0, 0: which exp cannot overflow, however far apart they are?"
)
p = ops.convert_to_numpy(softmax(ops.array([[1000.0, 1000.0, 1000.0], [0.0, 0.0, 0.0]])))
assert np.allclose(p, 1 / 3, atol=1e-4), (
    f"equal logits, 1000 in row 0 and 0 in row 1, give {p}, expected 1/3 everywhere: "
    "what may be subtracted from each row, so that exp neither overflows nor gives all zeros?"
)

# %% [markdown]
# **Look at it: twice is once too often.** A very common mistake in Keras classifiers is a softmax in the model and another one
# in the loss. The second takes the probabilities for logits. *Predict: ten classes have the logits 6, 0, 0, …, 0. What does
# softmax give class 0, and what does the softmax of the softmax give it?*

# %%
sure = ops.array([[6.0] + [0.0] * 9])
for times, p in {"once": softmax(sure), "twice": softmax(softmax(sure))}.items():
    heights = dict(enumerate(ops.convert_to_numpy(p)[0]))
    title = f"softmax {times}: classes 0 to 9"
    plots.bars(heights, ylabel="probability", title=title, top=1.1)

# %% claims=true
assert heights[0] <= np.e / (np.e + 9)  # of softmax twice
assert abs(np.e / (np.e + 9) - 0.232) < 0.0005 and abs(np.log(np.e / (np.e + 9)) + 1.46) < 0.005

# %% [markdown]
# Probabilities differ by at most 1, so the second softmax can never be sure: with ten classes it gives at most
# $e/(e + 9) = 0.232$. A loss that takes its result stays above $-\ln 0.232 = 1.46$, however long you train. Keep that number in
# mind.
#
# ### How wrong is it? Cross-entropy
#
# If the true class of a sample is $t$, the loss of that sample is $-\log p_t$: the *surprise*, which is 0 if the classifier was
# certain of $t$ and grows as $p_t$ shrinks. The loss of a batch is the **mean** over its $N$ samples:
#
# $$ L = -\frac{1}{N}\sum_{n=1}^{N} \log p_{n,\,t_n} $$
#
# By hand: the logits $(0, \ln 3)$ mean $p = (0.25, 0.75)$. If class 1 is true, the loss is $-\ln 0.75 = 0.2877$; if class 0 is
# true, it is $-\ln 0.25 = 1.3863$. The mean of these two is 0.8370.
#
# ### `cross_entropy`
#
# Write the loss of a batch from `logits` `(batch, classes)` and integer `labels` `(batch,)`: one number. Logits may be large:
# if they are $(1000, 0)$ and class 1 is true, the loss is 1000, not infinity. Keras's own cross-entropies are off-limits, as
# losses, as metrics and in `ops`; everything else in `ops` is allowed.
#
# <details><summary>Hint</summary>Write $\log p_t$ out before you compute it: the logarithm of a fraction is a difference, and
# one of its terms needs no <code>exp</code>. The other must not overflow either. To pick one entry per row you can use a
# one-hot matrix or <code>ops.take_along_axis</code>.</details>
#
# *Checked:* values, large logits, and a batch of one row.

# %% exercise="cross_entropy"

# %% check="cross_entropy" points=4
ln3 = float(np.log(3))
logits = ops.array([[0.0, ln3], [0.0, ln3]])
loss = ops.convert_to_numpy(cross_entropy(logits, ops.array([1, 0])))
assert loss.ndim == 0, f"expected one number, received shape {loss.shape}: where is the mean?"
assert abs(loss - 0.8370) < 1e-3, (
    f"the worked case gives {loss:.4f}, expected 0.8370: "
    "is it minus the log, averaged over the rows?"
)
huge = float(cross_entropy(ops.array([[1000.0, 0.0]]), ops.array([1])))
assert abs(huge - 1000) < 1e-2, (
    f"logits (1000, 0) with class 1 true cost {huge}, expected 1000: "
    "is there a log of a probability that was rounded to 0, or an exp that overflows?"
)

# %% [markdown]
# **Look at it.** What is the loss of a network that gives all $C$ classes the same probability $1/C$? It is $\ln C$. Remember
# **ln 10 = 2.3026**. A fresh ten-class model starts somewhat above that on many samples, since its random weights give unequal
# logits (part 6 prints two). *If the first loss of yours is many times as large, what would you look for?*

# %%
labels = ops.array([0, 1])
losses = {}
for C in (2, 3, 10, 100):
    losses[f"C = {C}"] = float(cross_entropy(ops.zeros((2, C)), labels))
plots.bars(losses, ylabel="loss of equal logits", title="Knowing nothing costs ln C")
print(f"ten classes: {losses['C = 10']:.4f}, ln 10: {np.log(10):.4f}")

# %% claims=true
assert abs(losses["C = 10"] - 2.3026) < 5e-5

# %% [markdown]
# ## 3. A network
#
# Put two layers in a row, with an activation between them. The outputs of the first, $h$, are not seen from outside, so it is
# called the **hidden** layer. Our example is a 2-3-1 network: it has two inputs, three hidden neurons with tanh, and one
# output.
#
# $$ h_j = \tanh\Big(\sum_i x_i\, W^{\text{hidden}}_{ij} + b^{\text{hidden}}_j\Big), \qquad
#    \hat y = \sum_j h_j\, W^{\text{output}}_j + b^{\text{output}} $$
#
# By hand: choose $r = \tfrac12 \ln 3 = 0.5493$, because then $\tanh r = 0.5$ and $\tanh 2r = 0.8$ are round numbers. The input
# is $x = (1, 1)$ and the output bias is 1. The weights of neuron $j$ are column $j$ of $W^{\text{hidden}}$.
#
# | neuron $j$ | weights | bias | sum | $h_j$ | output weight | adds |
# |---|---|---|---|---|---|---|
# | 0 | $(r, -r)$ | $r$ | $r$ | 0.5 | 6 | 3 |
# | 1 | $(0, -r)$ | 0 | $-r$ | −0.5 | 2 | −1 |
# | 2 | $(r, r)$ | 0 | $2r$ | 0.8 | 5 | 4 |
#
# So $\hat y = 3 - 1 + 4 + 1 = 7$.

# %% [markdown]
# ### `mlp_forward`
#
# Write the forward pass for a batch, `(batch, inputs)` → `(batch, outputs)`. `params` is a dict with the tensors
# `hidden_kernel`, `hidden_bias`, `output_kernel` and `output_bias`; their shapes are in the docstring. The activation of
# the hidden layer is tanh, and the output layer has none. Use `ops`; whole Keras layers are off-limits.
#
# <details><summary>Hint</summary>There are two affine maps. Which of their results may leave the range from −1 to
# 1?</details>
#
# *Checked:* the 2-3-1 network with other weights, other sizes, square kernels, and a batch of one row.

# %% exercise="mlp_forward"

# %% check="mlp_forward" points=4
r = float(np.log(3)) / 2
net = {
    "hidden_kernel": ops.array([[r, 0.0, r], [-r, -r, r]]),
    "hidden_bias": ops.array([r, 0.0, 0.0]),
    "output_kernel": ops.array([[6.0], [2.0], [5.0]]),
    "output_bias": ops.array([1.0]),
}
y = ops.convert_to_numpy(mlp_forward(net, ops.array([[1.0, 1.0], [1.0, 0.0]])))
assert y.shape == (2, 1), f"2 samples and 1 output should give (2, 1), received {y.shape}."
assert (abs(y) > 1).all(), f"received {y.ravel()}: is there a tanh on the output too?"
assert np.allclose(y.ravel(), [7, 8.3], atol=1e-4), (
    f"expected 7 and 8.3 for x = (1, 1) and (1, 0), received {y.ravel()}: "
    "does tanh stand around the weighted sum and the bias of the hidden layer?"
)

# %% [markdown]
# ### `count_params`
#
# How many numbers does training have to find? For the linear model of the island there were 3. Count them for any chain of
# dense layers: `sizes` is a list such as `[2, 3, 1]`, which starts with the number of inputs; every layer has a bias. Return
# an integer. Building a Keras model and asking it is off-limits.
#
# <details><summary>Hint</summary>Count the 2-3-1 network on paper first: the weights into the hidden layer, its biases,
# then the same for the output.</details>
#
# *Checked:* networks of one, three and eight layers, with equal sizes among them, that the count is an integer, and that
# the list is left as it is.

# %% exercise="count_params"

# %% check="count_params" points=2
n = count_params([2, 3, 1])
assert n == 13, (
    f"2-3-1 has 13 parameters, received {n}: "
    "is there one bias per neuron, and none for an input?"
)
n = count_params([4, 2])
assert n == 10, f"one layer from 4 inputs to 2 outputs has 10 parameters, received {n}."

# %% [markdown]
# ### Extra: what can such a network represent?
#
# It is often said that a large enough network approximates *any* continuous function. The theorem behind it has conditions: the
# function is continuous on a **closed, bounded** region, and the activation is **not a polynomial** (Leshno, Lin, Pinkus and
# Schocken, 1993). It says that good weights exist. It does not say how many neurons that takes, nor that training will find
# them.
#
# In a small case you can choose the weights by hand. Each ReLU neuron adds one kink, and its weight is the change of slope
# there. The zigzag below goes up with slope 2, down with slope −2 and up with slope 1, so the changes are 2, −4 and 3.

# %%
x = np.linspace(0, 3, 61).astype("float32")
zigzag = np.interp(x, [0, 1, 2, 3], [0, 2, 0, 1])
network = np.zeros_like(x)
for weight, kink in [(2, 0), (-4, 1), (3, 2)]:
    network += weight * ops.convert_to_numpy(relu(ops.array(x - kink)))
plots.curves({"zigzag": zigzag, "3 ReLU neurons": network}, xlabel="x", ylabel="y", xs=x)
print("largest difference:", abs(network - zigzag).max())

# %% claims=true
assert abs(network - zigzag).max() < 1e-5

# %% [markdown]
# ## 4. Back-propagation
#
# Training asks one question about every parameter: if it grows a little, by how much does the loss $L$ grow? The chain rule
# answers this layer by layer, from the loss backwards. Write $G_a$ for the gradient of the loss with respect to an array $a$;
# it has the shape of $a$.
#
# 1. *Softmax with cross-entropy.* For one sample, the loss $-\log p_t$ written out is $-z_t + \log \sum_k e^{z_k}$. The
#    derivative of its second term with respect to $z_j$ is $e^{z_j}/\sum_k e^{z_k} = p_j$, and that of the first is −1 if $j$
#    is the true class and 0 if not: **predicted minus true**. The mean over $N$ samples divides it by $N$, so
#    $G_{z} = (p - y)/N$, where each row of $y$ is 1 at the true class and 0 elsewhere (one-hot).
# 2. *An affine map* $z = hW + b$. Entry $W_{ij}$ reaches the loss through $z_{nj}$ of **every** sample $n$, so
#    $\partial L/\partial W_{ij} = \sum_n h_{ni}\,G_{z,nj}$, and $\partial L/\partial b_j = \sum_n G_{z,nj}$. The
#    layer below receives $G_{h,ni} = \sum_j G_{z,nj}W_{ij}$.
# 3. *The activation* $h = \tanh(a)$. It works on each entry alone, and multiplies the gradient there by its slope, $1 - h^2$.
#
# The diagram shows the way forward above, and the way back below, with dashed arrows. What the way back needs of the way
# forward comes down: $h$ for its slope, and both layers' inputs for the gradients of their weights. ($\odot$ multiplies entry
# by entry.)

# %%
x, a, h = r"$x$", r"$a = xW^{hidden} + b^{hidden}$", r"$h = \tanh(a)$"
z, loss = r"$z = hW^{output} + b^{output}$", r"$p = softmax(z)$" + "\n" + r"$L = -$mean of $\log p_t$"
Gz, Gh, Ga = r"$G_z = (p - y)/N$", r"$G_h = G_z W^{output\top}$", r"$G_a = G_h \odot (1 - h^2)$"
Gout, Gin = r"$h^\top G_z$, $\sum_n G_z$" + "\noutput kernel, bias", r"$x^\top G_a$, $\sum_n G_a$" + "\nhidden kernel, bias"
boxes = {x: (0, 0), a: (1.3, 0), h: (2.7, 0), z: (4.1, 0), loss: (5.6, 0)}
boxes |= {Gz: (5.3, 1), Gh: (3.7, 1), Ga: (1.6, 1), Gout: (3.1, 2), Gin: (1.0, 2)}
arrows = {(x, a): "", (a, h): "", (h, z): "", (z, loss): ""}
arrows |= {(h, Ga): "", (h, Gout): "", (x, Gin): ""}
back = {(loss, Gz): "", (Gz, Gh): "", (Gh, Ga): "", (Gz, Gout): "", (Ga, Gin): ""}
told = "x, a, h, z and the loss follow each other; back from the loss come the gradients of z, h and a. That of the output layer's "
told += "weights is made from h and the gradient of z, that of the hidden layer's from x and the gradient of a."
plots.diagram(boxes, arrows, back, "Forward, back, and the gradients of the parameters", told)

# %% [markdown]
# By hand, for one sample and a network of two inputs, one hidden neuron and two classes:
#
# | step | value |
# |---|---|
# | input, label | $x = (1, 2)$, class 0 |
# | hidden: weights 0, bias $\tfrac12\ln 3$ | $h = 0.5$ |
# | logits: weights $(2, 0)$, biases $(-1, 0)$ | $(0, 0)$, so $p = (0.5, 0.5)$ |
# | $G$ of the logits, which is that of the output bias | $(-0.5, 0.5)$ |
# | $G$ of the output weights: times $h$ | $(-0.25, 0.25)$ |
# | $G$ of $h$ | $-0.5 \cdot 2 + 0.5 \cdot 0 = -1$ |
# | $G$ before the activation, which is that of the hidden bias | $-1 \cdot (1 - 0.5^2) = -0.75$ |
# | $G$ of the hidden weights: times $x$ | $(-0.75, -1.5)$ |

# %% [markdown]
# ### `mlp_backward`
#
# Write the gradients of the mean cross-entropy with respect to all four parameters of the network of part 3, whose outputs are
# now logits. `params` has the same four keys, `x` is `(batch, inputs)`, and `labels` holds integers, `(batch,)`. Return a dict
# with these keys and shapes. Everything here is plain **NumPy in float64**, so there is no automatic differentiation to lean
# on, and what you wrote with `ops` will not do.
#
# <details><summary>Hint</summary>Go forward first and keep the values in between. On the way back, let the shapes guide you:
# they say which of two matrices is transposed, and on which side it stands. They do not tell the gradient before tanh from the
# one after it: mind step 3. A batch that contains everything twice has the same mean loss, so it must give the same
# gradients.</details>
#
# *Checked:* each of the four gradients on its own, where those of the hidden layer count twice; a batch in which some classes
# do not occur; square kernels; large logits; and that the inputs are left as they are. Automatic differentiation is off-limits.

# %% exercise="mlp_backward"

# %% check="mlp_backward" points=7
toy = {"hidden_kernel": np.zeros((2, 1)), "hidden_bias": np.array([np.log(3) / 2])}
toy |= {"output_kernel": np.array([[2.0, 0.0]]), "output_bias": np.array([-1.0, 0.0])}
expected = {"output_bias": [-0.5, 0.5], "output_kernel": [[-0.25, 0.25]]}
expected |= {"hidden_bias": [-0.75], "hidden_kernel": [[-0.75], [-1.5]]}
grads = mlp_backward(toy, np.array([[1.0, 2.0]]), np.array([0]))
for name, value in expected.items():
    received = grads[name]
    assert np.shape(received) == np.shape(value), (
        f"{name}: shape {np.shape(received)}, expected {np.shape(value)}."
    )
    assert np.allclose(received, value), (
        f"{name}: received {received}, the table says {value}. "
        "Parameters above it in the table, if any, are right."
    )
again = mlp_backward(toy, np.array([[1.0, 2.0]] * 2), np.array([0, 0]))["hidden_bias"]
assert np.allclose(again, -0.75), (
    f"hidden_bias: the same sample twice gives {again}, expected -0.75 as for one: "
    "is N divided by exactly once?"
)
sure = mlp_backward(toy | {"output_bias": np.array([1000.0, 0.0])}, np.array([[1.0, 2.0]]), np.array([1]))["output_bias"]
assert np.allclose(sure, [1, -1]), f"with logits of about 1000 and 0, class 1: expected (1, -1), received {sure}."


# %% [markdown]
# **Look at it.** A derivative is a slope, so you can see it. Here the hidden bias of the network in the table moves, and the
# loss moves with it. Your gradient must be the slope of the tangent at 0.

# %%
def loss_at(params, x, labels):
    tensors = {name: ops.array(value, "float32") for name, value in params.items()}
    logits = mlp_forward(tensors, ops.array(x, "float32"))
    return float(cross_entropy(logits, ops.array(labels)))

moves = np.linspace(-1, 1, 41)
moved = [toy | {"hidden_bias": toy["hidden_bias"] + move} for move in moves]
loss = [loss_at(params, [[1.0, 2.0]], [0]) for params in moved]
tangent = np.log(2) + moves * grads["hidden_bias"][0]
lines = {"loss": loss, "tangent with your gradient": tangent}
plots.curves(lines, xlabel="change of the hidden bias", ylabel="loss", xs=moves)

# %% [markdown]
# ### Extra: gradient checking
#
# This is how people who write gradients by hand find their mistakes: move one parameter by a small step $\varepsilon$ up and
# down, and compare $(L(w + \varepsilon) - L(w - \varepsilon))/2\varepsilon$ with the gradient. That takes two losses for every
# parameter, so it is a test and no way to train. *Predict: the smaller the step, the better?*

# %%
def numpy_loss(params, x, labels):
    hidden = np.tanh(x @ params["hidden_kernel"] + params["hidden_bias"])
    z = hidden @ params["output_kernel"] + params["output_bias"]
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(z)), labels])

def difference(name, place, step):
    move = np.zeros_like(toy[name])
    move[place] = step
    up, down = (toy | {name: toy[name] + sign * move} for sign in (1, -1))
    return (numpy_loss(up, *sample) - numpy_loss(down, *sample)) / (2 * step)

sample, small = (np.array([[1.0, 2.0]]), np.array([0])), 10.0 ** -np.arange(1, 13)
places = [(name, place) for name in toy for place in np.ndindex(toy[name].shape)]
error = [max(abs(difference(*at, step) - grads[at[0]][at[1]]) for at in places) for step in small]
exponents = np.log10(small)
plots.curves({"largest error": error}, "step, as a power of 10", "error", xs=exponents, log=True)

# %% claims=true
assert small[np.argmin(error)] in (small[4], small[5], small[6]), error  # 1e-5, 1e-6 or 1e-7
ratios = np.divide(error[:3], error[1:4])
assert ((50 < ratios) & (ratios < 200)).all(), ratios  # a tenth of the step, a hundredth of the error

# %% [markdown]
# At first the error falls with the square of the step: going both up and down cancels the curvature, and what is left comes
# from the third derivative, which a smaller step sees less of. It is smallest near $10^{-6}$, and then rises, because the two
# losses agree in more and more digits, and what is left of their difference is rounding. So check in float64, with a step
# near $10^{-5}$.
#
# ### Extra: how far back does a gradient reach?
#
# On its way back through a layer, a gradient is multiplied by the slopes of the activation (3.) and by the weights (2.). In a
# deep network that happens many times. Below, it travels back through 20 layers of 100 neurons, whose weights are drawn once.
# How they are drawn is the **initialisation**; here, it is their standard deviation that varies: $1/\sqrt n$, where $n$ is
# the number of a neuron's inputs, keeps the size of what an affine map is given (Glorot and Bengio, 2010, for equally wide
# layers); $\sqrt{2/n}$ is meant for ReLU (He, Zhang, Ren and Sun, 2015); 0.05 and 0.2 pay no attention to $n$. *Predict: the
# sigmoid's slope is at most ¼. What is left after 20 layers?*

# %%
def lengths(activation, slope, deviation, depth=20, n=100):
    """How long the gradient of each layer's input is, from the last to the first; that of the output has length 1."""
    rng = np.random.default_rng(0)
    h, passed = rng.normal(size=(200, n)), []
    for _ in range(depth):
        kernel = deviation * rng.normal(size=(n, n))
        h = ops.convert_to_numpy(activation(ops.array(h @ kernel)))
        passed.append((slope(h), kernel))
    gradient = rng.normal(size=h.shape)
    gradient, left = gradient / np.linalg.norm(gradient), []
    for slopes, kernel in reversed(passed):
        gradient = (gradient * slopes) @ kernel.T
        left.append(np.linalg.norm(gradient))
    return left

# %%
glorot, he = 1 / np.sqrt(100), np.sqrt(2 / 100)
kinds = {
    "sigmoid, Glorot": (sigmoid, lambda h: h * (1 - h), glorot),
    "tanh, Glorot": (ops.tanh, lambda h: 1 - h**2, glorot),
    "ReLU, 0.05": (relu, lambda h: h > 0, 0.05),
    "ReLU, Glorot": (relu, lambda h: h > 0, glorot),
    "ReLU, He": (relu, lambda h: h > 0, he),
    "ReLU, 0.2": (relu, lambda h: h > 0, 0.2),
}
left = {name: lengths(*kind) for name, kind in kinds.items()}
plots.curves(left, "layers on the way back", "length of the gradient", log=True)
for name, length in left.items():
    print(f"{name}: {length[-1]:.1e} after 20 layers, {length[-1] ** 0.05:.2f} per layer")

# %% claims=true
per_layer = {name: length[-1] ** (1 / 20) for name, length in left.items()}
assert per_layer["sigmoid, Glorot"] < 0.25, per_layer
assert per_layer["ReLU, 0.2"] > 1.3, per_layer
assert abs(per_layer["ReLU, Glorot"] - 0.5**0.5) < 0.01 and abs(per_layer["ReLU, He"] - 1) < 0.01, per_layer

# %% [markdown]
# With sigmoids and these weights a layer leaves on average less than a quarter, and after 20 layers next to nothing is left:
# the gradient has **vanished**. Here a ReLU has the slope 1 for about one half of its inputs and 0 for the others, so on
# average it halves the *square* of the length, a factor of $\sqrt{1/2} = 0.71$ per layer. He's initialisation makes up for
# just that, and the gradient arrives as long as it was sent. With larger weights it grows from layer to layer, and
# **explodes**. (Nothing is trained here; what training does with such gradients is another question.)
#
# ## 5. Steps downhill
#
# The gradient $g$ points uphill, so step the other way: $w \leftarrow w - \eta\,g$. The learning rate $\eta$ is the length of
# the step per unit of gradient. By hand, for the loss $w^2$ with gradient $2w$ and $\eta = 0.1$: from $w = 1$ the first step
# leads to $1 - 0.1 \cdot 2 = 0.8$, the next to 0.64.
#
# The parameters of a network are a dict of arrays, and so are their gradients, with the same names. One step makes a new dict:

# %%
def sgd_step(params, grads, learning_rate):
    """One step of gradient descent."""
    return {name: value - learning_rate * grads[name] for name, value in params.items()}

print(sgd_step({"w": np.array([1.0])}, {"w": np.array([2.0])}, 0.1))

# %% claims=true
assert np.allclose(sgd_step({"w": np.array([1.0])}, {"w": np.array([2.0])}, 0.1)["w"], 0.8)

# %% [markdown]
# ### `momentum_step`
#
# Momentum gives every parameter a velocity $v$, so that steps in one direction add up. A long, narrow valley below shows what
# that brings, and what it does not. There are several conventions; this is the one of Keras, with the momentum $\mu$:
#
# $$ v \leftarrow \mu v - \eta\,g, \qquad w \leftarrow w + v $$
#
# By hand: $w = 1$, $v = 0.5$, $g = 2$, $\eta = 0.1$ and $\mu = 0.9$ give the new $v = 0.45 - 0.2 = 0.25$ and the new
# $w = 1.25$. Return the pair `(params, velocity)` as two new dicts, and leave all inputs as they are. Off-limits: Keras
# optimizers.
#
# <details><summary>Hint</summary>Which of the two must be computed first, and does the second formula need $\eta$
# again?</details>
#
# *Checked:* parameters, velocity, and that the inputs are left as they are.

# %% exercise="momentum_step"

# %% check="momentum_step" points=4
old_w, old_v = {"w": np.array([1.0])}, {"w": np.array([0.5])}
new_w, new_v = momentum_step(old_w, {"w": np.array([2.0])}, old_v, 0.1, 0.9)
assert np.allclose(new_v["w"], 0.25), (
    f"the velocity is {new_v['w']}, expected 0.25: where does the learning rate act?"
)
assert np.allclose(new_w["w"], 1.25), (
    f"w is {new_w['w']}, expected 1.25: does it move by the new velocity?"
)
assert old_v["w"][0] == 0.5 and old_w["w"][0] == 1, (
    "an input has changed: was an array or a dict changed in place?"
)

# %% [markdown]
# **Look at it.** The loss $\frac12(a^2 + 50\,b^2)$ is a narrow valley: its slope grows 50 times as fast along $b$ as along $a$.
# A plain step multiplies $b$ by $1 - 50\eta$, so beyond $\eta = 2/50 = 0.04$ it diverges, and $a$ by $1 - \eta$, so it crawls.
# Both runs below have the rate 0.038. *Predict: which swings across the valley, along $b$, die out sooner, and which run ends
# lower?*

# %%
plain = fast = {"w": np.array([10.0, 1.0])}
velocity = {"w": np.zeros(2)}
steepness = np.array([1.0, 50.0])
heights, along_a, along_b = ({"plain": [], "momentum 0.9": []} for _ in range(3))
for step in range(60):
    plain = sgd_step(plain, {"w": steepness * plain["w"]}, 0.038)
    slope = {"w": steepness * fast["w"]}
    fast, velocity = momentum_step(fast, slope, velocity, 0.038, 0.9)
    for name, here in zip(heights, (plain, fast)):
        heights[name].append(0.5 * steepness @ here["w"] ** 2)
        along_a[name].append(here["w"][0])
        along_b[name].append(here["w"][1])
plots.curves(along_b, xlabel="step", ylabel="b", title="Across the valley")
plots.curves(along_a, xlabel="step", ylabel="a", title="Along the valley")
plots.curves(heights, xlabel="step", ylabel="loss", title="A narrow valley", log=True)

# %% claims=true
assert heights["momentum 0.9"][-1] < heights["plain"][-1] / 5, heights
signs = np.sign(along_b["plain"])
assert np.all(signs[1:] != signs[:-1])  # it swings to the other side with each step
changes = np.sum(np.diff(np.sign(along_b["momentum 0.9"])) != 0)
assert 5 < changes < 50, changes
assert np.abs(along_b["momentum 0.9"][-5:]).max() > 3 * np.abs(along_b["plain"][-5:]).max()
assert min(along_a["momentum 0.9"]) < -3 and min(along_a["plain"]) > 0

# %% [markdown]
# The plain run jumps across the valley with every step, by a factor of $1 - 50 \cdot 0.038 = -0.9$, and creeps along it.
# Across the valley momentum brings nothing here: its swings are slower and die out later. It wins *along* the valley, where
# its steps add up, so far that it overshoots the bottom and comes back: these are the bumps in its loss. After 60 steps that
# loss is far lower.
#
# ### Train your own network
#
# Now you have all the pieces. A 2-8-2 network (two coordinates, eight tanh neurons, two logits) starts with random weights,
# since neurons with equal weights, to and from them, would get equal gradients and stay copies of each other. Then each of 300
# steps computes the gradients and moves the parameters. With small output weights the loss should start near ln 2 = 0.69.

# %%
rng = np.random.default_rng(1)
params = {"hidden_kernel": rng.normal(size=(2, 8)), "hidden_bias": np.zeros(8)}
params |= {"output_kernel": rng.normal(size=(8, 2)) * 0.1, "output_bias": np.zeros(2)}
velocity = {name: np.zeros_like(value) for name, value in params.items()}
losses = []
for step in range(300):
    if step % 10 == 0:
        losses.append(loss_at(params, island_x, island_y))
    uphill = mlp_backward(params, island_x, island_y)
    params, velocity = momentum_step(params, uphill, velocity, 0.3, 0.9)

steps = np.arange(0, 300, 10)
plots.curves({"your network": losses}, xlabel="step", ylabel="loss", xs=steps)

# %% claims=true
assert abs(losses[0] - np.log(2)) < 0.05 and losses[-1] < 0.02, losses

# %% [markdown]
# The loss falls towards 0. What has the network learned? On the left is the linear model from part 1.

# %%
tensors = {name: ops.array(value, "float32") for name, value in params.items()}

def network(points):
    return mlp_forward(tensors, ops.array(points, "float32"))

models = {"Linear, 3 parameters": line, "Yours, 42 parameters": network}
plots.decision_boundaries(models, island_x, island_y)
for name, scores_of in models.items():
    chosen = ops.convert_to_numpy(scores_of(island_x)).argmax(axis=1)
    print(f"{name}: {np.sum(chosen == island_y)} of 200 are right")

# %% claims=true
assert sum(value.size for value in params.values()) == 42
assert np.mean(ops.convert_to_numpy(network(island_x)).argmax(axis=1) == island_y) == 1
assert np.mean(line(island_x).argmax(axis=1) == island_y) < 0.65

# %% [markdown]
# The forward pass, the gradients and the step behind the picture on the right are yours. The network has 2·8 + 8
# + 8·2 + 2 = 42 parameters.
#
# ### Extra: minibatches
#
# Each of those steps looked at all 200 points. A **minibatch** of 20 points gives a gradient that is 10 times as cheap, and
# right on average: the mean of its points is, but for chance, the mean of all. Below, plain steps with the rate 0.3 are taken
# with minibatches of 200 (all points), 20 and 5, until each run has seen every point 40 times, so all cost the same number of
# gradients of single points. Two runs more have the rate 3, with all points and with 20. *Predict: which
# run ends lowest?*

# %%
def run(size, rate=0.3, epochs=40):
    rng, losses = np.random.default_rng(1), []
    params = {"hidden_kernel": rng.normal(size=(2, 8)), "hidden_bias": np.zeros(8)}
    params |= {"output_kernel": rng.normal(size=(8, 2)) * 0.1, "output_bias": np.zeros(2)}
    for _ in range(epochs):
        for rows in rng.permutation(200).reshape(-1, size):  # an epoch sees every point once
            params = sgd_step(params, mlp_backward(params, island_x[rows], island_y[rows]), rate)
        losses.append(loss_at(params, island_x, island_y))
    return losses

runs = {f"batch {size}, rate 0.3": run(size) for size in (200, 20, 5)}
runs |= {f"batch {size}, rate 3": run(size, 3.0) for size in (200, 20)}
plots.curves(runs, xlabel="epoch", ylabel="loss of all points", log=True)

# %% claims=true
last = {name: losses[-1] for name, losses in runs.items()}
assert 2 * last["batch 5, rate 0.3"] < last["batch 20, rate 0.3"] < last["batch 200, rate 0.3"] / 4, last
assert 1.5 * last["batch 20, rate 3"] < last["batch 5, rate 0.3"], last
assert 0.7 < last["batch 200, rate 3"] / last["batch 20, rate 0.3"] < 1.4, last

# %% [markdown]
# With 5 points per minibatch, an epoch has 40 steps in place of one. The steps are less exact, but there are so many more of
# them that at this rate the loss falls much faster for the same work. But 0.3 is no good rate for all points: with 3 they get
# about as far as minibatches of 20 with 0.3, ten times the batch with ten times the rate. (Goyal et al., 2017, section 2.1,
# call that the linear scaling rule; arXiv:1706.02677.) And 20 points with the rate 3 end below 5 with 0.3. So a curve at one
# rate says little about a batch size, and one seed says little about either. *Try it:* what do minibatches of 5 do with the
# rate 8?
#
# ## 6. The same in Keras
#
# Keras takes over the routine: it makes the weights, finds the gradients of any model, and runs the training loop. You choose
# the layers, the loss and the data. Here is a model with one dense layer; `activation="relu"` in a `Dense` layer would put a
# ReLU behind it.

# %%
one_layer = keras.Sequential([layers.Input((2,)), layers.Dense(3)])
print([tuple(weight.shape) for weight in one_layer.weights], one_layer.count_params(), "parameters")
print(ops.convert_to_numpy(one_layer(ops.array([[1.0, 2.0]]))))

# %% [markdown]
# ### `build_mlp`
#
# Build a `keras.Model` with **one hidden ReLU layer** of `n_hidden` neurons and `n_classes` **logits** as output:
# `(batch, n_inputs)` → `(batch, n_classes)`. Both layers have a bias. Do not compile the model. You may build it in any way:
# functional, `Sequential`, or as a subclass.
#
# <details><summary>Hint</summary>Which of the two dense layers has the activation, and which one must be free to give any real
# number? If you give the model its input shape, its weights exist at once.</details>
#
# *Checked:* the logits for given weights, the number of parameters, that all of them can be trained and that the kernels
# start at random, and that the model is not compiled.

# %% exercise="build_mlp"

# %% check="build_mlp" points=4
model = build_mlp(40, 64, 10)
x = np.random.default_rng(0).normal(size=(5, 40)).astype("float32")
z, mirrored, middle = (ops.convert_to_numpy(model(rows)) for rows in (x, -x, 0 * x))
assert z.shape == (5, 10), f"5 samples and 10 classes should give (5, 10), received {z.shape}."
n = model.count_params()
assert n == 3274, f"expected 40·64 + 64 + 64·10 + 10 = 3274 parameters, received {n}."
assert not np.allclose(z.sum(axis=1), 1, atol=1e-3), (
    "every row sums to 1: is there a softmax? The loss expects logits."
)
assert z.min() < 0, "no output is negative: does the output layer have an activation, too?"
assert not np.allclose(z + mirrored, 2 * middle, atol=1e-3), (
    "the outputs for x and -x mirror each other, as they do with tanh, sigmoid or no activation: "
    "is there a ReLU on the hidden layer?"
)

# %% [markdown]
# Keras's layers hide what you have written by hand. Give the pieces of parts 1 and 2 the weights of this model, put them
# together, and compare. *Predict: how far apart are the two, in logits and in loss?*

# %%
rows, labels = ops.array(x), ops.array([3, 1, 4, 1, 5])
hidden_kernel, hidden_bias, output_kernel, output_bias = model.weights
by_hand = affine(relu(affine(rows, hidden_kernel, hidden_bias)), output_kernel, output_bias)
losses = [
    cross_entropy(by_hand, labels),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, model(rows)),
]
apart = np.abs(ops.convert_to_numpy(by_hand) - ops.convert_to_numpy(model(rows))).max()
print(f"logits: at most {apart:.1e} apart; losses: {float(losses[0]):.6f} and {float(losses[1]):.6f}")

# %% claims=true
assert apart < 1e-5 and abs(float(losses[0]) - float(losses[1])) < 1e-5, (apart, losses)

# %% [markdown]
# Nothing is apart but rounding, if at all: `Dense(n, activation="relu")` *is* `relu(affine(…))`, its first weight is the
# kernel, its second the bias, and Keras's loss with `from_logits=True` is your `cross_entropy`.
#
# ### Data that tells models apart
#
# MNIST-1D is a set of signals, each with 40 values, in ten classes. Every class has one shape; each signal is that shape
# shifted, stretched, tilted and made noisy. The data are made on your machine. They are few on purpose: models of different
# kinds get clearly different scores on them.

# %%
mnist1d = data.mnist1d()
(x_train, y_train), (x_test, y_test) = mnist1d
print("train", x_train.shape, "test", x_test.shape, "labels", np.unique(y_train))
plots.signals(x_train, y_train)


# %% [markdown]
# **A worked case: linear.** `compile` chooses the optimizer, which makes the steps, the loss, and metrics such as the
# accuracy, the share of samples whose largest logit is that of their class; `fit` runs the loop, and `evaluate` measures on
# data that the model was not trained on. In each **epoch** the loop goes once through all samples, in **minibatches**, here of
# 64: it makes a step for each of them. `from_logits=True` tells the loss to apply softmax itself, safely, as you did in
# part 2; “sparse” means that labels are integers. Adam (Kingma and Ba, 2015) is momentum with a step size for each parameter.
# The baseline is one dense layer without an activation. *Predict: guessing is right for 10 % of the signals. For how many is
# the linear model right?*

# %%
def fit_and_score(model, data_set, epochs=20):
    """Train a model that gives logits and return its accuracy on the test part."""
    train, test = data_set
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", objective, metrics=["accuracy"])
    progress = [training.Progress()]
    model.fit(*train, batch_size=64, epochs=epochs, verbose=0, callbacks=progress)
    return model.evaluate(*test, verbose=0)[1]

training.set_seed(0)
linear = keras.Sequential([layers.Input((40,)), layers.Dense(10)])
for name, fresh in {"linear": linear, "100 neurons": build_mlp(40, 100, 10)}.items():
    loss = float(cross_entropy(fresh(x_train), ops.array(y_train)))
    print(f"before training, {name}: loss {loss:.2f}")
scores = {"linear": fit_and_score(linear, mnist1d)}
print(f"accuracy on the test part: {scores['linear']:.2f}")

# %% claims=true
assert 2.3 < loss < 3, loss
assert abs(scores["linear"] - 0.31) < 0.03, scores

# %% [markdown]
# ### How long to train? Learning curves
#
# The rows that a model is trained on cannot say when to stop: it may learn them by heart. So a part of them is set aside as
# **validation** data, on which everything is chosen: how long, how wide, how fast. Nothing may be chosen by the test part, or
# it is no test any more. (This notebook looks at it several times and chooses nothing by it; your real test is grading, which
# makes new signals.) With `validation_split=0.2`, Keras sets the last fifth of the rows aside. *Predict: 256 neurons are
# trained for 60 epochs. What becomes of the loss on that fifth?*

# %%
training.set_seed(0)
wide = build_mlp(40, 256, 10)
objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
wide.compile("adam", objective, metrics=["accuracy"])
watched = {"validation_split": 0.2, "callbacks": [training.Progress()]}
history = wide.fit(x_train, y_train, batch_size=64, epochs=60, verbose=0, **watched).history
curves = {"training": history["loss"], "validation": history["val_loss"]}
plots.curves(curves, xlabel="epoch", ylabel="loss", title="256 neurons")
curves = {"training": history["accuracy"], "validation": history["val_accuracy"]}
plots.curves(curves, xlabel="epoch", ylabel="accuracy", title="256 neurons")
best = int(np.argmin(history["val_loss"]))
for epoch in (best, 59):
    told = [f"{history[name][epoch]:.2f}" for name in ("loss", "val_loss", "val_accuracy")]
    print(f"epoch {epoch + 1}: loss {told[0]}, on validation {told[1]}, accuracy there {told[2]}")

# %% claims=true
assert 15 < best < 50, best
assert history["val_loss"][-1] > min(history["val_loss"]) + 0.02, history["val_loss"]
assert history["loss"][-1] == min(history["loss"]), history["loss"]

# %% [markdown]
# The training loss keeps falling; the validation loss turns around, and the accuracy there hardly moves any more. From
# there on the network **overfits**: it becomes surer of the rows it has seen, and with that surer of its mistakes on the
# others, as the next cell prints. **Early stopping** ends the training when the validation loss has not improved for some
# epochs, its *patience*, and takes back the weights of the best one. *Predict: with the same seed and a patience of 10, when
# does it end?*

# %%
training.set_seed(0)
stopped = build_mlp(40, 256, 10)
stopped.compile("adam", objective, metrics=["accuracy"])
patient = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
watched = {"validation_split": 0.2, "callbacks": [patient]}
early = stopped.fit(x_train, y_train, batch_size=64, epochs=60, verbose=0, **watched).history
print(f"ended after epoch {len(early['loss'])}, with the weights of epoch {int(np.argmin(early['val_loss'])) + 1}")
sure = {}
for name, tried in {"stopped early": stopped, "60 epochs": wide}.items():
    p = ops.convert_to_numpy(ops.softmax(tried(x_train[3200:])))  # the last fifth
    right = p.argmax(axis=1) == y_train[3200:]
    sure[name] = p.max(axis=1)[~right].mean()
    print(f"{name}: accuracy {right.mean():.2f}, probability of the class chosen {sure[name]:.2f} where it is wrong")

# %% claims=true
assert len(x_train) == 4000 and len(early["loss"]) == best + 11 and sure["60 epochs"] > sure["stopped early"] + 0.04, sure
assert abs(history["val_accuracy"][best] - history["val_accuracy"][-1]) < 0.03, history["val_accuracy"]

# %% [markdown]
# What has been saved is epochs, and the mistakes are less sure; the accuracy is about the same. (The best epoch was chosen on
# these rows, so what it reaches there flatters it a little.)

# %% [markdown]
# ### `train_classifier`
#
# Write a function that takes `x` `(samples, features)`, integer labels `y` from 0 to `classes − 1`, and a `seed`, and returns a
# **trained** `keras.Model` that gives logits. Find out from `y` how many classes there are; Keras expects that number as an
# `int`, not as a NumPy integer. A network of dense layers can beat the linear model by far, and a few seconds of training are
# enough. Everything in Keras is allowed; but grading shuffles the positions, so layers that look at neighbours find none.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>Start with one hidden layer of about a hundred neurons. To see how long to train, keep some
# rows of <code>x</code> back (<code>validation_split=0.2</code>) and watch the accuracy on these. Set the seed, with
# <code>training.set_seed(seed)</code>, before the weights are made. If the loss cannot fall below 1.46 with ten classes, reread
# “twice is once too often”.</details>
#
# *Checked:* an accuracy of at least 0.52 on new samples, that the output is logits, that the network is not affine, that the
# same seed gives the same model, and that it works for other numbers of features and classes. Grading makes new signals for
# every submission, renumbers the classes, and shuffles the positions in the same way for all signals. {limits}

# %% exercise="train_classifier"

# %% check="train_classifier" points=7
(x_train, y_train), (x_test, y_test) = data.mnist1d()
trained = train_classifier(x_train, y_train, seed=0)
logits = ops.convert_to_numpy(trained(x_test))
score = np.mean(logits.argmax(axis=-1) == y_test)
assert logits.shape == (1000, 10), f"expected shape (1000, 10), received {logits.shape}."
assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), (
    "every row sums to 1: is there a softmax in the model, and perhaps again in the loss?"
)
assert logits.min() < 0, "no output is negative: does the output layer have an activation, too?"
assert score >= 0.52, (
    f"accuracy {score:.2f}, expected at least 0.52; a linear model gets about 0.3. "
    "Is there an activation? Does the loss know that it gets logits? Is it wide and trained enough?"
)


# %% [markdown]
# ### Is it any good? Baselines
#
# Compare your classifier with four others: the linear model; a hidden layer of 100 neurons without an activation, and the same
# with ReLU, trained alike; and a model that is not trained at all and gives each test signal the class of the **nearest**
# training signal. Training depends on luck, so whatever is trained is trained with three seeds. (Yours, too: the cell takes
# three times as long as your training, and a minute more.) *Predict the order.*

# %%
def no_activation(features):
    return keras.Sequential([layers.Input((features,)), layers.Dense(100), layers.Dense(10)])

tried = {
    "linear": lambda: keras.Sequential([layers.Input((40,)), layers.Dense(10)]),
    "no activation": lambda: no_activation(40),
    "ReLU": lambda: build_mlp(40, 100, 10),
}
several = {name: [] for name in (*tried, "yours")}
for seed in (0, 1, 2):
    for name, make in tried.items():
        training.set_seed(seed)
        several[name].append(fit_and_score(make(), mnist1d))
    again = ops.convert_to_numpy(train_classifier(x_train, y_train, seed=seed)(x_test))
    several["yours"].append(np.mean(again.argmax(axis=-1) == y_test))
squares = np.sum(x_test**2, axis=1)[:, None] - 2 * x_test @ x_train.T + np.sum(x_train**2, axis=1)
several["nearest"] = [np.mean(y_train[squares.argmin(axis=1)] == y_test)]

means = {name: np.mean(found) for name, found in several.items()}
plots.bars(means, "accuracy", "MNIST-1D", reference=0.1, reference_label="guessing")
for name, found in several.items():
    print(f"{name:13} {np.mean(found):.3f}, from {min(found):.3f} to {max(found):.3f}")

# %% claims=true
assert abs(means["no activation"] - means["linear"]) < 0.06, means
assert means["yours"] > 1.6 * means["linear"] and abs(means["yours"] - means["nearest"]) < 0.05, means
assert 0.35 < 1 - means["no activation"] / means["ReLU"] < 0.5, means  # "about two fifths of the score"

# %% [markdown]
# Without an activation, two layers can represent what one can and no more, as part 1 has shown: the gap between the first two
# is not about what they can say, but about how far 20 epochs of training have brought them. With an activation, a multi-layer
# perceptron (MLP) is far better. But is it better than remembering the training signals and looking for the nearest? A result
# means little without the right baseline. Neither of the two knows that neighbouring positions belong together. Networks that
# do come much further on such signals (Greydanus and Kobak, 2024, *Scaling Down Deep Learning with MNIST-1D*); two later units
# of this course build them. And of 1,000 test signals, chance alone moves an accuracy of 0.6 by about 0.015, its standard error
# $\sqrt{0.6 · 0.4 / 1000}$; a difference of two, by about $\sqrt 2$ times as much, or less, since both are tried on the same
# signals: *which of the five can these signals tell apart?*
#
# ### Extra: good accuracy is no proof
#
# The second data set holds 1,797 handwritten digits of 8 × 8 pixels. It is an easy one. A dense layer takes rows, so each image
# becomes a row of 64 numbers. (If you are online, `data.images("mnist")` gives you 70,000 larger ones to play with.)

# %%
digits = [(x.reshape(len(x), -1), y) for x, y in data.digits()]
plots.images(*digits[0])


# %% [markdown]
# Train three models on the digits: your `build_mlp`, the same with softmax twice, and one without an activation. *Predict: how
# much worse will the two wrong ones be?*
#
# (With TensorFlow, Keras notices a softmax right before such a loss, warns, and uses the logits; with JAX and PyTorch it does
# not. The `Rescaling(1.0)`, which changes nothing, hides the softmax, so that you see the same with all three.)

# %%
training.set_seed(0)
hidden_softmax = [layers.Softmax(), layers.Rescaling(1.0)]
models = {
    "right": build_mlp(64, 100, 10),
    "softmax twice": keras.Sequential([build_mlp(64, 100, 10), *hidden_softmax]),
    "no activation": no_activation(64),
}
on_digits = {}
for name, classifier in models.items():
    on_digits[name] = fit_and_score(classifier, digits)
    print(f"{name}: accuracy {on_digits[name]:.3f}, loss in training {classifier.evaluate(*digits[0], verbose=0)[0]:.3f}")
plots.bars(on_digits, ylabel="accuracy", title="Digits: three models, two of them wrong")

# %% claims=true
assert min(on_digits.values()) >= 0.9, on_digits

# %% [markdown]
# **On easy data, accuracy does not catch the classic bugs.** All three models would pass a test that demands 90 %. On MNIST-1D
# the missing activation costs about two fifths of the score, as you saw. Softmax twice is hard to see in the accuracy; look at
# its loss on the digits above instead, which cannot fall below 1.46. This is why grading also looks at what a model *is*: what
# it gives for known weights, whether it is more than an affine map, and whether its output is logits.

# %% [markdown]
# ## What to remember
#
# - A layer is an affine map and an activation; samples are rows. Without the activation, any depth is one affine map.
# - Subtract the maximum before `exp`, and compute softmax and log together.
# - Equal probabilities cost $\ln C$; for ten classes that is 2.3026. Look at the loss before you train.
# - Softmax belongs in the loss or in the model, never in both.
# - Softmax with cross-entropy has the gradient (predicted − true) / N. Every gradient has the shape of its parameter.
# - Slopes and weights multiply: with Glorot's weights, 20 layers of sigmoids leave nothing of a gradient; ReLU with He's keeps
#   its length.
# - Check gradients by differences, in float64, with a step near $10^{-5}$.
# - A minibatch gives a gradient that is right on average, for less work.
# - Choose on validation data, and nothing by the test part.
# - A network is small or large by the number of its parameters: 2-3-1 has 13, your network for the island 42.
# - Networks can represent a lot; whether training finds it is another question.
# - Accuracy alone proves little. Compare with a baseline, on data where mistakes show.
#
# ## Open questions
#
# 1. If all weights start at zero, which gradients of the 2-8-2 network are zero in the first step, and can it ever leave
#    that state?
# 2. The island needs few tanh neurons. What is the smallest number that can fence it in, and does training find that
#    solution each time?
# 3. Shuffle the 40 positions of MNIST-1D, in the same way for all signals. Does an MLP get worse? Should it? What about you?
