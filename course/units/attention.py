# %% [markdown]
# # Attention
#
# *About {minutes} minutes, {points} points.*
#
# A sentence arrives as a row of vectors, one for each word. Attention lets each word ask all the others: who of you
# matters to me? The answer is a row of weights, and with these weights the words are mixed.
#
# **What you will build.** You start with the dot product of two arrows and end with a multi-head layer like Keras's own.
# Then you train one head on sequences that somebody scrambled. It finds out how, and you can read it in its map.
#
# **Before you start.** You can multiply matrices, you know softmax, and you have used a `Dense` layer.
#
# **How it works.** Each exercise is a cell with a specification; your code takes the place of
# `raise NotImplementedError()`. The check below it shows a worked number and says what is wrong. Grading uses other numbers. No exercise needs your answer to another one,
# so you can skip one and come back.
#
# ## Set-up
#
# All imports are here. `ops` is Keras's NumPy: it runs on TensorFlow, JAX and PyTorch alike.

# %% setup=true
from course.training import report, set_seed  # first: it imports Keras without TensorFlow's log
from course import data, plots
from course.probe import probe

import numpy as np
import keras
from keras import layers, ops

set_seed(0)
report()

# %% [markdown]
# ## 1. How alike are two vectors?
#
# Words that mean similar things get vectors that point in similar directions. The cheapest measure of "similar direction"
# is the dot product: multiply entry by entry, then sum.
#
# $$q \cdot k = \sum_i q_i \, k_i = \lVert q \rVert \, \lVert k \rVert \cos\alpha$$
#
# Here are a query and four keys from the lecture.

# %%
query = np.array([3, 4], dtype="float32")
keys = np.array([[4, 3], [1, 4], [-4, 3], [-2, -3]], dtype="float32")
plots.vectors({"query": query, **{f"key {number}": key for number, key in enumerate(keys)}})

# %% [markdown]
# By hand, the first score is $3\cdot 4 + 4\cdot 3 = 24$. Work out the other three before you go on.
#
# ### `dot_scores`
#
# **Write** the dot product of one query with each of the keys.
#
# - *Shapes:* `query` is `(dim,)`, `keys` is `(num_keys, dim)`, the result is `(num_keys,)`.
# - *Allowed:* everything in `ops`. *Off-limits:* `layers.Dot`.
# - *Checked* on one query and several keys, to about five digits.
#
# <details><summary>Hint</summary>
#
# All scores come from a single product of a matrix with a vector. Which of the two must stand on the left, so that `dim`
# is what disappears?
#
# </details>

# %% exercise="dot_scores"

# %% check="dot_scores" points=2
scores = ops.convert_to_numpy(dot_scores(ops.array([3.0, 4.0]), ops.array([[4.0, 3.0], [1.0, 4.0], [-4.0, 3.0]])))
assert scores.shape == (3,), f"there are 3 keys but the scores have shape {scores.shape}: is the sum over dim?"
assert abs(scores[0] - 24) < 1e-4, f"[3, 4] · [4, 3] is {scores[0]:.4g}, expected 3·4 + 4·3 = 24: multiply first, then sum?"
assert abs(scores[2]) < 1e-4, f"[3, 4] and [-4, 3] are at a right angle, but score {scores[2]:.4g}: expected 0."

# %% [markdown]
# The four scores are 24, 19, 0 and −18, so the order is right. Two remarks on the slide, though. It labels the last key
# "opposite direction"; the angle is 176.8°, and the true opposite would be [−3, −4]. And a dot product measures length, too.
#
# **Predict:** what is the score of key 1 if we double it to [2, 8]? It points where it pointed before.

# %%
doubled = np.stack([keys[0], keys[1], 2 * keys[1]])
print(ops.convert_to_numpy(dot_scores(ops.array(query), ops.array(doubled))))

# %% [markdown]
# Now 38 beats 24, though [4, 3] is the better aligned one. If you want direction alone, divide both lengths away:
#
# $$\cos\alpha = \frac{q \cdot k}{\lVert q \rVert \, \lVert k \rVert}$$
#
# One lecture says that the dot product measures "magnitude alignment". Better: the dot product mixes direction and magnitude, and
# the cosine ignores magnitude.
#
# ### `cosine_scores`
#
# **Write** the cosine of the angle between one query and each of the keys.
#
# - *Shapes:* as before, `(dim,)` and `(num_keys, dim)` give `(num_keys,)`. No vector is zero.
# - *Allowed:* everything in `ops`. *Off-limits:* `layers.Dot`, and the cosine among Keras's losses and metrics.
# - *Checked* on keys of very different lengths.
#
# <details><summary>Hint</summary>
#
# There are as many key lengths as there are keys, but one query length. Which axis do you sum the squares over?
#
# </details>

# %% exercise="cosine_scores"

# %% check="cosine_scores" points=2
cosines = ops.convert_to_numpy(cosine_scores(ops.array([3.0, 4.0]), ops.array([[4.0, 3.0], [1.0, 4.0], [2.0, 8.0]])))
assert cosines.shape == (3,), f"there are 3 keys but the cosines have shape {cosines.shape}: one length for each key?"
assert abs(cosines).max() < 1.0001, f"a cosine is {abs(cosines).max():.4g}, but none exceeds 1: are both lengths divided away?"
assert abs(cosines[0] - 0.96) < 1e-4, f"[3, 4] and [4, 3] give {cosines[0]:.4f}, expected 24 / (5 · 5) = 0.96."
assert abs(cosines[1] - cosines[2]) < 1e-4, "[1, 4] and [2, 8] differ in length only, but their cosines differ."

# %% [markdown]
# Length no longer counts: our four keys have the cosines .9600, .9216, 0 and −.9985.
#
# ## 2. From scores to weights
#
# Scores can be negative and of any size. Softmax turns them into weights: positive, and they sum to 1.
#
# **Predict:** how much weight is left for the key that scored 19, next to the one that scored 24?

# %%
weights = ops.convert_to_numpy(ops.softmax(ops.array([24.0, 19.0, 0.0, -18.0])))
print([f"{weight:.4g}" for weight in weights])

# %% [markdown]
# The winner takes .9933, the second .0067: a difference of 5 is a factor of $e^5 \approx 148$. Large scores make softmax all but
# a maximum, and long vectors make large scores: if all entries are independent with variance 1, a dot product of
# $d$ of them has variance $d$.
#
# Why is that bad? A network learns through the slope of softmax. So measure both, the variance and the slope (the norm
# of the Jacobian) for scores [2, 1, 0] that have grown with $\sqrt d$.

# %%
generator = np.random.default_rng(0)
for size in (1, 64, 4096):
    left, right = generator.normal(size=(2, 2000, size))
    p = ops.convert_to_numpy(ops.softmax(size**0.5 * ops.array([2.0, 1.0, 0.0])))
    slope = np.linalg.norm(np.diag(p) - np.outer(p, p))
    print(f"d = {size:4}: variance {np.sum(left * right, axis=1).var():7.1f}, slope {slope:.3g}")

# %% [markdown]
# From .389 to .000671 to nothing: with large $d$, a head does not learn. So we divide by $\sqrt d$. With $d = 64$ that is 8; the
# scores 112 and 96 become 14 and 12, with the weights .8808 and .1192. Undivided, the second would get .0000001.
#
# ## 3. Scaled dot-product attention
#
# Each word sends out three vectors: a **query** (what am I looking for?), a **key** (what have I got?) and a **value** (what do I
# hand over?). Put them in the rows of $Q$, $K$ and $V$, and all of attention is one line:
#
# $$\text{weights} = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right), \qquad \text{output} = \text{weights} \; V$$
#
# The weights are a matrix, `query_len` × `key_len`; the lecture notes leave this shape out. And where a chapter says "dot
# product of query, key and value vectors", that is one too many: values are averaged, never compared.
#
# **By hand.** Let $d_k = 4$ and $q = [2, 0, 0, 0]$, and let the keys start with $\ln 1$, $\ln 2$ and $\ln 3$. The scaled scores are
# $2 \ln n \,/\, \sqrt 4 = \ln n$. Softmax undoes the logarithm: the weights are 1/6, 2/6 and 3/6. With the values
# [6, 0], [0, 6] and [6, 6] the output is [1 + 3, 2 + 3] = [4, 5].
#
# The order here is query, key, value, as in the equation. Keras's layers take **query, value, key**.
#
# ### `scaled_dot_product_attention`
#
# **Write** the equation, with an optional mask: where `mask` is `False`, the weight is 0, and the others in its row still sum to 1.
#
# - *Shapes:* `(..., query_len, key_dim)`, `(..., key_len, key_dim)`, `(..., key_len, value_dim)`. Back come
#   `(output, weights)`: `(..., query_len, value_dim)` and `(..., query_len, key_len)`.
# - *Allowed:* everything in `ops`, softmax too. *Off-limits:* `ops.dot_product_attention` and Keras's attention layers.
# - *Checked:* output and weights, more keys than queries, leading axes, large scores, and the mask.
#
# <details><summary>Hint</summary>
#
# Only two axes of the keys change places. The mask acts *before* the softmax: what score makes $e^{score}$ vanish, however large the
# others are?
#
# </details>

# %% exercise="scaled_dot_product_attention"

# %% check="scaled_dot_product_attention" points=6
toy_query = ops.array([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
toy_key = ops.array(np.log([[1.0, 3.0, 1.0, 1.0], [2.0, 1.0, 1.0, 1.0], [3.0, 2.0, 1.0, 1.0]]).astype("float32"))
toy_value = ops.array([[6.0, 0.0], [0.0, 6.0], [6.0, 6.0]])
output, weights = map(ops.convert_to_numpy, scaled_dot_product_attention(toy_query, toy_key, toy_value))
assert weights.shape == (2, 3), f"2 queries and 3 keys, but the weights have shape {weights.shape}: queries × keys?"
total = weights[0].sum()
assert abs(total - 1) < 1e-4, f"the weights of row 0 sum to {total:.4g}, expected 1: is the softmax on the last axis?"
assert np.allclose(weights[0] * 6, [1, 2, 3], atol=1e-3), (
    f"the weights of row 0 are {weights[0].round(3)}, expected 1/6, 2/6, 3/6: what are the scores divided by, and when?"
)
assert np.allclose(output[0], [4, 5], atol=1e-3), f"the first output is {output[0]}, expected [4, 5]: weights times values?"
toy_mask = ops.array([[True, False, True], [True, True, False]])
_, weights = scaled_dot_product_attention(toy_query, toy_key, toy_value, mask=toy_mask)
first = ops.convert_to_numpy(weights)[0]
assert first[1] < 0.9, "the masked key gets all the weight: True means 'may attend'."
assert first[1] < 1e-6, f"the masked key still gets the weight {first[1]:.4f}: multiplying a score by 0 does not remove it."
assert abs(first[0] - 0.25) < 1e-4, f"key 0 gets {first[0]:.4f}, expected 1/4: is the mask applied before the softmax?"

# %% [markdown]
# **Predict:** what do you expect the weights to be if every key is the same? And the output?

# %%
same_keys = ops.ones((3, 4))
output, weights = scaled_dot_product_attention(toy_query, same_keys, toy_value)
print(ops.convert_to_numpy(weights), ops.convert_to_numpy(output), sep="\n")

# %% [markdown]
# If all keys look alike, nobody can be preferred: equal weights, and the output is the plain mean.
#
# Now three words with the vectors from the lecture notes. Each word is query, key and value at once.

# %%
words = ["python", "executes", "quicks"]
python, executes, quicks = [0.1, 0.2, 0.9, 0.7, 0.6], [0.2, 0.3, 0.4, 0.6, 0.3], [0.3, 0.1, 0.8, 0.7, 0.6]
vectors = ops.array([python, executes, quicks])
output, weights = scaled_dot_product_attention(vectors, vectors, vectors)
print("new vector of python:", ops.convert_to_numpy(output)[0].round(4))
plots.heatmap(weights, rows=words, columns=words, title="each row sums to 1")

# %% [markdown]
# The weights of python are .3701, .2743 and .3555. The notes mix it from .6, .5 and .3 instead, which sum to **1.4**: no softmax
# row. Nor are they the vectors' averages, as the label says; these are .50, .36 and .50. Later the notes take .5, .3 and
# .2, which do sum to 1, and get [.17, .21, .73, .67, .51].
#
# Without the scaling the first entry is .1965, not .1985. A loose comparison would never notice.
#
# ## 4. Masks: who may look at whom
#
# Sometimes a word must not look. A model that writes from left to right may not see the future. And sentences of a batch are
# filled up with padding, which nobody should read. A mask is a boolean matrix; `True` means "may attend".
#
# ### `causal_mask`
#
# **Write** the mask with which each position sees itself and all earlier ones.
#
# - *Shapes:* an integer `length` gives booleans, `(length, length)`; rows are queries, columns are keys.
# - *Allowed:* everything in `ops`.
# - *Checked* for a short and a long sequence.
#
# <details><summary>Hint</summary>
#
# Position 2 may see 0, 1 and 2. Compare each row number with each column number: two ranges, one lying, one standing.
#
# </details>

# %% exercise="causal_mask"

# %% check="causal_mask" points=2
allowed = ops.convert_to_numpy(causal_mask(3))
assert allowed.shape == (3, 3), f"the mask for length 3 has shape {allowed.shape}, expected (3, 3)."
assert allowed.dtype == bool, f"the mask holds {allowed.dtype}, expected booleans: a 1 could be mistaken for a score."
assert allowed[0, 0], "position 0 may not see itself, so its row is empty: is the diagonal included?"
assert not allowed[0, 2] and allowed[2, 0], "position 0 sees the future: rows are queries, columns are keys."
assert allowed.sum() == 6, f"{allowed.sum()} pairs are allowed, expected 1 + 2 + 3 = 6."

# %% [markdown]
# Three ways to apply it, on the three words. One is right. **Predict** which rows still sum to 1.

# %%
scaled = np.array([[0.7647, 0.4651, 0.7245], [0.4651, 0.3309, 0.4517], [0.7245, 0.4517, 0.7111]])
allowed = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]])
_, yours = scaled_dot_product_attention(vectors, vectors, vectors, mask=ops.array(allowed, dtype="bool"))
ways = {
    "yours": yours,
    "score times 0": ops.softmax(ops.array(scaled * allowed)),
    "after softmax": ops.convert_to_numpy(ops.softmax(ops.array(scaled))) * allowed,
}
plots.heatmaps(ways)

# %% [markdown]
# - **Yours** should turn row *executes* into [.5335, .4665, 0]. What is forbidden gets nothing, and the rest sums to 1.
# - **Score times 0**: the row becomes [.3996, .3494, .2510]. A score of 0 is an ordinary score, and $e^0 = 1$. The future leaks.
# - **After softmax**: the rows sum to .3701, .6551 and 1. Nothing leaks, but early words shrink.
#
# ### `padding_mask`
#
# **Write** the mask that hides the padding of each sequence. Two sentences, as token ids
# filled up with 0, are [7, 3, 9, 0, 0] and [4, 8, 2, 6, 0].
#
# - *Shapes:* `ids` is `(batch, key_len)`, integers; the result is boolean, `(batch, 1, key_len)`. The 1 is the query axis:
#   what is hidden is hidden from every query.
# - *Allowed:* everything in `ops`.
# - *Checked* with another `pad_id`, too.
#
# <details><summary>Hint</summary>
#
# One comparison gives `(batch, key_len)`. Then it needs one more axis in the middle, so that it stretches over all rows.
#
# </details>

# %% exercise="padding_mask"

# %% check="padding_mask" points=2
ids = ops.array([[7, 3, 9, 0, 0], [4, 8, 2, 6, 0]])
real = ops.convert_to_numpy(padding_mask(ids))
assert real.shape == (2, 1, 5), f"the mask has shape {real.shape}, expected (2, 1, 5): batch, one row for all queries, keys."
assert real.dtype == bool, f"the mask holds {real.dtype}, expected booleans."
assert real[0, 0, 0] and not real[0, 0, 4], "the words are hidden and the padding is seen: True means 'may attend'."
assert real.sum() == 7, f"{real.sum()} tokens may be seen, expected 3 + 4 = 7."
assert not ops.convert_to_numpy(padding_mask(ids, pad_id=7))[0, 0, 0], "pad_id=7 is not hidden: is 0 built in?"

# %% [markdown]
# Why hide columns and not rows? A padding *row* that may see nothing has no weights to share out: softmax of minus infinities alone
# is 0/0. So padding may look, and nobody looks at it.
#
# ### `combine_masks`
#
# **Write** the mask that forbids what either of the two forbids.
#
# - *Shapes:* `(length, length)` and `(batch, 1, length)` give booleans, `(batch, length, length)`.
# - *Allowed:* everything in `ops`.
# - *Checked* with padding in several places.
#
# <details><summary>Hint</summary>
#
# "May attend" now takes two permissions. Shapes align from the right: what do `(length, length)` and
# `(batch, 1, length)` become together?
#
# </details>

# %% exercise="combine_masks"

# %% check="combine_masks" points=2
causal = ops.convert_to_tensor(np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=bool))
padding = ops.convert_to_tensor(np.array([[[1, 1, 0]], [[1, 1, 1]]], dtype=bool))
both = ops.convert_to_numpy(combine_masks(causal, padding))
assert both.shape == (2, 3, 3), f"the shape is {both.shape}, expected (2, 3, 3): one square for each sequence."
assert not both[0, 2, 2], "the last token of sequence 0 is padding, but it may be seen: both masks must agree."
assert not both[1, 0, 2], "position 0 of sequence 1 sees position 2, the future: both masks must agree."
assert both.sum() == 5 + 6, f"{both.sum()} pairs are allowed, expected 5 in sequence 0 and 6 in sequence 1."

# %% [markdown]
# Look at all three for the first of the two sentences, which has three words and two paddings.

# %%
causal, padding = causal_mask(5), padding_mask(ids)
whole = ops.logical_or(padding[0], ops.zeros((5, 5), dtype="bool"))  # the one row, for every query
plots.masks({"causal": causal, "padding": whole, "combined": combine_masks(causal, padding)[0]})

# %% [markdown]
# ## 5. Many heads
#
# A softmax row has one budget of 1. A word that must look at its verb *and* at its adjective has to split it. Several heads
# give it several budgets: cut each vector into pieces, let each piece attend on its own, and glue the results together.
#
# **By hand.** Three words with four numbers each, two heads. Head 0 gets the first half of *every* word:
#
# $$\begin{bmatrix} 0 & 1 & 2 & 3 \\ 4 & 5 & 6 & 7 \\ 8 & 9 & 10 & 11 \end{bmatrix} \longrightarrow
# \begin{bmatrix} 0 & 1 \\ 4 & 5 \\ 8 & 9 \end{bmatrix}, \begin{bmatrix} 2 & 3 \\ 6 & 7 \\ 10 & 11 \end{bmatrix}$$
#
# ### `split_heads`
#
# **Write** the cut, with the heads as an axis of their own, before the words.
#
# - *Shapes:* `(batch, length, num_heads * head_dim)` gives `(batch, num_heads, length, head_dim)`.
# - *Allowed:* everything in `ops`.
# - *Checked* with all sizes different.
#
# <details><summary>Hint</summary>
#
# A reshape keeps the numbers in reading order, but head 0 must collect numbers that lie apart. Which reshape keeps each word whole,
# and what is still missing after it?
#
# </details>

# %% exercise="split_heads"

# %% check="split_heads" points=2
heads = ops.convert_to_numpy(split_heads(ops.reshape(ops.arange(12, dtype="float32"), (1, 3, 4)), 2))
assert heads.shape == (1, 2, 3, 2), f"the shape is {heads.shape}, expected (1, 2, 3, 2): batch, heads, length, head_dim."
first = heads[0, 0].tolist()
assert first != [[0, 1], [2, 3], [4, 5]], "head 0 got word 0 whole and half of word 1: reshape alone mixes words and heads."
assert first == [[0, 1], [4, 5], [8, 9]], f"head 0 is {first}, expected the first half of every word."

# %% [markdown]
# ### `merge_heads`
#
# **Write** the way back: it undoes `split_heads`.
#
# - *Shapes:* `(batch, num_heads, length, head_dim)` gives `(batch, length, num_heads * head_dim)`.
# - *Allowed:* everything in `ops`.
# - *Checked* with all sizes different.
#
# <details><summary>Hint</summary>
#
# Undo the last step first.
#
# </details>

# %% exercise="merge_heads"

# %% check="merge_heads" points=2
halves = ops.array([[[[0.0, 1.0], [4.0, 5.0], [8.0, 9.0]], [[2.0, 3.0], [6.0, 7.0], [10.0, 11.0]]]])
merged = ops.convert_to_numpy(merge_heads(halves))
assert merged.shape == (1, 3, 4), f"the shape is {merged.shape}, expected (1, 3, 4): batch, length, all features."
first = merged[0, 0].tolist()
assert first == [0, 1, 2, 3], f"word 0 is {first}, expected its two halves [0, 1] and [2, 3] side by side."

# %% [markdown]
# Cut the CAT sentence in two: five random words, one of them twice. **Predict:** will both heads look at the same words?

# %%
cat = np.random.default_rng(4).normal(size=(1, 5, 32)).astype("float32")[:, [0, 1, 2, 3, 4, 1]]
pieces = split_heads(ops.array(cat), 2)
_, weights = scaled_dot_product_attention(pieces / 2, pieces, pieces)
plots.heatmaps({"head 0": weights[0, 0], "head 1": weights[0, 1]})

# %% [markdown]
# Each head has its own half of the numbers, hence its own map and its own budget of 1 for each row.
#
# ## 6. The layer
#
# $$\mathrm{head}_h = \mathrm{attention}(Q W^Q_h, K W^K_h, V W^V_h), \qquad
# \mathrm{output} = [\mathrm{head}_1, \dots, \mathrm{head}_H] \, W^O$$
#
# Four `Dense` layers do the products with $W$; the constructor below makes them for you. All heads of a kind share one: its
# columns are the heads, side by side.
#
# **Careful with the order.** A Keras attention layer takes *query, value, key*. `layer(q, k, v)` runs without a complaint and
# averages the keys. If no key is given, the value is used as key, too.
#
# ### `MultiHeadAttention`
#
# **Write** `call`. Everything else of the class is there.
#
# - *Shapes:* `query` is `(batch, query_len, features)`, `value` and `key` are `(batch, key_len, features)`, `mask` fits
#   `(batch, query_len, key_len)`. The result is `(batch, query_len, features)`.
# - *Allowed:* everything in `ops`, your own functions from above, the sublayers. *Off-limits:* Keras's attention layers and
#   `ops.dot_product_attention`.
# - *Checked* with weights that we set: values, `key` apart from `value`, and the mask. The visible check reuses the logarithms
#   of section 3, one set for each head, and identity kernels.
#
# <details><summary>Hint</summary>
#
# Project, split, attend, merge, project. The mask has no axis for the heads yet: where must it go, so that all heads share it?
#
# </details>

# %% exercise="MultiHeadAttention" write=["call"]

# %% check="MultiHeadAttention" points=6
layer = MultiHeadAttention(num_heads=2, key_dim=2)
toy_query = 2**0.5 * ops.array([[[1.0, 0.0, 0.0, 1.0]]])
toy_key = ops.array(np.log([[[1, 1, 1, 3], [2, 1, 1, 1], [3, 1, 1, 2]]]).astype("float32"))
toy_value = ops.array([[[6.0, 0.0, 6.0, 0.0], [0.0, 6.0, 0.0, 6.0], [0.0, 0.0, 0.0, 0.0]]])
layer(toy_query, toy_value, toy_key)  # builds it
for dense in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
    dense.kernel.assign(np.eye(4))
output = ops.convert_to_numpy(layer(toy_query, toy_value, toy_key))
assert output.shape == (1, 1, 4), f"the output has shape {output.shape}, expected (1, 1, 4): one query, four features."
assert np.allclose(output[0, 0, :2], [1, 2], atol=1e-3), (
    f"head 0 gives {output[0, 0, :2].round(3)}, expected [1, 2]: order query, value, key? scaled by √key_dim of one head?"
)
assert np.allclose(output[0, 0, 2:], [3, 1], atol=1e-3), f"head 1 gives {output[0, 0, 2:].round(3)}, expected [3, 1]."

# %% [markdown]
# ### `count_attention_params`
#
# **Write** the number of weights of such a layer, biases included, when query, key and value all have `model_dim` features.
#
# By hand, with `model_dim` 4 and two heads of 2: each of the four `Dense` layers has $4 \cdot 4 + 4 = 20$ weights, together 80.
# But `num_heads * key_dim` need not be `model_dim`. Then the four are not all alike.
#
# - *Shapes:* three integers give an integer.
# - *Allowed:* arithmetic. *Off-limits:* building one of Keras's attention layers and counting.
# - *Checked* with several sizes.
#
# <details><summary>Hint</summary>
#
# Write down the shape of each kernel. Three of them widen or narrow, one goes the way back. A bias is as long as its layer is wide.
#
# </details>

# %% exercise="count_attention_params"

# %% check="count_attention_params" points=2
count = count_attention_params(4, 2, 2)
assert count != 64, "64 is the kernels alone: each of the four layers has a bias, too."
assert count == 80, f"model_dim 4, 2 heads of 2: {count}, expected 4 · (4 · 4 + 4) = 80."
count = count_attention_params(512, 8, 64)
assert count == 1_050_624, f"the layer of the 2017 Transformer: {count:,}, expected 1,050,624: are all heads counted?"

# %% [markdown]
# Compare with Keras. The second line is a popular slip: `key_dim` is the size of *one* head, so 512 makes the layer eight times as
# large. Nothing complains; the model only gets slow.

# %%
for key_dim in (64, 512):
    keras_layer = layers.MultiHeadAttention(num_heads=8, key_dim=key_dim)
    keras_layer.build((None, None, 512), (None, None, 512))
    print(f"key_dim={key_dim}: {keras_layer.count_params():,} weights, yours {count_attention_params(512, 8, key_dim):,}")

# %% [markdown]
# Another slide says "total per multi-head attention ≈ 360K". That is the query, key and value of *one* head plus the output: seven
# heads are missing.
#
# ## 7. Where am I? Positions
#
# Attention does not know any order. Shuffle the words, and the rows of the output are shuffled with them, nothing else. To tell *dog
# bites man* from *man bites dog*, each word must carry its place. The Transformer adds a vector of waves:
#
# $$PE(p, 2i) = \sin\!\left(\frac{p}{10000^{2i/d}}\right), \qquad PE(p, 2i+1) = \cos\!\left(\frac{p}{10000^{2i/d}}\right)$$
#
# A sine and its cosine share a frequency. Like the hands of a clock, the first pair turns fast and the last hardly at all.
#
# **By hand.** With $d = 4$ there are two frequencies, 1 and 1/100. Position 0 gives [0, 1, 0, 1], position 1 gives
# [sin 1, cos 1, sin .01, cos .01] = [.8415, .5403, .0100, .9999].
#
# ### `positional_encoding`
#
# **Write** the table of both equations.
#
# - *Shapes:* integers `length` and `dim` (even) give floats, `(length, dim)`.
# - *Allowed:* everything in `ops` and NumPy.
# - *Checked* with several sizes, to about five digits.
#
# <details><summary>Hint</summary>
#
# First the angles alone: `length` rows, half of `dim` columns. Then every angle gives two neighbours. The exponent is the same
# for both: $2i/d$, never $(2i+1)/d$.
#
# </details>

# %% exercise="positional_encoding"

# %% check="positional_encoding" points=4
encoding = ops.convert_to_numpy(positional_encoding(6, 4))
assert encoding.shape == (6, 4), f"the shape is {encoding.shape}, expected (6, 4): positions, dim."
assert abs(encoding).max() < 1.0001, f"an entry is {abs(encoding).max():.4g}: a sine never leaves [-1, 1]."
assert np.allclose(encoding[0], [0, 1, 0, 1], atol=1e-4), f"position 0 is {encoding[0]}, expected sin 0, cos 0, sin 0, cos 0."
assert abs(encoding[1, 2] - 0.01) < 1e-4, f"PE(1, 2) is {encoding[1, 2]:.4f}, expected sin .01 = .0100: is the exponent 2i/d?"
lengths = np.linalg.norm(encoding, axis=1)
assert np.allclose(lengths, 2**0.5, atol=1e-3), "rows differ in length: do a sine and its cosine share one frequency?"

# %% [markdown]
# Look at it: the waves, and the dot product of every position with every other.

# %%
encoding = ops.convert_to_numpy(positional_encoding(64, 32))
plots.positional_encoding(encoding)
plots.heatmap(encoding @ encoding.T, title="dot products of positions", xlabel="position", ylabel="position")

# %% [markdown]
# Every diagonal has one colour: the product depends on the *distance* only, not on where you are. For $d = 512$ it is 256 with
# itself and 189.597 five places on, anywhere. All rows have the same length, $\sqrt{d/2} = 16$.
#
# **A slide to mistrust.** The slides add position vectors with entries such as 1664.068 and 8080.133 to the word *CAT*. The
# sums are right (171.411 + 1664.068 = 1835.479), but a sine stays in [−1, 1]: 8,080 is impossible. Also missing is
# the factor $\sqrt{d}$ with which the paper first multiplies the embedding, so that the waves do not drown it.
#
# ## 8. Reading a table of weights
#
# The slides show 6 × 6 weights for YOUR CAT IS A LOVELY CAT. Here is a table of the same kind, computed by us with random
# vectors and rounded to three digits.

# %%
cat_words = ["YOUR", "CAT", "IS", "A", "LOVELY", "CAT"]
cat_weights = np.array(
    [
        [0.438, 0.125, 0.123, 0.067, 0.092, 0.155],
        [0.101, 0.384, 0.041, 0.171, 0.023, 0.280],
        [0.065, 0.157, 0.354, 0.132, 0.120, 0.172],
        [0.030, 0.257, 0.046, 0.465, 0.027, 0.175],
        [0.096, 0.068, 0.192, 0.078, 0.515, 0.052],
        [0.143, 0.311, 0.055, 0.111, 0.028, 0.353],
    ],
    dtype="float32",
)
plots.heatmap(cat_weights, rows=cat_words, columns=cat_words, title="YOUR CAT IS A LOVELY CAT")

# %% [markdown]
# What would you ask of such a table? Does each row sum to 1? How spread out is it? Which key wins? Spread is
# measured by entropy, $H = -\sum_j w_j \ln w_j$: 0 if one key takes all, $\ln n$ if $n$ keys share equally. An
# entry of 0 adds nothing.
#
# By hand: the row [½, ½, 0, 0] has $H = \ln 2 = .6931$, and [¼, ¼, ¼, ¼] has twice that.
#
# ### `attention_report`
#
# **Write** a dict with three arrays, one entry for each row: `"row_sums"`, `"entropies"` and `"strongest"`, the column of the
# largest weight.
#
# - *Shapes:* `weights` is `(query_len, key_len)`; each array is `(query_len,)`. Entropies in nats.
# - *Allowed:* everything in `ops` and NumPy.
# - *Checked* with sharp rows, too: some weights are exactly 0.
#
# <details><summary>Hint</summary>
#
# $0 \cdot \ln 0$ is NaN to a computer. Which harmless number could you take the logarithm of instead, where the weight is 0?
#
# </details>

# %% exercise="attention_report"

# %% check="attention_report" points=3
rows = ops.array([[0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.6, 0.1]])
told = {name: ops.convert_to_numpy(values) for name, values in attention_report(rows).items()}
assert set(told) == {"row_sums", "entropies", "strongest"}, f"the keys are {sorted(told)}."
assert np.allclose(told["row_sums"], 1, atol=1e-4), f"the sums are {told['row_sums']}, expected 1: over the last axis?"
entropy = told["entropies"][0]
assert not np.isnan(entropy), "the entropy of [½, ½, 0, 0] is NaN: a weight of 0 must add 0."
assert abs(entropy - np.log(2)) < 1e-4, f"the entropy of [½, ½, 0, 0] is {entropy:.4f}, expected ln 2 = .6931 (in nats)."
assert told["strongest"][1] == 2, f"the strongest key of row 1 is {told['strongest'][1]}, expected 2: in each row, the column."

# %% [markdown]
# **Predict** before you run it: do all rows sum to 1? Do the columns?

# %%
for name, values in attention_report(ops.array(cat_weights)).items():
    print(f"{name:10}", ops.convert_to_numpy(values).round(3))
print("columns   ", cat_weights.sum(axis=0).round(3))

# %% [markdown]
# Two rows sum to 1.001. That is rounding; on the slide it happens in rows 3 and 6. Columns need not sum to 1: a popular
# word collects more (on the slide, .831 to 1.158). The slide's entropies run from 1.737 to 1.778 of at most
# $\ln 6 = 1.792$: that head looks almost everywhere at once.
#
# The rows of the two CATs differ, on the slide and here. **Why can they, though it is the same word?**

# %%
cat = np.random.default_rng(4).normal(size=(5, 32)).astype("float32")[[0, 1, 2, 3, 4, 1]]
placed = cat + ops.convert_to_numpy(positional_encoding(6, 32)).astype("float32")
maps = {}
for name, x in {"words alone": ops.array(cat), "words + positions": ops.array(placed)}.items():
    maps[name] = scaled_dot_product_attention(x / 2, x, x)[1]
plots.heatmaps(maps)

# %% [markdown]
# Without positions, equal words have equal rows and equal columns: rows 1 and 5 are the same on the left. So the slide's
# picture, like ours above, must have positions in it.
#
# ## 9. Train one head
#
# Now something small and real. Somebody has rearranged every sequence of a corpus in the same way: $y_i = x_{\pi(i)}$, with one
# permutation $\pi$ of the positions that you do not know. We practise with reversal: [3, 1, 4, 2] becomes [2, 4, 1, 3].
#
# One head is enough, if it looks at the right thing. **Predict:** what map should it learn? Row $i$ is output position $i$, and
# the tokens are random, so they tell nothing about where to look.
#
# ### `train_unscrambler`
#
# **Write** a function of data: it builds a model with *one* attention head, trains it on `x` and `y`, and returns it. It is
# graded on a permutation and a vocabulary made for you, so it has to learn them.
#
# - *Shapes:* `x` and `y` are integers, `(samples, length)`. The model takes `(batch, length)` and has two outputs,
#   `(logits, weights)`: `(batch, length, vocabulary)` and `(batch, length, length)`.
# - *Allowed:* all of Keras, its attention layers included; called with `return_attention_scores=True` they hand over their map.
# - *Checked:* accuracy on new sequences, and whether the map is the permutation. Rows must sum to 1. Aim for under ten seconds.
#
# <details><summary>Hint</summary>
#
# *Where* to look depends on places alone; *what* is fetched depends on the token there. So what feeds the queries, the keys and the
# values? And only the first output has a label to be trained on.
#
# </details>

# %% exercise="train_unscrambler"

# %% check="train_unscrambler" points=5
small_x, small_y = data.scrambled(samples=320, length=5, vocabulary=7, permutation=np.arange(5)[::-1], seed=2)
logits, weights = map(ops.convert_to_numpy, train_unscrambler(small_x, small_y, seed=0)(ops.array(small_x[:20])))
assert logits.shape == (20, 5, 7), f"the logits have shape {logits.shape}, expected (20, 5, 7): batch, length, vocabulary."
assert weights.shape == (20, 5, 5), f"the weights have shape {weights.shape}, expected (20, 5, 5): has one head kept its axis?"
total = weights[0, 0].sum()
assert abs(total - 1) < 1e-3, f"the weights of row 0 sum to {total:.4g}, expected 1: are they the softmax of the head?"

# %% [markdown]
# Train your head on reversed sequences and look at what it has learned. Its outputs are judged on new ones.

# %%
reversal = np.arange(8)[::-1]
x, y = data.scrambled(samples=1000, length=8, vocabulary=12, permutation=reversal, seed=1)
model = train_unscrambler(x, y, seed=0)
new_x, new_y = data.scrambled(samples=500, length=8, vocabulary=12, permutation=reversal, seed=2)
logits, weights = map(ops.convert_to_numpy, model(ops.array(new_x)))
print(f"accuracy on new sequences: {np.mean(logits.argmax(axis=-1) == new_y):.3f}")
plots.heatmap(weights.mean(axis=0), title="where output i looks", xlabel="input position", ylabel="output position")

# %% [markdown]
# The map is the anti-diagonal: the first output looks at the last input, and so on. Nobody told the head so. It found the
# reversal because nothing else lowers the loss.
#
# ## What to remember
#
# - A dot product measures direction *and* length; a cosine measures direction.
# - Attention is a weighted mean of values. Weights are softmax over the *keys*: rows sum to 1, columns need not.
# - Divide by $\sqrt{d_k}$, or softmax saturates and learning stops.
# - Forbid with minus infinity, before the softmax. `True` means "may attend".
# - `key_dim` is the size of one head. Keras's order is query, value, key.
# - Without positions, attention sees a bag of words.
#
# ## Three open questions
#
# 1. Every row of the slide's table is within .06 nats of the equal row. What could a head like this be good for?
# 2. The weights are a matrix of length × length. What happens to time and memory from 1,000 tokens to 100,000, and what would you
#    give up to avoid it?
# 3. The map explained your head completely, because it was the only way through the model. With six layers and a residual
#    around each, would you still trust a map? How could you test it?
