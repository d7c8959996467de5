# %% [markdown]
# # From one neuron to back-propagation
#
# **{points} points · about {minutes} minutes**
#
# You will build a neural network three times. First piece by piece: neurons, a loss, gradients derived by hand. Then you
# join the pieces into a network that learns to fence in an island of points, with nothing but NumPy below it. Last you
# write it in Keras and train it on signals that a linear model cannot tell apart.
#
# **Before you start** you need Python with NumPy arrays, matrix products, and the chain rule for derivatives.
#
# **How it works.** Each exercise has a cell to fill in: read its docstring, replace `raise NotImplementedError`, run it,
# then run the check below it. A check that says nothing is content. Grading uses other numbers and looks at more, so a
# half-right answer earns its half. No exercise needs an earlier answer to be right.
#
# ## Set-up
#
# The line below tells which backend computes: TensorFlow, JAX or PyTorch. All answers work on all three, because
# they only use `ops`, `layers` and NumPy.

# %% setup=true
from course import data, plots, training  # first: it imports Keras without TensorFlow's log
from course.probe import probe

import numpy as np
import keras
from keras import layers, ops

training.set_seed(0)
training.report()

# %% [markdown]
# ## 1. One neuron, then a layer
#
# A neuron weighs its inputs, adds a bias, and bends the result:
#
# $$ h = \tanh(w \cdot x + b) $$
#
# With one input, $w$ sets how steep the bend is and $b$ shifts it. *Predict before you run: which curve is the steepest,
# and where does the third one cross zero?*

# %%
x = np.linspace(-4, 4, 161)
settings = [(1, 0), (3, 0), (1, -2)]
neurons = {f"w = {w}, b = {b}": np.tanh(w * x + b) for w, b in settings}
plots.curves(neurons, xlabel="input x", ylabel="output h", title="One neuron", xs=x)

# %% [markdown]
# A **layer** is many neurons that read the same inputs. Leave the bend out for now, and what remains is an affine map. Keras
# keeps one sample per **row**, so the weights stand on the right:
#
# $$ y = x W + b \qquad (\text{batch}, \text{inputs}) \cdot (\text{inputs}, \text{outputs}) + (\text{outputs},) $$
#
# Books and slides often write $Wx + b$ with samples in columns; their $W$ is our $W^\top$. By hand, for $x = (1, 2)$:
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
# Anything in `keras.ops` is allowed, except whole layers such as `layers.Dense`. A loop over samples is not needed.
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
assert y.shape == (1, 3), \
    f"one sample and three outputs should give (1, 3), received {y.shape}: which axis is the batch?"
assert np.allclose(y, [[5.5, 2, -2]]), \
    f"expected 5.5, 2, -2 as in the table, received {y[0]}: is the bias added, once?"

# %% [markdown]
# ### `relu`
#
# The bend that most networks use today is the simplest: negative numbers become 0, the others stay.
# Write it for a tensor of any shape. Off-limits: `ops.relu`, `keras.activations.relu` and `layers.ReLU`, which are the answer.
#
# <details><summary>Hint</summary>For each entry, compare two numbers and keep one of them.</details>
#
# *Checked:* values, for matrices and for tensors with more axes.

# %% exercise="relu"

# %% check="relu" points=1
z = ops.array([[-2.0, 0.0, 3.0], [0.5, -0.1, 100.0]])
bent = ops.convert_to_numpy(relu(z))
assert (bent >= 0).all(), f"the smallest entry is {bent.min():.3g}: should negative numbers pass?"
assert np.allclose(bent, [[0, 0, 3], [0.5, 0, 100]]), \
    f"received {bent.ravel()}: positive numbers should stay as they are."

# %% [markdown]
# ### `sigmoid`
#
# The sigmoid turns any number into one between 0 and 1, which can be read as a probability:
#
# $$ \sigma(z) = \frac{1}{1 + e^{-z}} $$
#
# The formula has a trap: $e^{1000}$ does not fit into a float. Write a version that gives clean zeros and ones at ±1000,
# without NaN and without a warning. Any shape. Off-limits: `ops.sigmoid`, `keras.activations.sigmoid` and their `log_`
# relatives.
#
# <details><summary>Hint</summary>Which sign must a number have so that <code>exp</code> of it can never overflow? Multiply
# numerator and denominator by the same thing until only such an <code>exp</code> is left. Mind that <code>ops.where</code>
# computes both of its branches.</details>
#
# *Checked:* values near zero, and far from it on both sides.

# %% exercise="sigmoid"

# %% check="sigmoid" points=2
ln3 = float(np.log(3))
s = ops.convert_to_numpy(sigmoid(ops.array([0.0, ln3, -ln3, 1000.0, -1000.0])))
assert not np.isnan(s).any(), \
    f"received {s}: NaN is overflow divided by overflow. What does exp see at ±1000?"
assert np.allclose(s[:3], [0.5, 0.75, 0.25]), \
    f"expected 0.5, 0.75, 0.25 at 0 and ±ln 3, received {s[:3]}: the sign in exp?"
assert np.allclose(s[3:], [1, 0]), f"expected 1 and 0 at ±1000, received {s[3:]}."

# %% [markdown]
# **Look at it.** Below are your two bends and, dashed or dotted, their slopes. *Predict: where is the sigmoid steepest, and
# how steep?*

# %%
z = np.linspace(-6, 6, 241).astype("float32")
bends = {"relu": ops.convert_to_numpy(relu(z)), "sigmoid": ops.convert_to_numpy(sigmoid(z))}
slopes = {f"slope of {name}": np.gradient(values, z) for name, values in bends.items()}
bends["relu"] = np.minimum(bends["relu"], 1.5)  # cut off, to fit the picture
plots.curves(bends | slopes, xlabel="z", ylabel="output, slope", xs=z)
print(f"The sigmoid's slope is at most {slopes['slope of sigmoid'].max():.4f}.")

# %% [markdown]
# ### Why slopes matter: vanishing gradients
#
# A gradient that travels back through a layer is multiplied by the slope of its bend. The sigmoid's slope is never more than
# ¼. Ten layers leave at best $0.25^{10} \approx 0.00000095$ of it, before weights have their say. Weights act alike: a factor
# of 0.9 per step leaves $0.9^{50} = 0.0052$, a factor of 1.1 grows to $1.1^{50} = 117$. ReLU's slope is 1 wherever it is
# active, which is a good part of its success.

# %%
depth = np.arange(1, 51)
factors = {"sigmoid at its best, 0.25": 0.25, "0.9": 0.9, "active ReLU, 1": 1.0, "1.1": 1.1}
left = {name: factor**depth for name, factor in factors.items()}
plots.curves(left, xlabel="layers", ylabel="what is left of a gradient", xs=depth, log=True)

# %% [markdown]
# ### Why bend at all?
#
# Without a bend, depth is an illusion. Two affine maps in a row are one affine map:
#
# $$ (xW_1 + b_1)W_2 + b_2 = x\,(W_1W_2) + (b_1W_2 + b_2) $$

# %%
rng = np.random.default_rng(0)
shapes = [(5, 2), (2, 9), (9,), (9, 3), (3,)]
x, W1, b1, W2, b2 = (rng.normal(size=shape).astype("float32") for shape in shapes)
two_layers = affine(affine(x, W1, b1), W2, b2)
one_layer = affine(x, W1 @ W2, b1 @ W2 + b2)
print("largest difference:", float(ops.max(ops.abs(two_layers - one_layer))))

# %% [markdown]
# And one affine map can only cut with a straight line. Here is an island of points in a ring of others. A linear model
# $\hat y = w_0 + w_1 x_1 + w_2 x_2$ has 3 parameters, and least squares finds the best ones. *Predict: how many
# of the 200 points will it get right?*

# %%
radius = np.concatenate([rng.uniform(0, 1, 100), rng.uniform(1.5, 2.3, 100)])
angle = rng.uniform(0, 2 * np.pi, 200)
island_x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
island_y = np.repeat([0, 1], 100)
w, *_ = np.linalg.lstsq(np.c_[np.ones(200), island_x], island_y, rcond=None)

def line(points):
    return (w[0] + points @ w[1:] > 0.5).astype(int)

plots.decision_boundary(line, island_x, island_y, title="Linear, 3 parameters")

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
# By hand, $z = (2, 1, 0)$: the exponentials are 7.389, 2.718 and 1, their sum is 11.107, so $p = (0.665, 0.245, 0.090)$.
# One step of score is a factor of $e$ between probabilities. So $(1002, 1001, 1000)$ has the same probabilities: only
# differences count.
#
# ### `softmax`
#
# Write it for a batch: `(batch, classes)` in, the same shape out. Each **row** is a sample and must sum to 1, also if its
# logits are in the thousands. Off-limits: `ops.softmax`, `keras.activations.softmax`,
# `layers.Softmax` and their `log_` relatives.
#
# <details><summary>Hint</summary>Only differences count, so you may move all logits of a row by the same amount. Which amount
# makes sure that <code>exp</code> never sees a large number? <code>keepdims=True</code> keeps shapes that broadcast.</details>
#
# *Checked:* values, and values for large logits.

# %% exercise="softmax"

# %% check="softmax" points=3
p = ops.convert_to_numpy(softmax(ops.array([[2.0, 1.0, 0.0], [1000.0, 1000.0, 1000.0]])))
assert not np.isnan(p).any(), \
    "NaN for logits of 1000: exp has overflowed. What may be subtracted from a row of logits?"
assert np.allclose(p.sum(axis=1), 1, atol=1e-5), \
    f"row 0 sums to {p[0].sum():.3g}, expected 1: does the sum run over the classes?"
assert np.allclose(p[0], [0.66524, 0.24473, 0.09003], atol=1e-4), \
    f"row 0 is {p[0]}, expected 0.665, 0.245, 0.090."

# %% [markdown]
# **Look at it: twice is once too often.** The most common mistake in Keras classifiers is softmax in the model and again in
# the loss. The second one takes probabilities for logits. *Predict: the logits below are sure of class 0. How sure is
# softmax, and how sure is the softmax of the softmax?*

# %%
sure = ops.array([[6.0] + [0.0] * 9])
for times, p in {"once": softmax(sure), "twice": softmax(softmax(sure))}.items():
    heights = dict(enumerate(ops.convert_to_numpy(p)[0]))
    plots.bars(heights, ylabel="probability", title=f"softmax {times}", top=1.1)

# %% [markdown]
# Probabilities differ by at most 1, so the second softmax can never be sure: with ten classes it gives at most
# $e/(e + 9) = 0.232$. A loss on top of it stays above $-\ln 0.232 = 1.461$, however long you train. Keep that number in mind.
#
# ### How wrong is it? Cross-entropy
#
# The loss of one sample is the surprise at its true class $t$, and the loss of a batch is the **mean**:
#
# $$ L = -\frac{1}{N}\sum_{n=1}^{N} \log p_{n,\,t_n} $$
#
# By hand: the logits $(0, \ln 3)$ mean $p = (0.25, 0.75)$. If class 1 is true, the loss is $-\ln 0.75 = 0.2877$; if class 0 is
# true, it is $-\ln 0.25 = 1.3863$. The mean of these two is 0.8370.
#
# ### `cross_entropy`
#
# Write the loss of a batch from `logits` `(batch, classes)` and integer `labels` `(batch,)`: one number. Logits may be
# large: a sure and wrong answer at 1000 costs 1000, not infinity. Keras's own cross-entropies are off-limits, as losses, as
# metrics and in `ops`.
#
# <details><summary>Hint</summary>Write $\log p$ out before you compute it: the logarithm of a fraction is a difference, and one
# of its terms needs no <code>exp</code>. Then pick one entry per row; a one-hot matrix is one way to pick.</details>
#
# *Checked:* values, and large logits.

# %% exercise="cross_entropy"

# %% check="cross_entropy" points=4
ln3 = float(np.log(3))
logits = ops.array([[0.0, ln3], [0.0, ln3]])
loss = ops.convert_to_numpy(cross_entropy(logits, ops.array([1, 0])))
assert loss.ndim == 0, f"expected one number, received shape {loss.shape}: is the mean missing?"
assert abs(loss - 0.8370) < 1e-3, \
    f"the worked case gives {loss:.4f}, expected 0.8370: is it minus the log, and the mean?"
huge = float(cross_entropy(ops.array([[1000.0, 0.0]]), ops.array([1])))
assert abs(huge - 1000) < 1e-2, \
    f"sure and wrong at 1000 costs {huge}, expected 1000: is there a log of a rounded zero?"

# %% [markdown]
# **Look at it.** What should a network that knows nothing have as its loss? It gives all $C$ classes the same probability, so
# its loss is $\ln C$. Remember **ln 10 = 2.302585**. A fresh ten-class model whose first loss is far from it has a bug, or
# inputs that are not scaled.

# %%
labels = ops.array([0, 1])
losses = {f"C = {C}": float(cross_entropy(ops.zeros((2, C)), labels)) for C in (2, 3, 10, 100)}
plots.bars(losses, ylabel="loss of equal logits", title="Knowing nothing costs ln C")
print("ten classes:", losses["C = 10"], "  ln 10:", np.log(10))

# %% [markdown]
# ## 3. A network
#
# Put two layers in a row, with a bend between them. The lecture's example has two inputs, three tanh neurons and one output:
#
# $$ h_j = \tanh\Big(\sum_i x_i\, W^{\text{hidden}}_{ij} + b^{\text{hidden}}_j\Big), \qquad
#    \hat y = \sum_j h_j\, W^{\text{output}}_j + b^{\text{output}} $$
#
# Lecture slides reuse $w_1$ for two layers: once for a weight of the hidden layer, once for a weight of the output. Here every
# array has a name of its own.
#
# By hand, with $r = \tfrac12 \ln 3 = 0.5493$, because $\tanh r = 0.5$ and $\tanh 2r = 0.8$. Let $x = (1, 1)$ and the output
# bias be 1:
#
# | neuron | weights | bias | sum | $h$ | output weight | adds |
# |---|---|---|---|---|---|---|
# | 0 | $(r, -r)$ | $r$ | $r$ | 0.5 | 6 | 3 |
# | 1 | $(0, -r)$ | 0 | $-r$ | −0.5 | 2 | −1 |
# | 2 | $(r, r)$ | 0 | $2r$ | 0.8 | 5 | 4 |
#
# So $\hat y = 3 - 1 + 4 + 1 = 7$.

# %% [markdown]
# ### `mlp_forward`
#
# Write the forward pass for a batch, `(batch, inputs)` → `(batch, outputs)`. `params` is a dict with `hidden_kernel`,
# `hidden_bias`, `output_kernel` and `output_bias`. The output is linear. Use `ops`; whole Keras layers are off-limits.
#
# <details><summary>Hint</summary>Two affine maps and one bend between them. Which of the two results may leave the
# range from −1 to 1?</details>
#
# *Checked:* the 2-3-1 network with other weights, other sizes, and a batch of one row.

# %% exercise="mlp_forward"

# %% check="mlp_forward" points=4
r = float(np.log(3)) / 2
net = {"hidden_kernel": ops.array([[r, 0.0, r], [-r, -r, r]])}
net |= {"hidden_bias": ops.array([r, 0.0, 0.0])}
net |= {"output_kernel": ops.array([[6.0], [2.0], [5.0]]), "output_bias": ops.array([1.0])}
y = ops.convert_to_numpy(mlp_forward(net, ops.array([[1.0, 1.0], [1.0, 0.0]])))
assert y.shape == (2, 1), f"two samples and one output should give (2, 1), received {y.shape}."
assert (abs(y) > 1).all(), f"received {y.ravel()}: is there a tanh on the output too?"
assert np.allclose(y.ravel(), [7, 8.3], atol=1e-4), \
    f"expected 7 and 8.3, received {y.ravel()}: is tanh around weights and bias of the hidden layer?"

# %% [markdown]
# ### `count_params`
#
# How many numbers does training have to find? The linear model above had 3. Count them for any chain of dense layers:
# `sizes` is a list such as `[2, 3, 1]`, input first, every layer with a bias. Return an integer. Do not build a Keras
# model to ask it.
#
# <details><summary>Hint</summary>Count the 2-3-1 network on paper first: the weights into the hidden layer, its biases,
# then the same for the output.</details>
#
# *Checked:* networks of one, three and five layers.

# %% exercise="count_params"

# %% check="count_params" points=2
n = count_params([2, 3, 1])
assert n == 13, \
    f"2-3-1 has 13 parameters, received {n}: does every layer have its biases, and no other?"
assert count_params([4, 2]) == 10, \
    f"one layer from 4 to 2 has 10 parameters, received {count_params([4, 2])}."

# %% [markdown]
# ### What can such a network represent?
#
# Slides like to say that a large enough network approximates *any* continuous function. The theorem needs more care: the
# function is continuous on a **closed, bounded** region, and the bend is **not a polynomial**. It says that good weights
# exist. It says nothing of how many neurons that takes, nor that training will find them.
#
# A small case you can see through: each ReLU adds one kink, and three of them draw this zigzag exactly. The weights are
# changes of slope, set by hand: 2 up, then 4 less, then 3 more.

# %%
x = np.linspace(0, 3, 61).astype("float32")
zigzag = np.interp(x, [0, 1, 2, 3], [0, 2, 0, 1])
neurons = [(2, 0), (-4, 1), (3, 2)]  # weight, place of the kink
network = sum(weight * ops.convert_to_numpy(relu(x - kink)) for weight, kink in neurons)
plots.curves({"zigzag": zigzag, "3 ReLU neurons": network}, xlabel="x", ylabel="y", xs=x)
print("largest difference:", abs(network - zigzag).max())

# %% [markdown]
# ## 4. Back-propagation
#
# Training asks one question about every parameter: if it grows a little, by how much does the loss grow? The chain rule
# answers from the loss backwards. Write $G_a$ for the derivative of the loss by an array $a$; it has the shape of $a$.
#
# 1. *Softmax with cross-entropy.* The two together have a simple derivative: predicted minus true. For a batch of $N$,
#    $G_{z} = (p - t)/N$, with the true classes $t$ in one-hot form.
# 2. *An affine map* $z = hW + b$. Entry $W_{ij}$ reaches the loss through $z_{nj}$ of **every** sample $n$, so
#    $\partial L/\partial W_{ij} = \sum_n h_{ni}\,G_{z,nj}$, and $\partial L/\partial b_j = \sum_n G_{z,nj}$. To the layer
#    below it hands $G_{h,ni} = \sum_j G_{z,nj}W_{ij}$.
# 3. *The bend* $h = \tanh(a)$. Its slope is $1 - h^2$, entry by entry.
#
# By hand, a net of two inputs, one hidden neuron and two classes:
#
# | step | value |
# |---|---|
# | input, label | $x = (1, 2)$, class 0 |
# | hidden: weights 0, bias $\tfrac12\ln 3$ | $h = 0.5$ |
# | logits: weights $(2, 0)$, biases $(-1, 0)$ | $(0, 0)$, so $p = (0.5, 0.5)$ |
# | $G$ of the logits, which is that of the output bias | $(-0.5, 0.5)$ |
# | $G$ of the output weights: times $h$ | $(-0.25, 0.25)$ |
# | $G$ of $h$ | $-0.5 \cdot 2 + 0.5 \cdot 0 = -1$ |
# | $G$ before the bend, which is that of the hidden bias | $-1 \cdot (1 - 0.5^2) = -0.75$ |
# | $G$ of the hidden weights: times $x$ | $(-0.75, -1.5)$ |

# %% [markdown]
# ### `mlp_backward`
#
# Write all four gradients of the network with softmax cross-entropy on top. `params` is the dict as before, `x` is
# `(batch, inputs)`, `labels` holds integers `(batch,)`. Return a dict with the same four keys and shapes. This one is plain
# **NumPy in float64**, so there is no automatic differentiation to lean on.
#
# <details><summary>Hint</summary>Go forward first and keep what you meet. On the way back, let shapes guide you: for each
# kernel there is just one way to multiply what you have so that <code>(batch, …)</code> disappears. And a batch that is
# repeated twice has the same mean loss, so the same gradients.</details>
#
# *Checked:* each of the four gradients for itself; those of the hidden layer count twice.

# %% exercise="mlp_backward"

# %% check="mlp_backward" points=6
toy = {"hidden_kernel": np.zeros((2, 1)), "hidden_bias": np.array([np.log(3) / 2])}
toy |= {"output_kernel": np.array([[2.0, 0.0]]), "output_bias": np.array([-1.0, 0.0])}
expected = {"output_bias": [-0.5, 0.5], "output_kernel": [[-0.25, 0.25]]}
expected |= {"hidden_bias": [-0.75], "hidden_kernel": [[-0.75], [-1.5]]}
grads = mlp_backward(toy, np.array([[1.0, 2.0]]), np.array([0]))
for name, value in expected.items():
    assert np.shape(grads[name]) == np.shape(value), \
        f"{name}: shape {np.shape(grads[name])}, expected {np.shape(value)}."
    assert np.allclose(grads[name], value), \
        f"{name}: received {grads[name]}, the table says {value}. The lines above it are right."
again = mlp_backward(toy, np.array([[1.0, 2.0]] * 2), np.array([0, 0]))
assert np.allclose(again["hidden_bias"], -0.75), \
    f"twice the same sample gives {again['hidden_bias']}: is the loss the mean?"


# %% [markdown]
# **Look at it.** A derivative is a slope, so it can be seen. Move the toy net's hidden bias and draw the loss: your
# gradient must be the tangent.

# %%
def loss_at(params, x, labels):
    tensors = {name: ops.array(value, "float32") for name, value in params.items()}
    return float(cross_entropy(mlp_forward(tensors, ops.array(x, "float32")), ops.array(labels)))

moves = np.linspace(-1, 1, 41)
moved = [toy | {"hidden_bias": toy["hidden_bias"] + move} for move in moves]
loss = [loss_at(params, [[1.0, 2.0]], [0]) for params in moved]
tangent = np.log(2) + moves * grads["hidden_bias"][0]
lines = {"loss": loss, "your gradient": tangent}
plots.curves(lines, xlabel="change of the hidden bias", ylabel="loss", xs=moves)

# %% [markdown]
# ## 5. Steps downhill
#
# The gradient points uphill, so step the other way: $w \leftarrow w - \eta\,g$. The learning rate $\eta$ is the length of the
# step per unit of gradient. By hand, for the loss $w^2$ with gradient $2w$, from $w = 1$ with $\eta = 0.1$: 1, 0.8, 0.64, …
#
# ### `sgd_step`
#
# `params` and `grads` are dicts of NumPy arrays with the same names. Return a **new** dict; leave both inputs as they are.
# Off-limits: Keras optimizers.
#
# <details><summary>Hint</summary>A dict comprehension does it in one line. <code>-=</code> on an array changes the caller's
# array.</details>
#
# *Checked:* values, any names and shapes, and that the inputs are left as they are.

# %% exercise="sgd_step"

# %% check="sgd_step" points=2
before = {"w": np.array([1.0, -3.0]), "b": np.array([2.0])}
after = sgd_step(before, {"w": np.array([2.0, -6.0]), "b": np.array([4.0])}, 0.1)
assert np.allclose(before["w"], [1, -3]), \
    f"the old parameters are now {before['w']}: was the array changed in place?"
assert np.allclose(after["w"], [0.8, -2.4]), \
    f"expected 0.8 and -2.4, received {after['w']}: does it go downhill?"
assert np.allclose(after["b"], [1.6]), \
    f"b should be 1.6, received {after['b']}: is every parameter moved?"

# %% [markdown]
# ### `momentum_step`
#
# Momentum lets steps in one direction add up, while steps to and fro cancel. Lecture notes list it as a way out of local
# minima; its plainer merit is long narrow valleys. There are several conventions. This is Keras's:
#
# $$ v \leftarrow \mu v - \eta\,g, \qquad w \leftarrow w + v $$
#
# Return the pair `(params, velocity)` as two new dicts. By hand: $w = 1$, $v = 0.5$, $g = 2$, $\eta = 0.1$, $\mu = 0.9$ give
# $v = 0.45 - 0.2 = 0.25$ and $w = 1.25$. Off-limits: Keras optimizers.
#
# <details><summary>Hint</summary>Which of the two must be computed first? The learning rate is already in the
# velocity.</details>
#
# *Checked:* parameters, velocity, and that the inputs are left as they are.

# %% exercise="momentum_step"

# %% check="momentum_step" points=3
old_w, old_v = {"w": np.array([1.0])}, {"w": np.array([0.5])}
new_w, new_v = momentum_step(old_w, {"w": np.array([2.0])}, old_v, 0.1, 0.9)
assert np.allclose(new_v["w"], 0.25), \
    f"the velocity is {new_v['w']}, expected 0.25: where does the learning rate act?"
assert np.allclose(new_w["w"], 1.25), \
    f"w is {new_w['w']}, expected 1.25: does it move by the new velocity?"
assert old_v["w"][0] == 0.5 and old_w["w"][0] == 1, \
    "an input has changed: was an array changed in place?"

# %% [markdown]
# **Look at it.** A narrow valley: the loss $\frac12(a^2 + 50\,b^2)$ is 50 times steeper along $b$. Plain steps must be
# short because of $b$, and so crawl along $a$. *Predict: which curve ends lower?*

# %%
plain = fast = {"w": np.array([10.0, 1.0])}
velocity = {"w": np.zeros(2)}
steepness = np.array([1.0, 50.0])
heights = {"plain": [], "momentum 0.9": []}
for step in range(60):
    plain = sgd_step(plain, {"w": steepness * plain["w"]}, 0.02)
    fast, velocity = momentum_step(fast, {"w": steepness * fast["w"]}, velocity, 0.02, 0.9)
    for name, here in zip(heights, (plain, fast)):
        heights[name].append(0.5 * steepness @ here["w"] ** 2)
plots.curves(heights, xlabel="step", ylabel="loss", title="A narrow valley", log=True)

# %% [markdown]
# ### Train your own network
#
# All pieces are there. A 2-8-2 network starts with small random weights, since equal weights would get equal gradients and
# stay copies of each other. Then: gradients, step, repeat. The loss should start near ln 2 = 0.69.

# %%
rng = np.random.default_rng(1)
params = {"hidden_kernel": rng.normal(size=(2, 8)), "hidden_bias": np.zeros(8)}
params |= {"output_kernel": rng.normal(size=(8, 2)) * 0.1, "output_bias": np.zeros(2)}
velocity, losses = {name: np.zeros_like(value) for name, value in params.items()}, []
for step in range(300):
    if step % 10 == 0:
        losses.append(loss_at(params, island_x, island_y))
    grads = mlp_backward(params, island_x, island_y)
    params, velocity = momentum_step(params, grads, velocity, 0.3, 0.9)

plots.curves({"your network": losses}, xlabel="step", ylabel="loss", xs=np.arange(0, 300, 10))
tensors = {name: ops.array(value, "float32") for name, value in params.items()}
plots.decision_boundaries(
    {"Linear, 3 parameters": line, "Yours, 42 parameters": lambda x: mlp_forward(tensors, x)},
    island_x, island_y,
)

# %% [markdown]
# Everything in this picture is yours, from the forward pass to the step: 2·8 + 8 + 8·2 + 2 = 42 parameters.
#
# ## 6. The same in Keras
#
# Keras keeps the books: it makes weights, finds gradients for any model, and runs the loop. You choose the layers, the loss
# and the data.
#
# ### `build_mlp`
#
# Build a `keras.Model` with **one hidden ReLU layer** of `n_hidden` neurons and `n_classes` **logits** as output. Inputs
# are `(batch, n_inputs)`. Both layers have a bias. Do not compile it. Any way to build a model is allowed: functional,
# `Sequential`, or a subclass.
#
# <details><summary>Hint</summary>Which of the two dense layers bends, and which one must be free to give any real number? Give
# the model its input shape, so that its weights exist at once.</details>
#
# *Checked:* the logits for given weights, the number of parameters, and that initial weights are random.

# %% exercise="build_mlp"

# %% check="build_mlp" points=4
model = build_mlp(40, 64, 10)
x = np.random.default_rng(0).normal(size=(5, 40)).astype("float32")
z, mirrored, middle = (ops.convert_to_numpy(model(inputs)) for inputs in (x, -x, 0 * x))
assert z.shape == (5, 10), f"5 samples and 10 classes should give (5, 10), received {z.shape}."
assert model.count_params() == 3274, \
    f"expected 40·64 + 64 + 64·10 + 10 = 3274 parameters, received {model.count_params()}."
assert not np.allclose(z.sum(axis=1), 1, atol=1e-3), \
    "every row sums to 1: is there a softmax? The loss wants logits."
assert z.min() < 0, "no output is negative: does the output layer bend too?"
assert not np.allclose(z + mirrored, 2 * middle, atol=1e-3), \
    "the outputs for x and -x mirror each other: is there a ReLU on the hidden layer?"

# %% [markdown]
# ### Data that tells models apart
#
# MNIST-1D holds signals of 40 values in ten classes. Each is a fixed shape that was shifted, stretched, tilted and made
# noisy. It is made on your machine, and it is small on purpose: models that differ in kind get clearly different scores.

# %%
mnist1d = data.mnist1d()
(x_train, y_train), (x_test, y_test) = mnist1d
print("train", x_train.shape, "test", x_test.shape, "labels", np.unique(y_train))
plots.signals(x_train, y_train)


# %% [markdown]
# **A worked case: linear.** `compile` picks optimizer, loss and metrics; `fit` runs the loop; `evaluate` measures on data
# that was not trained on. `from_logits=True` tells the loss to apply softmax itself, in the safe way that you know. One
# dense layer without a bend is the baseline. *Predict: guessing gets 10 %. What will it get?*

# %%
def fit_and_score(model, data_set, epochs=20):
    """Train a model that gives logits and return its accuracy on the test part."""
    train, test = data_set
    surprise = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", surprise, metrics=["accuracy"])
    model.fit(*train, batch_size=64, epochs=epochs, verbose=0, callbacks=[training.Progress()])
    return model.evaluate(*test, verbose=0)[1]

training.set_seed(0)
linear = keras.Sequential([layers.Input((40,)), layers.Dense(10)])
scores = {"linear": fit_and_score(linear, mnist1d)}

# %% [markdown]
# ### `train_classifier`
#
# Write a function that takes `x` `(samples, features)`, integer labels `y` from 0 to `classes − 1`, and a `seed`, and
# returns a **trained** `keras.Model` that gives logits. How many classes there are is for you to find in `y`. It is a dense
# network's job: beat the linear model by far. A few seconds of training are enough. Everything in Keras is allowed.
#
# <details><summary>Hint</summary>Choose the width first, then train long enough: look at the loss, and stop adding epochs
# when it no longer pays. Seed before the weights are made. If the loss cannot fall below 1.46 with ten classes, reread
# “twice is once too often”.</details>
#
# *Checked:* an accuracy of at least 0.52 on new samples, that the output is logits, and that the network bends. Grading
# makes new signals for every submission, renumbers the classes and shuffles the positions.

# %% exercise="train_classifier"

# %% check="train_classifier" points=7
(x_train, y_train), (x_test, y_test) = data.mnist1d()
trained = train_classifier(x_train, y_train, seed=0)
logits = ops.convert_to_numpy(trained(x_test))
score = np.mean(logits.argmax(axis=-1) == y_test)
assert logits.shape == (1000, 10), f"expected shape (1000, 10), received {logits.shape}."
assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), \
    "every row sums to 1: softmax in the model, and again in the loss?"
assert logits.min() < 0, "no output is negative: does the output layer bend too?"
assert score > 0.52, \
    f"accuracy {score:.2f}; a linear model gets about 0.33. Is there a bend? Enough epochs?"


# %% [markdown]
# **Look at it.** Your classifier beside the linear one, and one more: your `build_mlp` with the bend taken out. It still
# has two layers and 100 neurons.

# %%
def without_bend(model):
    for layer in model.layers:
        if hasattr(layer, "activation"):
            layer.activation = keras.activations.linear
    return model

scores["no bend"] = fit_and_score(without_bend(build_mlp(40, 100, 10)), mnist1d)
scores["yours"] = score
plots.bars(scores, ylabel="accuracy", title="MNIST-1D", reference=0.1, reference_label="guessing")

# %% [markdown]
# Two layers without a bend are as good as one, as you saw in part 1. Even with one, an MLP does not know that neighbouring
# positions belong together. Convolutions and recurrent networks do, and get about 0.9.
#
# ### Good accuracy is no proof
#
# The second set is real: 1,797 handwritten digits of 8 × 8 pixels. It is easy. A dense layer wants rows, so each image becomes
# a row of 64 numbers. (With a network, `data.images("mnist")` gives you 70,000 larger ones to play with.)

# %%
digits = [(x.reshape(len(x), -1), y) for x, y in data.digits()]
plots.images(*digits[0])


# %% [markdown]
# Train three models on it: one right, one with softmax twice, one without a bend. *Predict: how far will the wrong ones fall?*
#
# (Keras on TensorFlow notices a softmax right before such a loss, warns, and goes back to the logits; on JAX and PyTorch nobody
# does. The `Rescaling(1.0)`, which changes nothing, hides it, so that you see the same on all three.)

# %%
def variants(data_set):
    """A right model and two classic mistakes, for the same data."""
    features = data_set[0][0].shape[1]
    yield "right", build_mlp(features, 100, 10)
    hidden_softmax = [layers.Softmax(), layers.Rescaling(1.0)]
    yield "softmax twice", keras.Sequential([build_mlp(features, 100, 10), *hidden_softmax])
    yield "no bend", without_bend(build_mlp(features, 100, 10))

training.set_seed(0)
on_digits = {name: fit_and_score(model, digits) for name, model in variants(digits)}
plots.bars(on_digits, ylabel="accuracy", title="Digits: three models, two of them wrong")

# %% [markdown]
# **Accuracy does not catch the classic bugs on easy data.** A test that demands 90 % here passes all three. On MNIST-1D the
# missing bend costs half the score, as you saw. Softmax twice stays hard to see even there; its trace is the loss, which
# cannot fall below 1.46. So the grading of this course looks at what a model *is* as well: what it gives for known weights,
# whether it bends, whether it gives logits.

# %% [markdown]
# ## What to remember
#
# - A layer is an affine map and a bend; samples are rows. Without the bend, any depth is one affine map.
# - Subtract the maximum before `exp`, and take softmax and log together.
# - A model that knows nothing has the loss $\ln C$; for ten classes 2.3026. Look at it before you train.
# - Softmax belongs into the loss or into the model, never into both.
# - Softmax with cross-entropy has the gradient (predicted − true) / N. Every gradient has the shape of its parameter.
# - Slopes multiply: ten sigmoids leave less than a millionth of a gradient.
# - 2-3-1 has 13 parameters. Networks can represent a lot; whether training finds it is another question.
# - Accuracy alone proves little. Compare with a baseline, on data where mistakes show.
#
# ## Open questions
#
# 1. If all weights start at zero, which gradients of the 2-8-2 network are zero in the first step, and can it ever leave
#    that state?
# 2. The island needs few tanh neurons. What is the smallest number that can fence it in, and does training find that
#    solution each time?
# 3. Shuffle the 40 positions of MNIST-1D, in the same way for all signals. Does an MLP get worse? Should it? What about you?
