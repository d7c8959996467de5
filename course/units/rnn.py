# %% [markdown] title="Recurrent networks" order=3 minutes=90 builds="the recurrent cell, back-propagation through time, vanishing gradients, LSTM and GRU, masks and patterns, a classifier in which gates pay, a forecast of sunspots"
# # Recurrent networks
#
# **{points} points · about {minutes} minutes**
#
# What you read in the second half of this sentence, you understand because you remember the first half. The networks so far
# have no memory: what they have to know for an answer must stand before them all at once. In this unit you build networks that
# read step by step and remember: a simple cell, what goes wrong with it (you will measure it), and the gates of LSTM and GRU
# that put it right. Then you train one to classify, and one to forecast.
#
# **Before you start** you need matrix products, the chain rule, and the unit *From one neuron to back-propagation* or its ideas:
# dense layers, tanh, sigmoid, logits, training with Keras.
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
# ## 1. A cell that remembers
#
# How many dark spots will the sun have next year? People have counted them since 1700. Here are a hundred years of that.
# *Predict the next value of the curve. What did you look at: its last point only?*

# %%
years, spots = data.sunspots()
plots.curves({"sunspots": spots[100:200]}, xlabel="year", ylabel="spots", xs=years[100:200])

# %% [markdown]
# The last point is not enough: it does not tell whether the curve is on its way up or down. Two points tell more, and ten still
# more; but how many do you want to give to a network? And if the sequences are sentences, each has another length.
#
# A **recurrent** network reads one step after the other and keeps what matters in a list of numbers, its **state**. In each
# step, the new state is made from the input and the old state, always by the same weights:
#
# $$ s_t = \tanh(x_t\,U + s_{t-1}\,W + b) \qquad\qquad y_t = s_t\,V + c $$
#
# Inputs and states are rows here, as everywhere in Keras. $U$ is called the **kernel**, $W$ the **recurrent kernel**. By hand,
# with one input, two units, no biases, and the inputs 1, 0, −1:
#
# $$ U = \begin{pmatrix} 0.5 & -0.3 \end{pmatrix} \qquad W = \begin{pmatrix} 0.1 & -0.2 \\ 0.4 & 0.3 \end{pmatrix} $$
#
# | step | $x_t$ | $x_t U + s_{t-1} W$ | $s_t$ |
# |---|---|---|---|
# | 1 | 1 | (0.5, −0.3) + (0, 0) | (0.4621, −0.2913) |
# | 2 | 0 | (0, 0) + (0.1 · 0.4621 − 0.4 · 0.2913, −0.2 · 0.4621 − 0.3 · 0.2913) | (−0.0702, −0.1779) |
# | 3 | −1 | (−0.5, 0.3) + (−0.0782, −0.0393) | (−0.5213, 0.2549) |
#
# In step 2 nothing comes in, and yet the state is not zero: it remembers.
#
# **Two matrices, not one.** $W$ leads from state to state, and $V$ from state to output. If there happen to be as many outputs
# as units, either fits in the place of the other, and the program computes something wrong without an error. And a softmax
# belongs to classes: a forecast, such as that of the sunspots, must be able to exceed 1.

# %% [markdown]
# ### `rnn_step`
#
# Write one step of the cell for a batch. `x` is `(batch, inputs)`, `state` is `(batch, units)`. Use `ops`. Off-limits: the
# recurrent layers and cells.
#
# <details><summary>Hint</summary>Two products, one sum, one tanh. Which product needs which matrix? Look at the
# shapes.</details>
#
# *Checked:* values, as many inputs as units, and a batch of one.

# %% exercise="rnn_step"

# %% check="rnn_step" points=4
U, W = ops.array([[0.5, -0.3]]), ops.array([[0.1, -0.2], [0.4, 0.3]])
state, none = ops.array([[0.4621, -0.2913]]), ops.zeros((2,))
new = ops.convert_to_numpy(rnn_step(ops.array([[0.0]]), state, U, W, none))
assert new.shape == (1, 2), f"expected the shape (1, 2), received {new.shape}."
assert not np.allclose(new, [[0.1045, 0.0975]], atol=1e-3), "is the recurrent kernel transposed?"
assert np.allclose(new, [[-0.0702, -0.1779]], atol=1e-3), f"expected step 2 of the table, received {new}."
biased = ops.convert_to_numpy(rnn_step(ops.array([[0.0]]), 0 * state, U, W, ops.array([1.0, -1.0])))
assert np.allclose(biased, [[0.7616, -0.7616]], atol=1e-3), (
    f"with biases of 1 and -1 and nothing else, the state is tanh of them, ±0.7616, not {biased}."
)

# %% [markdown]
# ## 2. Unrolled in time
#
# To read a sequence, repeat the step. Drawn as one long chain, the network looks like a very deep one, with a layer per step;
# but all of these layers share their weights, so it can be as long as the sequence.
#
# ### `rnn_forward`
#
# Write the whole network: from `xs`, `(batch, steps, inputs)`, to the outputs and the states of all steps. The first step starts
# from a state of zeros. The outputs have no activation. Off-limits: the recurrent layers and cells.
#
# <details><summary>Hint</summary>A loop over <code>xs.shape[1]</code>, a list of states, <code>ops.stack</code> along axis 1. The
# outputs of all steps are one product, at the end.</details>
#
# *Checked:* states, outputs, as many outputs as units, and sequences of one step.

# %% exercise="rnn_forward"

# %% check="rnn_forward" points=4
V = ops.array([[1.0, 0.5], [-1.0, 2.0]])
xs = ops.array([[[1.0], [0.0], [-1.0]]])
outputs, states = (ops.convert_to_numpy(a) for a in rnn_forward(xs, U, W, none, V, none))
assert states.shape == (1, 3, 2), f"expected the shape (1, 3, 2), received {states.shape}."
assert np.allclose(states[0, 0], [0.4621, -0.2913], atol=1e-3), f"the state after step 1 is {states[0, 0]}."
assert np.allclose(states[0, 2], [-0.5213, 0.2549], atol=1e-3), (
    f"the state after step 3 is {states[0, 2]}, expected (-0.5213, 0.2549): is the new state handed on?"
)
assert np.allclose(outputs[0, 2], [-0.7762, 0.2492], atol=1e-3), (
    f"the output after step 3 is {outputs[0, 2]}, expected (-0.7762, 0.2492): its state times V."
)

# %% [markdown]
# A softmax of that last output gives (0.264, 0.736). With $V$ in place of $W$ it would give (0.597, 0.403): the
# other class.
#
# **Look at it.** What happens if something comes in once, and then nothing any more? *Predict: how does the state go on, for
# weights from state to state that are small, and for ones that are larger?*

# %%
once = np.zeros((1, 20, 1), dtype="float32")
once[0, 0] = 1
left = {}
one, zero = ops.ones((1, 1)), ops.zeros((1,))
for size in (0.5, 0.9, 1.1):
    _, states = rnn_forward(ops.array(once), one, size * one, zero, one, zero)
    left[f"W = {size}"] = ops.convert_to_numpy(states)[0, :, 0]
plots.curves(left, xlabel="step", ylabel="state")

# %% [markdown]
# With a weight below 1 the cell forgets, the faster the smaller it is; with 1 as well, since tanh of a number is nearer to 0 than
# the number. Above 1, it remembers *that* something was there, and its sign, but the state ends equally far from 0 whatever the
# size was. So no weight keeps a number as it is over many steps.
#
# ## 3. Back through time
#
# How does a network like this learn? As any other: the gradient of a loss goes backwards through the chain. What is new:
# **every step uses the same weights**, so each step adds its share to their gradient. With $L$ the sum of the last state's
# entries and $T$ steps:
#
# $$ \frac{\partial L}{\partial W} = \sum_{t=1}^{T} s_{t-1}^\top\, \delta_t \qquad
# \delta_T = 1 - s_T^2 \qquad \delta_{t-1} = (\delta_t\, W^\top) \odot (1 - s_{t-1}^2) $$
#
# $\delta_t$ is the gradient at the sum inside tanh of step $t$, and $1 - s^2$ the slope of tanh. The sum is often written as
# $\sum_k \frac{\partial L}{\partial s_T} \frac{\partial s_T}{\partial s_k} \frac{\partial s_k}{\partial W}$. Its last factor is
# the *immediate* derivative, with the older state $s_{k-1}$ held fixed, else the older steps are counted more than once; and
# the factor in the middle is itself a product of $T - k$ matrices.
#
# By hand: one unit, all weights 1, two inputs of 1. $s_1 = \tanh(1) = 0.7616$, $s_2 = \tanh(1.7616) = 0.9427$. Step 2 adds $s_1
# · (1 - s_2^2) = 0.7616 · 0.1113 = 0.0848$; step 1 adds $s_0 · \ldots = 0$. The gradient is 0.0848.

# %% [markdown]
# ### `bptt`
#
# Write that gradient, for one sequence, in NumPy: forward through all steps, then back. Off-limits: automatic
# differentiation.
#
# <details><summary>Hint</summary>Keep all states, the zeros of <i>s</i><sub>0</sub> included. Walk from the last step to the
# first. In each: times the slope of tanh; <code>np.outer</code> of the state <i>before</i> it and that, added to the gradient;
# then one step back, through the recurrent kernel.</details>
#
# *Checked:* values, ten steps, and two steps.

# %% exercise="bptt"

# %% check="bptt" points=5
one = np.ones((1, 1))
grad = np.asarray(bptt(np.ones((2, 1)), one, one, np.zeros(1)))
assert grad.shape == (1, 1), f"one unit: expected the shape (1, 1), received {grad.shape}."
assert np.isclose(grad.item(), 0.0848, atol=1e-3), f"expected 0.0848 as above, received {grad.item():.4f}."
rng = np.random.default_rng(0)
long, kernel, weights, bias = (rng.normal(size=s) / 2 for s in ((6, 2), (2, 3), (3, 3), (3,)))
grad = np.asarray(bptt(long, kernel, weights, bias))

def loss(weights):
    """The sum of the last state's entries."""
    state = np.zeros(3)
    for x in long:
        state = np.tanh(x @ kernel + state @ weights + bias)
    return state.sum()

for place in [(0, 1), (1, 0), (2, 2)]:
    nudge = np.zeros((3, 3))
    nudge[place] = 1e-5
    measured = (loss(weights + nudge) - loss(weights - nudge)) / 2e-5
    assert np.isclose(grad[place], measured, atol=1e-5), (
        f"the derivative by weight {place} is {grad[place]:.5f}, but measured {measured:.5f}. "
        "Does every step add its share, with the state before it?"
    )

# %% [markdown]
# ## 4. Why it forgets
#
# The middle factor of section 3, $\partial s_t / \partial s_0$, tells how much a state still depends on the first one. It is a
# product of one matrix per step, and each has slopes of at most 1 in it. If such factors are below 1, their product vanishes:
# $0.9^{50} = 0.005$. If they are above, it explodes: $1.1^{50} = 117$.
#
# ### `state_sensitivities`
#
# Measure it: for each step $t$ of a sequence, the Frobenius norm of the matrix of derivatives of $s_t$ by $s_0$. NumPy, one
# sequence. Off-limits: automatic differentiation.
#
# <details><summary>Hint</summary>Start with an identity matrix. Each step turns the matrix <i>J</i> with entry (i, j) =
# derivative of unit j of the state by unit i of <i>s</i><sub>0</sub> into the next one: times the recurrent kernel, then each
# column times the slope of its unit.</details>
#
# *Checked:* values, twenty steps, and a single unit.

# %% exercise="state_sensitivities"

# %% check="state_sensitivities" points=3
half = np.full((1, 1), 0.5)
norms = np.asarray(state_sensitivities(np.zeros((3, 1)), half, half, np.zeros(1)))
assert norms.shape == (3,), f"three steps: expected three numbers, received the shape {norms.shape}."
assert np.allclose(norms, [0.5, 0.25, 0.125]), f"expected 0.5, 0.25, 0.125, not {norms}."
recurrent = np.array([[0.1, -0.2], [0.4, 0.3]])
kernel = np.array([[0.5, -0.3]])
norms = np.asarray(state_sensitivities(np.array([[1.0]]), kernel, recurrent, np.zeros(2)))
assert np.isclose(norms[0], 0.4626, atol=1e-3), (
    f"after the first step of section 1 the norm is {norms[0]:.4f}, expected 0.4626. "
    "Do the slopes belong to the units of the new state? Is it the root of the sum of squares?"
)

# %% [markdown]
# **Look at it.** *Predict: which of these weights is the best for a memory of 30 steps?* Each curve is one network of 16 units
# whose weights are drawn, multiplied by the number in the legend.

# %%
rng = np.random.default_rng(1)
xs, kernel, bias = 0.1 * rng.normal(size=(30, 1)), rng.normal(size=(1, 16)), np.zeros(16)
rotation = np.linalg.qr(rng.normal(size=(16, 16)))[0]  # leaves every length as it is
fading = {
    f"{size} × rotation": state_sensitivities(xs, kernel, size * rotation, bias) for size in (0.7, 1.0, 1.3)
}
plots.curves(fading, xlabel="step", ylabel="norm of ∂s_t / ∂s_0", log=True)

# %% claims=true
assert fading["0.7 × rotation"][-1] < 1e-3 and fading["1.3 × rotation"][-1] < max(fading["1.3 × rotation"]) < 100, fading

# %% [markdown]
# What holds for the state holds for the gradient, which goes the same way back. Where the curve has fallen to a thousandth, the
# first step adds a thousandth of what the last one adds: the gradient **vanishes**. Where all factors are above 1 it grows: it
# **explodes**, and one step throws the weights far away. (With 1.3 it grows at first, and then no more: the slopes of tanh fall
# below 1 as the state grows.) Gradients that are too long can be cut, with `clipnorm` in Keras's optimizers (Pascanu, Mikolov
# and Bengio, 2013). Is a vanishing gradient what keeps a network from learning? Section 8 measures it.
#
# ## 5. Gates
#
# The idea of **long short-term memory** (LSTM): keep the memory in a **cell** that is not squeezed in every step, and let the
# network itself decide what to do with it. Three **gates**, numbers between 0 and 1, made by a sigmoid from the input and the
# state, say how much: the *forget gate* of the old cell stays, the *input gate* of the **candidate** is added, the *output
# gate* of it is shown.
#
# $$ i, f, o = \sigma(\ldots) \qquad g = \tanh(\ldots) \qquad\qquad c_t = f \odot c_{t-1} + i \odot g \qquad h_t = o \odot \tanh(c_t) $$
#
# Each of $i$, $f$, $g$, $o$ has weights and biases of its own: $x_t U_i + h_{t-1} W_i + b_i$, and so on. With $f$ near 1 and
# $i$ near 0, the cell just stays what it is, over hundreds of steps, and so does the gradient.
#
# By hand, with all weights ½, no biases, $x = 1$, $h = 0.5$, $c = 1$: each sum is $0.5 + 0.25 = 0.75$, so the gates are
# $\sigma(0.75) = 0.6792$ and the candidate is $\tanh(0.75) = 0.6351$. Then $c' = 0.6792 · 1 + 0.6792 · 0.6351 = 1.1106$ and $h'
# = 0.6792 · \tanh(1.1106) = 0.5462$.
#
# **The order.** Keras keeps the four blocks of weights side by side in one matrix, in the order $i, f, g, o$ (it calls the
# candidate $c$). PyTorch has the same order, and two biases per unit instead of one. Others write $i, f, o, g$. With the wrong
# order all shapes fit, the numbers look plausible, and everything is wrong: a trap for whoever copies weights.

# %% [markdown]
# ### `lstm_step`
#
# Write one step of an LSTM for a batch. The last axis of `kernel`, `recurrent_kernel` and `bias` holds the four blocks in the
# order of Keras. Return the hidden state and the cell, in this order. Off-limits: the recurrent layers and cells.
#
# <details><summary>Hint</summary>One sum for all four blocks, then <code>ops.split(sums, 4, axis=-1)</code>. Which of the four
# goes through tanh?</details>
#
# *Checked:* the hidden state, the cell, a cell that has grown large, and a batch of one.

# %% exercise="lstm_step"

# %% check="lstm_step" points=5
half, one = ops.full((1, 4), 0.5), ops.ones((1, 1))
hidden, cell = (float(a[0, 0]) for a in lstm_step(one, 0.5 * one, one, half, half, ops.zeros((4,))))
assert abs(cell - 1.1405) > 1e-3, "the cell is 1.1405: does the candidate go through a sigmoid?"
assert abs(hidden - 0.7543) > 1e-3, "hidden is 0.7543: the cell goes through tanh before it is shown."
assert abs(cell - 1.1106) < 1e-3, f"the cell is {cell:.4f}, expected 1.1106 as above."
assert abs(hidden - 0.5462) < 1e-3, f"the hidden state is {hidden:.4f}, expected 0.5462 as above."
blocks = ops.array([[0.1, 0.9, 0.5, 0.3]])  # i, f, g, o
cell = float(lstm_step(one, 0.5 * one, one, blocks, blocks, ops.zeros((4,)))[1][0, 0])
assert abs(cell - 1.0418) > 1e-3, "input gate and forget gate are swapped."
assert abs(cell - 1.0209) > 1e-3, "candidate and output gate are swapped: the order is i, f, g, o."
assert abs(cell - 1.1355) < 1e-3, f"with weights that differ the cell is {cell:.4f}, expected 1.1355."

# %% [markdown]
# **Look at it.** A cell starts at 1, nothing comes in, and the sum at the forget gate is only its bias. *Predict: how much is
# left after 30 steps if the bias is 0? How large must it be to keep a half?*

# %%
def remembered(forget_bias, steps=30):
    """What is left of a cell that starts at 1, step by step."""
    bias = ops.array([-9.0, forget_bias, 0.0, 0.0])  # the input gate is shut
    nothing, none = ops.zeros((1, 1)), ops.zeros((1, 4))
    hidden, cell, left = nothing, ops.ones((1, 1)), []
    for _ in range(steps):
        hidden, cell = lstm_step(nothing, hidden, cell, none, none, bias)
        left.append(float(cell[0, 0]))
    return left

plots.curves({f"bias {b}": remembered(b) for b in (0.0, 1.0, 4.0)}, xlabel="step", ylabel="cell")

# %% [markdown]
# Keras starts the forget gate's bias at 1 (`unit_forget_bias`), as Jozefowicz, Zaremba and Sutskever (2015) advise. Of a cell
# that gets nothing, 0.73 is left after a step, and after 30 steps $0.73^{30} = 0.00008$: that is no long memory yet, but the
# network can learn weights that shut the gates or open them. How do whole fresh layers compare? Below, something comes into
# three of Keras's layers once, and then nothing. *Predict the order.*

# %%
impulse = np.zeros((100, 31, 8), "float32")
impulse[:, 0] = np.random.default_rng(0).normal(size=(100, 8))
training.set_seed(0)
kept, sizes = {}, {"units": 64, "return_sequences": True}
for layer in (layers.SimpleRNN(**sizes), layers.LSTM(**sizes), layers.GRU(**sizes)):
    lengths = np.linalg.norm(ops.convert_to_numpy(layer(impulse)), axis=2).mean(axis=0)
    kept[type(layer).__name__] = lengths / lengths[0]
plots.curves(kept, "step", "length of the state", title="Fresh layers, one impulse", xs=np.arange(31), log=True)

# %% claims=true
assert 0.1 < kept["SimpleRNN"][-1] and kept["LSTM"][-1] < 0.02 and kept["GRU"][-1] < 1e-4, kept

# %% [markdown]
# The simple cell keeps most! Keras starts its recurrent weights as a rotation (`recurrent_initializer="orthogonal"`), the 1.0
# of section 4, while the gates of the others start half open. What gates can do has to be learned.
#
# The **gated recurrent unit** (GRU) does with less: no cell beside the state, and two gates. The *update gate* $z$ says how
# much of the old state stays, and the rest is filled with the candidate; the *reset gate* $r$ says how much the candidate may
# know of the old state.
#
# $$ s_t = z \odot s_{t-1} + (1 - z) \odot \tanh\big(x_t U_c + b_c + r \odot (s_{t-1} W_c + d_c)\big) $$
#
# By hand, with all weights ½, no biases, $x = 1$ and $s = 1$: the gates are $\sigma(1) = 0.7311$, the candidate is $\tanh(0.5 +
# 0.7311 · 0.5) = 0.6991$, and the new state is $0.7311 · 1 + 0.2689 · 0.6991 = 0.9191$.
#
# **Variants.** In the first paper the reset gate multiplies the state before the product with $W_c$; here, as in Keras by
# default (`reset_after=True`) and in PyTorch, after it, which is faster on a GPU, and the reason for the second bias $d$. Some
# texts swap the roles of $z$ and $1 - z$. And PyTorch keeps the reset gate's block first, Keras the update gate's.

# %% [markdown]
# ### `gru_step`
#
# Write one step of a GRU as above for a batch: blocks in the order update, reset, candidate; `bias` is `(2, 3 * units)`, row 0
# for the input's sums and row 1 for the state's. Off-limits: the recurrent layers and cells.
#
# <details><summary>Hint</summary>Keep the two sums apart, the input's and the state's, and split both. The gates need their
# total, the candidate does not.</details>
#
# *Checked:* values, large weights, and a batch of one.

# %% exercise="gru_step"

# %% check="gru_step" points=4
half = ops.full((1, 3), 0.5)
new = ops.convert_to_numpy(gru_step(one, one, half, half, ops.zeros((2, 3)))).item()
assert abs(new - 0.9191) < 1e-3, f"the new state is {new:.4f}, expected 0.9191 as above."
blocks = ops.array([[0.1, 0.9, 0.5]])  # update, reset, candidate
new = ops.convert_to_numpy(gru_step(one, one, blocks, blocks, ops.zeros((2, 3)))).item()
assert abs(new - 0.9503) > 1e-3, "update and reset gate are swapped: update comes first."
assert abs(new - 0.8785) < 1e-3, f"with weights that differ the new state is {new:.4f}, expected 0.8785."
biases = ops.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])  # they move the candidate to tanh(-0.5 + 0.7311 · 1.5)
new = ops.convert_to_numpy(gru_step(one, one, half, half, biases)).item()
assert abs(new - 0.8748) < 1e-3, (
    f"with biases of -1 and 1 for the candidate the new state is {new:.4f}, expected 0.8748: "
    "to which sum does each row belong, and what exactly does the reset gate multiply?"
)

# %% [markdown]
# ## 6. Counting
#
# What does a gate cost? As much as a whole simple cell: it reads the input ($m$ numbers) and the state ($n$ numbers), and has a
# bias for each of its $n$ units: $n(m + n) + n$. By hand, for $m = 10$ and $n = 20$: $20 · 30 + 20 = 620$. An LSTM has three
# gates and a candidate, so $4 · 620 = 2{,}480$. PyTorch has two biases per unit: $4 · 640 = 2{,}560$. They are added up, so one
# of them is of no use, except in a GRU, where Keras has two as well.

# %% [markdown]
# ### `count_recurrent_params`
#
# Count for each cell, in both conventions.
#
# <details><summary>Hint</summary>How many blocks, and how many biases per block?</details>
#
# *Checked:* all three cells, as Keras counts and as PyTorch does, and that the count is an integer.

# %% exercise="count_recurrent_params"

# %% check="count_recurrent_params" points=2
counts = {"rnn": 24_704, "lstm": 98_816, "gru": 74_496}
for cell, expected in counts.items():
    built = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}[cell](128)
    built.build((None, None, 64))
    assert built.count_params() == expected, "this version of Keras counts in another way."
    counted = count_recurrent_params(cell, 64, 128)
    assert counted == expected, f"Keras has {expected} parameters in its {cell} layer, not {counted}."
counted = count_recurrent_params("lstm", 64, 128, framework="torch")
assert counted == 99_328, f"PyTorch has 99328, not {counted}: two biases everywhere."

# %% [markdown]
# ## 7. One or many, in and out
#
# A layer of Keras hides the loop: `layers.LSTM(units)` reads `(batch, steps, features)`. What comes out is up to you:
#
# | pattern | example | how |
# |---|---|---|
# | many to one | is this review friendly? | the last state: as it comes |
# | many to many | forecast after every step; a tag for each word | all states: `return_sequences=True` |
# | one to many | a caption for a picture | the one input is repeated for each step: `RepeatVector` |
#
# A fourth, many to many *others* (translation), chains two networks: one reads to the end, and its last state is where the
# other begins to write. Whatever the sentence's length, it has to fit into that one state. That bottleneck is why attention was
# invented.

# %% [markdown]
# ### `build_recurrent`
#
# Build a `keras.Model` with a `SimpleRNN` and a dense layer without activation, for each of the three patterns. Do not compile
# it. The number of steps that come in is open: `None` stands for it in `layers.Input`.
#
# <details><summary>Hint</summary>What comes in differs for one pattern, and what the recurrent layer returns for
# another.</details>
#
# *Checked:* the outputs of each pattern with weights that we set, for sequences of several lengths, and that the model is not
# compiled.

# %% exercise="build_recurrent"

# %% check="build_recurrent" points=3
every = [np.tanh(1), np.tanh(1 + np.tanh(1)), np.tanh(1 + np.tanh(1 + np.tanh(1)))]  # the states
for pattern, states in {"many to one": every[-1], "many to many": every, "one to many": every[:2]}.items():
    x = 2 * ops.ones((5, 1) if pattern == "one to many" else (5, 3, 1))
    model = build_recurrent(pattern, features=1, units=1, outputs=4, steps=2)
    shape, wanted = (5, *np.shape(states), 4), np.reshape(states, (-1, 1)) - 1
    y = model(x)
    assert tuple(y.shape) == shape, f"{pattern}: expected the shape {shape}, received {tuple(y.shape)}."
    for weight in model.weights:  # all kernels 1, all biases -1: what goes through tanh first is 2 - 1
        weight.assign(np.full(weight.shape, 1.0 if len(weight.shape) > 1 else -1.0))
    y = ops.convert_to_numpy(model(x))[0]
    assert np.allclose(y, wanted, atol=1e-3), (
        f"{pattern}: inputs of 2, kernels of 1 and biases of -1 give {y[..., 0]}, expected {wanted[:, 0]}, a state "
        "minus 1: which steps read the input, which state is shown, and which activation stands where?"
    )

# %% [markdown]
# ### `build_sequence_classifier`
#
# Sequences in a batch have different lengths, and a tensor has none: the short ones are filled up with zeros, the **padding**.
# If the network reads that, too, its state goes on changing, and what it remembers of a short sentence fades during all the
# zeros. The layers of Keras skip steps that a **mask** marks, and `layers.Masking` makes one: it marks the steps whose features
# are *all* zero.
#
# Build a `keras.Model`: masking, an LSTM, a dense layer that gives logits. Padding must not change them. Do not compile it.
#
# <details><summary>Hint</summary>Four lines of a <code>keras.Sequential</code>, <code>layers.Input</code> included.</details>
#
# *Checked:* the logits for weights that we set, without padding, with padding, and with several lengths in a batch; the number of
# parameters; and that the model is not compiled.

# %% exercise="build_sequence_classifier"

# %% check="build_sequence_classifier" points=3
training.set_seed(0)
model = build_sequence_classifier(features=2, units=8, n_classes=3)
x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype("float32")
z = ops.convert_to_numpy(model(x))
assert z.shape == (5, 3), f"5 sequences and 3 classes should give (5, 3), received {z.shape}."
assert not np.allclose(z.sum(axis=1), 1, atol=1e-3), "every row sums to 1: is there a softmax?"
padded = ops.convert_to_numpy(model(np.pad(x, ((0, 0), (0, 6), (0, 0)))))
assert np.allclose(z, padded, atol=1e-5), "six steps of padding change the logits: is anything masked?"
n = model.count_params()
assert n == 4 * (8 * 10 + 8) + 27, f"expected 352 + 27 = 379 parameters, received {n}: is it an LSTM?"
step, padding = [2.0, 0.0], [0.0, 0.0]
two_and_one = np.array([[step, step, padding], [step, padding, padding]])
small = build_sequence_classifier(features=2, units=1, n_classes=1)
small(two_and_one)  # builds it
for weight in small.weights:  # all kernels 1, all biases -1: each sum is 1 in the first step
    weight.assign(np.full(weight.shape, 1.0 if len(weight.shape) > 1 else -1.0))
z = ops.convert_to_numpy(small(two_and_one)).ravel()
assert np.allclose(z, [0.6505 - 1, 0.3696 - 1], atol=1e-3), (
    f"with kernels of 1 and biases of -1, {z} is shown after two steps and after one, expected -0.3495 and -0.6304, "
    "a hidden state minus 1: of which step is it, and which activation stands where?"
)

# %% [markdown]
# **Look at it.** An LSTM that was never trained reads the same sequence with more and more padding. *Predict the two curves.*

# %%
def drift(model, lengths):
    """How far the logits move away when steps of zeros follow."""
    first = ops.convert_to_numpy(model(x))
    moved = [ops.convert_to_numpy(model(np.pad(x, ((0, 0), (0, n), (0, 0))))) - first for n in lengths]
    return [np.abs(change).mean() for change in moved]

unmasked = keras.Sequential([layers.Input((None, 2)), layers.LSTM(8), layers.Dense(3)])
lengths = np.arange(0, 21, 4)
curves = {"no mask": drift(unmasked, lengths), "masked": drift(model, lengths)}
plots.curves(curves, xlabel="steps of padding", ylabel="change of the logits", xs=lengths)

# %% [markdown]
# ## 8. Does it pay?
#
# MNIST-1D once more: signals of 40 positions in ten classes. Dense layers reached an accuracy of a little over 0.6. Now a
# network reads them in 20 steps of two neighbouring positions each, and answers at the end. What it saw first is 20
# steps ago by then.

# %%
(s_train, t_train), (s_test, t_test) = data.mnist1d()
steps_train, steps_test = (s.reshape(len(s), 20, 2) for s in (s_train, s_test))
plots.signals(s_train, t_train)

# %% [markdown]
# ### `train_sequence_classifier`
#
# Write a function that takes sequences `x` `(samples, steps, features)`, integer labels `y` and a `seed`, and returns a
# **trained** `keras.Model` that gives logits for sequences of **any** length. A few seconds of training are enough. Everything
# in Keras is allowed.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>A GRU of 56 units and a dense layer learn this in about 10 epochs with batches of 50. The
# learning rate decides: 0.02, falling to 0 over all steps, with <code>keras.optimizers.schedules.CosineDecay</code>; and
# <code>clipnorm=1.0</code>. Leave the number of steps open in <code>layers.Input</code>.</details>
#
# *Checked:* an accuracy of at least 0.78 on new samples, that the output is logits, that the same seed gives the same model,
# and that it works for other numbers of features and classes and for sequences that are longer than those it was trained with.
# Grading makes new signals for every submission and renumbers the classes. {limits}

# %% exercise="train_sequence_classifier"

# %% check="train_sequence_classifier" points=4
trained = train_sequence_classifier(steps_train, t_train, seed=0)
logits = ops.convert_to_numpy(trained(steps_test))
score = np.mean(logits.argmax(axis=-1) == t_test)
assert logits.shape == (1000, 10), f"expected the shape (1000, 10), received {logits.shape}."
assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), "every row sums to 1: is there a softmax?"
assert logits.min() < 0, "no output is negative: does the output layer have an activation, too?"
assert score >= 0.78, (
    f"accuracy {score:.2f}, expected at least 0.78; a simple recurrent layer gets about 0.5. Are there gates? "
    "Is it trained long enough, with a learning rate that is large at first?"
)
longer = trained(np.concatenate([steps_test[:2], steps_test[:2]], axis=1))
assert tuple(longer.shape) == (2, 10), "sequences of 40 steps should do as well as those of 20."

# %% [markdown]
# **Look at it.** The same with a simple recurrent layer. *Predict: will it be worse, and by how much?*

# %%
objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

def fresh(*hidden):
    training.set_seed(0)
    return keras.Sequential([layers.Input((None, 2)), *hidden, layers.Dense(10)])

def accuracy_of(model, rate):
    """Train for 12 epochs, with a rate that falls to 0; the accuracy on the test part."""
    falling = keras.optimizers.schedules.CosineDecay(rate, 12 * 80)
    model.compile(keras.optimizers.Adam(falling, clipnorm=1.0), objective)
    model.fit(steps_train, t_train, batch_size=50, epochs=12, verbose=0, callbacks=[training.Progress()])
    return np.mean(ops.convert_to_numpy(model(steps_test)).argmax(axis=-1) == t_test)

found = {"simple, 0.003": accuracy_of(fresh(layers.SimpleRNN(64)), 0.003)}
both = {"simple": found["simple, 0.003"], "yours": score}
plots.bars(both, "accuracy", "MNIST-1D, step by step", reference=0.1, reference_label="guessing")

# %% [markdown]
# Nothing in the equations forbids the simple layer to be as good: it has a state of about the same size. **Why is it worse?**
# Section 4 suggests an answer: the gradient from the end does not reach the beginning. That can be measured. Move the input of
# one step a little: how far do the logits move, compared with the same move in the last step? *Predict: for which of two fresh
# layers does the first step count for less, the simple one or the GRU?*

# %%
def reach(model, move=0.01):
    """How far the logits move with the input of each step, in units of the last one's; the median over 200 signals."""
    signals, far = steps_test[:200], []
    before = ops.convert_to_numpy(model(signals))
    for step in range(20):
        moved = signals.copy()
        moved[:, step] += move
        far.append(np.median(np.linalg.norm(ops.convert_to_numpy(model(moved)) - before, axis=1)))
    return np.array(far) / far[-1]

reached = {"simple": reach(fresh(layers.SimpleRNN(64))), "GRU": reach(fresh(layers.GRU(56)))}
plots.curves(reached, xlabel="step", ylabel="effect on the logits", title="Before training", log=True)

# %% [markdown]
# In the fresh GRU, the first step counts for about a thousandth of what it counts for in the simple layer. And yet it is the
# GRU that learns these signals. So vanishing gradients are *not* what stops the simple layer here. What else differs? Its
# learning rate: the hint above asks for 0.02, and the simple layer had 0.003. *Predict what happens if both try both.*

# %%
found["GRU, 0.003"] = accuracy_of(fresh(layers.GRU(56)), 0.003)
found["simple, 0.02"] = accuracy_of(fresh(layers.SimpleRNN(64)), 0.02)
found["GRU, 0.02"] = accuracy_of(fresh(layers.GRU(56)), 0.02)
maximum = [layers.SimpleRNN(64, return_sequences=True), layers.GlobalMaxPooling1D()]
found["simple, 0.003, maximum"] = accuracy_of(fresh(*maximum), 0.003)
plots.bars(found, ylabel="accuracy", title="Layer and learning rate")

# %% claims=true
assert 200 < reached["simple"][0] / reached["GRU"][0] < 5000, reached
assert found["GRU, 0.02"] > max(0.85, found["GRU, 0.003"] + 0.2), found
assert found["simple, 0.02"] < found["simple, 0.003"] < 0.6 and found["simple, 0.003, maximum"] > 0.75, found

# %% [markdown]
# With the small rate the GRU is far from what it reaches with the large one, and with the large rate the simple layer gets worse. So
# much of what gates bring *here* is that they stand a large learning rate. (Why the simple layer does not stand it is not answered
# by this.) And the simple layer can remember: in the last bar the logits see the maximum of each unit over all steps in place of the
# last state, so that no step is far from the answer.
#
# ## 9. A forecast
#
# Back to the sun. A network that forecasts is judged by how far it is off, and by what it is compared with. The *naive*
# forecast says “as it is now”; a network that does not beat it is of no use, however small its error looks.
#
# To know what is possible, you first train on cycles that are generated: each value is a fixed weighted sum of the two before
# it, plus noise. They look like sunspots, and what is synthetic about them is the point: the best forecast is that sum, nobody
# who knows the past only can do better, and its error is known. *A network that is better than the best: what would you
# conclude?*

# %%
rng = np.random.default_rng(0)
cycles, best = data.cycles(600, 25, rng)
plots.curves({"one series": cycles[0], "another": cycles[1]}, xlabel="step", ylabel="value")

# %% [markdown]
# ### `train_forecaster`
#
# Write a function that takes `series`, `(samples, steps)`, and a `seed`, and returns a **trained** `keras.Model` from `(batch,
# any, 1)` to `(batch, any, 1)`: after each step, the forecast of the next value. From a series of 25 values it can learn 24
# forecasts. Everything in Keras is allowed.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>Many to many, 16 units, a mean squared error. What comes in is <code>series[:, :-1]</code>; what
# should come out? Both need a last axis of size 1.</details>
#
# *Checked:* that the error on new series is near the smallest possible: at least 0.9 of the way from the naive forecast to the
# best one, and not beyond it; series that are longer; and that the same seed gives the same model. {limits}

# %% exercise="train_forecaster"

# %% check="train_forecaster" points=3
forecaster = train_forecaster(cycles[:400], seed=0)
fresh, best_fresh = cycles[400:], best[400:]
forecasts = ops.convert_to_numpy(forecaster(fresh[:, :-1, None]))
assert forecasts.shape == (200, 24, 1), f"24 values in, 24 forecasts out: not {forecasts.shape}."

def error(forecast):
    """The mean squared error of forecasts of the values from step 2 on."""
    return np.mean((forecast - fresh[:, 2:]) ** 2)

naive, possible, yours = error(fresh[:, 1:-1]), error(best_fresh[:, 2:]), error(forecasts[:, 1:, 0])
gain = (naive - yours) / (naive - possible)
assert gain < 1.02, (
    f"error {yours:.3f}, better than the best possible {possible:.3f}: does a layer see the next value?"
)
assert gain > 0.9, (
    f"error {yours:.3f}; the naive forecast has {naive:.3f}, the best possible one {possible:.3f}. "
    "Is the target the value of the next step? Does the layer remember, and has the last one no activation?"
)

# %% [markdown]
# **Now the sun.** The years up to 1920 train, cut into overlapping pieces of 25; those after it test. Mean and spread are taken
# from the years that train, else the test would leak into them. *Predict: will it beat the naive forecast? By much?*

# %%
known = years <= 1920
mean, spread = spots[known].mean(), spots[known].std()
scaled = (spots - mean) / spread
pieces = np.lib.stride_tricks.sliding_window_view(scaled[known], 25)
sun = train_forecaster(np.repeat(pieces, 2, axis=0), seed=0)
after = ops.convert_to_numpy(sun(scaled[None, :-1, None]))[0, :, 0] * spread + mean  # of 1701 to 2008
test = years[1:] > 1920
off = {"naive": spots[:-1] - spots[1:], "yours": after - spots[1:], "mean": mean - spots[1:]}
errors = {name: np.sqrt(np.mean(difference[test] ** 2)) for name, difference in off.items()}
assert errors["yours"] < errors["naive"], "the forecast of real sunspots does not beat the naive one."
plots.bars(errors, ylabel="root mean squared error", title="Sunspots 1921–2008, one year ahead")
plots.curves(
    {"counted": spots[1:][test], "forecast": after[test]}, xlabel="year", ylabel="spots", xs=years[1:][test]
)

# %% [markdown]
# The naive forecast is off by about 30 spots; a weighted sum of the last two years, as Yule used it in 1927, by 20.5, and one
# of the last nine by 17.4. “The relationship is not linear, so a network must be better” is no argument: only a comparison is.
#
# ## What to remember
#
# - A recurrent network reads step by step; its state is all that it remembers; the weights are the same in every step.
# - Three matrices: input to state, state to state, state to output. The last two are not the same.
# - In back-propagation through time every step adds its share. What comes from far away is a product of many factors: it can
#   vanish or explode. Whether that is why a network does not learn has to be measured.
# - A gate is a number between 0 and 1 for each unit. A cell that is only multiplied by a gate near 1 lasts, and so does its
#   gradient.
# - LSTM: $i, f, g, o$ in Keras and PyTorch; of these four, only the candidate goes through tanh. $4(n(m+n)+n)$ parameters.
# - Padding must be masked, or it is read.
# - A forecast is compared with the naive one, and with the best possible one where it is known. Better than possible means a
#   leak.
#
# ## Open questions
#
# 1. A bidirectional layer reads a sequence in both directions. For which patterns of section 7 is that allowed, and for which is
#    it cheating?
# 2. Why can a recurrent network not use a GPU as well as a convolution can?
# 3. A state has 64 numbers. How many words of a text can it remember, and which?
