# %% [markdown] title="Attention" order=4 minutes=200 builds="scores, scaled dot-product attention, masks, heads, multi-head attention, positional encoding, a trained unscrambler, a trained recall"
# # Attention
#
# **{points} points · about {minutes} minutes, in three sittings (sections 1 to 4, 5 to 8, 9 and 10)**, and 30 more for the parts
# headed *Extra*, which no exercise needs
#
# A sentence arrives as a list of vectors, one for each word (or piece of a word: a *token*). Attention lets each word ask all
# words of the sentence: which of you matter to me? The answer is a row of weights, and the word's new vector is a mixture of
# all vectors with these weights.
#
# **What you will build.** You start with the dot product of two arrows and end with a multi-head layer like Keras's own. Then
# you train one *head*, which is attention with its own weights, on sequences whose tokens somebody has rearranged, and one
# that answers questions. You can read what they have found out in their tables of weights, the *attention maps*.
#
# **Before you start.** You can multiply matrices, you know softmax, and you have used a `Dense` layer. For sections 9 and 10
# you should have built a model from a `keras.Input` once; section 9 begins with a small example.
#
# **How it works.** Each exercise is a cell with a specification; your code takes the place of `raise NotImplementedError()`.
# The check below it compares worked numbers and says what is wrong. If it prints nothing, these numbers are right; grading
# tries others, and looks at more. No exercise needs your answer to another one, so you can skip one and come back; until then,
# run what is below it cell by cell, since *Run All* stops where something is not answered. An answer may use what the set-up
# cell imports, and your own functions. Where a tensor is asked for, a NumPy array of the same numbers will do.
#
# ## Set-up
#
# All imports are in the set-up cell. `ops` is Keras's NumPy: it runs on TensorFlow, JAX and PyTorch alike. Other ways to
# write the same do not work with every kind of tensor on every backend: `a @ b`, `a.T`, or an integer times a float. So write
# `ops.matmul(a, b)`, `ops.transpose(a)` for a matrix and `ops.swapaxes(a, -1, -2)` for the last two of many axes, and make
# integers into floats with `ops.cast`. `probe` is for grading only.

# %% setup=true
from course import data, plots, training  # first, to keep the log quiet
from course.probe import probe

import numpy as np
import keras
from keras import layers, ops

training.set_seed(0)
training.report()

# %% [markdown]
# ## 1. How alike are two vectors?
#
# Words that mean similar things get vectors that point in similar directions. The cheapest measure of "similar direction"
# is the dot product: multiply entry by entry, then sum. It is also the product of both lengths and the cosine of the
# angle $\alpha$ between the vectors.
#
# $$q \cdot k = \sum_i q_i \, k_i = \lVert q \rVert \, \lVert k \rVert \cos\alpha$$
#
# Here are five vectors. We call one of them the **query** and compare it with the others, the **keys**.

# %%
query = np.array([3, 4], dtype="float32")
keys = np.array([[4, 3], [1, 4], [-4, 3], [-2, -3]], dtype="float32")
names = ["key 0", "key 1", "key 2", "key 3"]
plots.vectors({"query": query, **dict(zip(names, keys))})

# %% [markdown]
# By hand, the score of key 0 is $3\cdot 4 + 4\cdot 3 = 24$. Work out the other three before you go on.
#
# ### `dot_scores`
#
# **Write** a function that gives the dot product of one query with each of the keys.
#
# - *Shapes:* `query` is `(dim,)`, `keys` is `(num_keys, dim)`, the result is `(num_keys,)`.
# - *Allowed:* everything in `ops`. *Off-limits:* `layers.Dot`.
# - *Checked* on one query and several keys, then a single one, to about five digits.
#
# <details><summary>Hint</summary>
#
# All scores come from a single `ops.matmul` of a matrix with a vector. Which of the two must stand on the left, so that `dim`
# is what disappears?
#
# </details>

# %% exercise="dot_scores"

# %% check="dot_scores" points=2
toy_keys = ops.array([[4.0, 3.0], [-2.0, -3.0], [-4.0, 3.0]])
scores = dot_scores(ops.array([3.0, 4.0]), toy_keys)
assert scores is not None, "your function gives nothing back: is there a `return`?"
scores = ops.convert_to_numpy(scores)
assert scores.shape == (3,), (
    f"there are 3 keys but the scores have shape {scores.shape}: is the sum over dim?")
assert abs(scores[0] - 24) < 1e-4, (
    f"[3, 4] · [4, 3] is {scores[0]:.4g}, expected 3·4 + 4·3 = 24: multiply first, then sum?")
assert abs(scores[1] + 18) < 1e-4, (
    f"[3, 4] · [-2, -3] is {scores[1]:.4g}, expected -18: a key that points away scores below 0.")
assert abs(scores[2]) < 1e-4, (
    f"[3, 4] and [-4, 3] are at a right angle, but score {scores[2]:.4g}: expected 0.")

# %% [markdown]
# The four scores are 24, 19, 0 and −18: here, the better a key is aligned with the query, the higher its score. (The last key
# points nearly away from it, at an angle of 176.8°; exactly opposite would be [−3, −4].) But a dot product measures length,
# too.
#
# **Predict:** what is the score of key 1 if we double it to [2, 8]? It points where it pointed before.

# %%
doubled = np.stack([keys[0], keys[1], 2 * keys[1]])
print(ops.convert_to_numpy(dot_scores(ops.array(query), ops.array(doubled))))

# %% claims=true
assert ops.convert_to_numpy(dot_scores(ops.array(query), ops.array(doubled))).tolist() == [24, 19, 38]
cosine = query @ keys[3] / np.linalg.norm(query) / np.linalg.norm(keys[3])
assert abs(np.degrees(np.arccos(cosine)) - 176.8) < 0.05, cosine

# %% [markdown]
# The doubled key scores 38 and beats the 24 of [4, 3], which is better aligned. If you want direction alone, divide by both
# lengths, which gives the cosine. The dot product mixes direction and magnitude, and the cosine ignores magnitude.

# %%
lengths = np.linalg.norm(query) * np.linalg.norm(doubled, axis=1)
print(ops.convert_to_numpy(dot_scores(ops.array(query), ops.array(doubled))) / lengths)

# %% claims=true
assert np.allclose(doubled @ query / lengths, [0.96, 0.9216, 0.9216], atol=5e-5), lengths

# %% [markdown]
# Now key 1 has the same score as before it was doubled, .9216, and [4, 3] is ahead with .96. Attention keeps the dot product.
# What could a model say with a long key?
#
# ## 2. From scores to weights
#
# Scores can be negative and of any size. Softmax turns them into weights: positive, and they sum to 1.
#
# **Predict:** how much weight is left for the key that scored 19, next to the one that scored 24?

# %%
weights = ops.convert_to_numpy(ops.softmax(ops.array([24.0, 19.0, 0.0, -18.0])))
print([f"{weight:.4g}" for weight in weights])

# %% claims=true
assert np.allclose(weights[:2], [0.9933, 0.0067], atol=5e-5) and abs(np.e**5 - 148) < 0.5, weights

# %% [markdown]
# The winner takes .9933, the second .0067: a difference of 5 in the scores is a factor of $e^5 \approx 148$ in the weights. So
# where scores are far apart, one key takes nearly everything. And vectors with many entries make scores that are far apart: if
# all entries are independent with mean 0 and variance 1, the dot product of two vectors of $d$ entries has variance $d$, so its
# typical size is $\sqrt d$.
#
# Why is that bad? The layers that make queries and keys learn only through the slope of this softmax, and where one key takes
# everything, it is flat. The next cell measures both: the variance of dot products, and the slope at the scores [2, 1, 0] after
# they have grown with $\sqrt d$. The slope is how much the weights move if the scores do: softmax has the derivatives $\partial
# p_i / \partial s_j = p_i (\delta_{ij} - p_j)$, where $\delta_{ij}$ is 1 if $i = j$ and else 0; the code takes the norm of all
# of them.

# %%
generator = np.random.default_rng(0)
slopes = {}
for size in (1, 64, 4096):
    left, right = generator.normal(size=(2, 2000, size))
    e = np.exp(size**0.5 * np.array([0.0, -1.0, -2.0]))  # softmax of [2, 1, 0] times √d, less the largest score
    p = e / e.sum()
    slopes[size] = np.linalg.norm(np.diag(p) - np.outer(p, p))
    variance = np.sum(left * right, axis=1).var()
    print(f"d = {size:4}: variance {variance:7.1f}, slope {slopes[size]:.3g}")

# %% claims=true
assert np.allclose([*slopes.values()], [0.389, 0.000671, 2.3e-28], rtol=0.3, atol=0), slopes
assert np.allclose([slopes[1], slopes[64]], [0.389, 0.000671], rtol=2e-3), slopes
assert np.allclose(ops.convert_to_numpy(ops.softmax(ops.array([1.0, -1.0]))), [0.8808, 0.1192], atol=5e-5)
assert abs(float(ops.softmax(ops.array([8.0, -8.0]))[1]) - 1e-7) < 5e-8

# %% [markdown]
# The slope falls from .389 to .000671 and then to next to nothing: at such scores, practically no learning signal reaches
# queries and keys. So we divide all scores by $\sqrt d$. With $d = 64$ that is 8: two scores of typical size, 8 and −8,
# become 1 and −1, with the weights .8808 and .1192. Undivided, the second would get .0000001.
#
# ## 3. Scaled dot-product attention
#
# Each word sends out three vectors: a **query** (what am I looking for?), a **key** (what have I got?) and a **value** (what
# do I hand over?). Put them in the rows of $Q$, $K$ and $V$, and attention fits on one line ($d_k$ is the number of entries
# of a query or key, `key_dim` in the code):
#
# $$\text{weights} = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right), \qquad \text{output} = \text{weights} \; V$$
#
# The weights are a matrix, `query_len` × `key_len`: a row for each query, a column for each key. Queries are compared with
# keys; values are averaged, and never compared with anything.
#
# **By hand.** Let $d_k = 4$ and $q = [2, 0, 0, 0]$, and let the first entries of three keys be $\ln 1$, $\ln 2$ and $\ln 3$
# (the others meet a 0 of the query). The scaled scores are $2 \ln n \,/\, \sqrt 4 = \ln n$. Softmax undoes the logarithm: the
# weights are 1/6, 2/6 and 3/6. With the values [6, 0], [0, 6] and [6, 6] the output is [1 + 3, 2 + 3] = [4, 5].
#
# The order of the arguments is query, key, value, as in the equation. Keras's layers take **query, value, key**.
#
# ### `scaled_dot_product_attention`
#
# **Write** the equation as a function, with an optional mask: where `mask` is `False`, the weight is 0, and the other weights
# of the row still sum to 1.
#
# - *Shapes:* `query` is `(..., query_len, key_dim)`, `key` is `(..., key_len, key_dim)`, `value` is
#   `(..., key_len, value_dim)`. The function returns `(output, weights)`, which are `(..., query_len, value_dim)` and
#   `(..., query_len, key_len)`. The dots stand for any leading axes, such as `batch`, or none.
# - *Allowed:* everything in `ops`, softmax too. *Off-limits:* `ops.dot_product_attention` and Keras's attention layers.
# - *Checked:* output and weights, more keys than queries, leading axes, large scores, and the mask.
#
# <details><summary>Hint</summary>
#
# Only the last two axes of the keys change places (`ops.swapaxes`). The mask acts *before* the softmax: which score $s$ makes
# $e^s$ vanish, however large the other scores are?
#
# </details>

# %% exercise="scaled_dot_product_attention"

# %% check="scaled_dot_product_attention" points=7
toy_query = ops.array([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
toy_key = ops.array(np.log([[1, 3, 1, 1], [2, 1, 1, 1], [3, 2, 1, 1]]).astype("float32"))
toy_value = ops.array([[6.0, 0.0], [0.0, 6.0], [6.0, 6.0]])
output, weights = map(
    ops.convert_to_numpy, scaled_dot_product_attention(toy_query, toy_key, toy_value))
assert weights.shape == (2, 3), (
    f"2 queries and 3 keys, but the weights have shape {weights.shape}: is it (output, weights)?")
total = weights[0].sum()
assert abs(total - 1) < 1e-4, (
    f"the weights of row 0 sum to {total:.4g}, expected 1: is softmax last, and on the last axis?")
assert np.allclose(weights[0] * 6, [1, 2, 3], atol=1e-3), (
    f"row 0 is {weights[0].round(3)}, expected 1/6, 2/6, 3/6: what are the scores divided by?")
assert output.shape == (2, 2), (
    f"2 queries, values of 2 entries, but the output has shape {output.shape}: weights times values?")
assert np.allclose(output[0], [4, 5], atol=1e-3), (
    f"the first output is {output[0]}, expected [4, 5]: are the values weighted with row 0?")
toy_mask = ops.array([[True, False, True], [True, True, False]])  # now with a leading axis, too
_, weights = scaled_dot_product_attention(toy_query[None], toy_key[None], toy_value[None], toy_mask)
first = ops.convert_to_numpy(weights)[0, 0]
assert not np.isnan(first).any(), "there is a NaN among the weights: 0 times infinity is no number."
assert first[1] < 0.9, "the masked key gets all the weight: True means 'may attend'."
assert first[1] < 1e-6, (
    f"the masked key gets {first[1]:.2g}, expected 0: is the mask used, and is the score low enough? "
    "A score of 0 is no ban.")
assert abs(first[0] - 0.25) < 1e-4, (
    f"key 0 gets {first[0]:.4f}, expected 1/4: is the mask applied before the softmax? And is it still "
    "key_dim that you take the root of, now that there is a batch in front?")
late = ops.array([[False, True, True]] * 2)  # and with scores of about -700 and -1100
_, weights = scaled_dot_product_attention(-1000 * toy_query, toy_key, toy_value, late)
first = ops.convert_to_numpy(weights)[0].round(3)
assert np.allclose(first, [0, 1, 0]), (
    f"with scores far below 0 and key 0 masked, row 0 is {first}, expected [0, 1, 0]: is a masked "
    "score lower than any other? And no power of e may overflow or vanish from a whole row.")

# %% [markdown]
# **Predict:** what do you expect the weights to be if every key is the same? And what will the output be?

# %%
same_keys = ops.ones((3, 4))
output, weights = scaled_dot_product_attention(toy_query, same_keys, toy_value)
print(ops.convert_to_numpy(weights), ops.convert_to_numpy(output), sep="\n")

# %% claims=true
assert np.allclose(ops.convert_to_numpy(output), np.mean(ops.convert_to_numpy(toy_value), axis=0), atol=1e-6)

# %% [markdown]
# If all keys look alike, none can be preferred: the weights are equal, and the output is the plain mean of the values.
#
# Now three words with vectors of five numbers. Each word is query, key and value at once.

# %%
words = ["python", "executes", "quickly"]
python, executes = [0.1, 0.2, 0.9, 0.7, 0.6], [0.2, 0.3, 0.4, 0.6, 0.3]
vectors = ops.array([python, executes, [0.3, 0.1, 0.8, 0.7, 0.6]])
output, weights = scaled_dot_product_attention(vectors, vectors, vectors)
print("new vector of python:", ops.convert_to_numpy(output)[0].round(4))
undivided = ops.softmax(ops.matmul(vectors, ops.transpose(vectors)))
print("weights of python, undivided:", ops.convert_to_numpy(undivided)[0].round(4))
plots.heatmap(weights, rows=words, columns=words, title="each row sums to 1")

# %% claims=true
assert np.allclose(ops.convert_to_numpy(weights)[0], [0.3701, 0.2743, 0.3555], atol=5e-5), weights
assert np.allclose(ops.convert_to_numpy(undivided)[0], [0.4123, 0.2110, 0.3768], atol=5e-5), undivided

# %% [markdown]
# The weights of *python* are .3701, .2743 and .3555. Without the division by $\sqrt{d_k}$ they would be .4123, .2110 and
# .3768. With five entries the difference is small; section 2 shows what becomes of scores of 4,096 entries that nobody
# divides.
#
# ## 4. Masks: who may look at whom
#
# Sometimes a word must not look at another. A model that writes from left to right may not see the future. And the shorter
# sentences of a batch are filled up with padding, which nobody should read. A mask says who may look at whom: it is a
# boolean matrix, and `True` means "may attend".
#
# ### `causal_mask`
#
# **Write** a function that makes the mask with which each position sees itself and all earlier ones.
#
# - *Shapes:* an integer `length` gives booleans, `(length, length)`; rows are queries, columns are keys.
# - *Allowed:* everything in `ops`.
# - *Checked* for a short and a long sequence, and for one token.
#
# <details><summary>Hint</summary>
#
# Position 2 may see 0, 1 and 2. So compare the number of each row with the number of each column. Which shapes must the two
# ranges have, so that each number of one meets each of the other (broadcasting)?
#
# </details>

# %% exercise="causal_mask"

# %% check="causal_mask" points=2
allowed = ops.convert_to_numpy(causal_mask(3))
assert allowed.shape == (3, 3), f"the mask for length 3 has shape {allowed.shape}, expected (3, 3)."
assert allowed.dtype == bool, (
    f"the mask holds {allowed.dtype}, expected booleans, such as a comparison gives.")
assert not (allowed[0, 2] and not allowed[2, 0]), (
    "position 0 sees position 2, but not the other way round: True means 'may attend', "
    "rows are queries, columns are keys.")
assert allowed[0, 0], "position 0 may not see itself: is the diagonal included?"
assert not allowed[0, 2] and allowed[2, 0], (
    "position 0 sees the future, or position 2 not the past: rows are queries, columns are keys.")
assert allowed.sum() == 6, f"{allowed.sum()} pairs are allowed, expected 1 + 2 + 3 = 6."
longer = ops.convert_to_numpy(causal_mask(5)).shape
assert longer == (5, 5), f"the mask for length 5 has shape {longer}: is 3 built in?"

# %% [markdown]
# Here are three ways to apply a causal mask to the three words; `scaled` holds their scaled scores. The first is your
# attention; the second multiplies each forbidden *score* by 0 before the softmax; the third multiplies each forbidden *weight*
# by 0 after it. **Predict:** in which of the three pictures do all rows sum to 1?

# %%
scaled = np.array([[0.7647, 0.4651, 0.7245], [0.4651, 0.3309, 0.4517], [0.7245, 0.4517, 0.7111]])
allowed = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]])
_, yours = scaled_dot_product_attention(vectors, vectors, vectors, ops.array(allowed, dtype="bool"))
ways = {
    "yours": yours,
    "score times 0": ops.softmax(ops.array(scaled * allowed)),
    "after softmax": ops.convert_to_numpy(ops.softmax(ops.array(scaled))) * allowed,
}
plots.heatmaps(ways, rows=words, columns=words)

# %% claims=true
middle = {name: ops.convert_to_numpy(way)[1] for name, way in ways.items()}
assert np.allclose(middle["yours"], [0.5335, 0.4665, 0], atol=5e-5), middle
assert np.allclose(middle["score times 0"], [0.3996, 0.3494, 0.2510], atol=5e-5), middle
assert np.allclose(ways["after softmax"].sum(axis=1), [0.3701, 0.6551, 1], atol=5e-5), ways

# %% [markdown]
# - **Yours**: row *executes* should be [.5335, .4665, 0]. What is forbidden gets nothing, and the rest sums to 1.
# - **Score times 0**: the same row is [.3996, .3494, .2510]. It sums to 1, but the future leaks in: 0 is a score like any
#   other, and $e^0 = 1$.
# - **After softmax**: the rows sum to .3701, .6551 and 1. No weight falls on the future, but the outputs of the early words
#   shrink, and by how much depends on the words that they may not see.
#
# ### `padding_mask`
#
# **Write** a function that makes the mask which hides the padding of each sequence. For example, two sentences of three and
# four words, as token ids filled up with 0, are [7, 3, 9, 0, 0] and [4, 8, 2, 6, 0].
#
# - *Shapes:* `ids` is `(batch, key_len)`, integers; the result is boolean, `(batch, 1, key_len)`. The 1 is the query axis:
#   what is hidden is hidden from every query.
# - *Allowed:* everything in `ops`.
# - *Checked* with another `pad_id`, too.
#
# <details><summary>Hint</summary>
#
# One comparison gives `(batch, key_len)`. What it still lacks is an axis in the middle, which broadcasting can stretch over
# all queries.
#
# </details>

# %% exercise="padding_mask"

# %% check="padding_mask" points=2
ids = ops.array([[7, 3, 9, 0, 0], [4, 8, 2, 6, 0]])
real = ops.convert_to_numpy(padding_mask(ids))
assert real.shape == (2, 1, 5), (
    f"the mask has shape {real.shape}, expected (2, 1, 5): batch, one row for all queries, keys.")
assert real.dtype == bool, f"the mask holds {real.dtype}, expected booleans."
assert real[0, 0, 0] and not real[0, 0, 4], (
    "a word is hidden or padding is seen: True means 'may attend'.")
assert real.sum() == 7, f"{real.sum()} tokens may be seen, expected 3 + 4 = 7."
other = ops.convert_to_numpy(padding_mask(ids, pad_id=7))
assert not other[0, 0, 0], "with pad_id=7 the 7 is not hidden: is 0 built in?"
assert other.sum() == 9, f"with pad_id=7 {10 - other.sum()} tokens are hidden, expected the one 7."

# %% [markdown]
# Why does the mask hide columns and not rows? A row that may see nothing has nobody to give its weight to: the softmax of
# nothing but minus infinities is 0/0 (and if one large negative number takes the place of all its scores, all weights are
# equal). So padding may look at words, and no word looks at padding.
#
# Where both masks hold, a query needs two permissions: it may look where both of them are `True`. Their shapes align from the
# right: `(length, length)` and `(batch, 1, length)` become `(batch, length, length)`.
#
# Look at all three masks for the first of the two sentences, three words and two places of padding. A dot on yellow means
# "may attend".

# %%
causal, padding = causal_mask(5), padding_mask(ids)
combined = ops.logical_and(causal, padding)
whole = ops.repeat(padding[0], 5, axis=0)  # its one row, repeated for every query
plots.masks({"causal": causal, "padding": whole, "combined": combined[0]})

# %% [markdown]
# ## 5. Many heads
#
# The weights of a row sum to 1, so a word has one budget of attention. If it must look at its verb *and* at its adjective, it
# has to split this budget. Several heads give it several budgets: cut queries, keys and values into pieces, let each set of
# pieces attend on its own, and glue the results together. In the layer of section 6 each of the three first goes through a
# dense layer, so that every piece can depend on all of a word's vector. Here is the cutting.
#
# **By hand.** Three words with four numbers each, two heads. Head 0 gets the first half of *every* word:
#
# $$\begin{bmatrix} 0 & 1 & 2 & 3 \\ 4 & 5 & 6 & 7 \\ 8 & 9 & 10 & 11 \end{bmatrix} \longrightarrow
# \begin{bmatrix} 0 & 1 \\ 4 & 5 \\ 8 & 9 \end{bmatrix}, \begin{bmatrix} 2 & 3 \\ 6 & 7 \\ 10 & 11 \end{bmatrix}$$
#
# ### `split_heads`
#
# **Write** a function that cuts the vectors and gives the heads an axis of their own, in front of the words.
#
# - *Shapes:* `(batch, length, num_heads * head_dim)` gives `(batch, num_heads, length, head_dim)`. `-1` may stand for `batch`
#   in `ops.reshape`.
# - *Allowed:* everything in `ops`.
# - *Checked* with all sizes different, and with a single sequence.
#
# <details><summary>Hint</summary>
#
# A reshape keeps the numbers in reading order, but head 0 must collect numbers that lie apart. Which reshape cuts each word
# and mixes no two of them? And what is still missing after it?
#
# </details>

# %% exercise="split_heads"

# %% check="split_heads" points=2
three_words = ops.reshape(ops.arange(12, dtype="float32"), (1, 3, 4))
heads = ops.convert_to_numpy(split_heads(three_words, 2))
assert heads.shape == (1, 2, 3, 2), (
    f"the shape is {heads.shape}, expected (1, 2, 3, 2): batch, heads, length, head_dim.")
first = heads[0, 0].tolist()
assert first != [[0, 1], [2, 3], [4, 5]], (
    "head 0 got word 0 whole and half of word 1: reshape alone mixes words and heads.")
assert first == [[0, 1], [4, 5], [8, 9]], (
    f"head 0 is {first}, expected the first half of every word: [0, 1], [4, 5], [8, 9].")
heads = ops.convert_to_numpy(split_heads(ops.reshape(ops.arange(48), (2, 4, 6)), 3))
assert heads.shape == (2, 3, 4, 2), (
    f"2 sentences of 4 words and 3 heads of 2 give the shape {heads.shape}, expected (2, 3, 4, 2).")
last = heads[1, 2, 0].tolist()
assert last == [28, 29], (
    f"word 0 of sentence 1 is [24, ..., 29], and its last head of 2 is {last}, expected [28, 29]: "
    "which of num_heads and head_dim comes first in the reshape?")

# %% [markdown]
# ### `merge_heads`
#
# **Write** the way back, a function that undoes `split_heads`.
#
# - *Shapes:* `(batch, num_heads, length, head_dim)` gives `(batch, length, num_heads * head_dim)`, where `-1` may stand for
#   `batch` again.
# - *Allowed:* everything in `ops`.
# - *Checked* with all sizes different, and with a single sequence.
#
# <details><summary>Hint</summary>
#
# The way there had two steps. The way back undoes each of them, the last one first.
#
# </details>

# %% exercise="merge_heads"

# %% check="merge_heads" points=2
halves = ops.array([[[[0.0, 1.0], [4.0, 5.0], [8.0, 9.0]], [[2.0, 3.0], [6.0, 7.0], [10.0, 11.0]]]])
merged = ops.convert_to_numpy(merge_heads(halves))
assert merged.shape == (1, 3, 4), (
    f"the shape is {merged.shape}, expected (1, 3, 4): batch, length, all features.")
first = merged[0, 0].tolist()
assert first == [0, 1, 2, 3], (
    f"word 0 is {first}, expected its two halves [0, 1] and [2, 3] side by side.")
merged = ops.convert_to_numpy(merge_heads(ops.reshape(ops.arange(48), (2, 3, 4, 2))))
assert merged.shape == (2, 4, 6), (
    f"2 sentences of 4 words and 3 heads of 2 give the shape {merged.shape}, expected (2, 4, 6).")
first = merged[1, 0].tolist()
assert first == [24, 25, 32, 33, 40, 41], (
    f"word 0 of sentence 1 is {first}, expected its pieces [24, 25], [32, 33] and [40, 41].")

# %% [markdown]
# Here is a sentence with random vectors, YOUR CAT IS A LOVELY CAT, cut for two heads. The same word has the same vector, so
# there are five of them. (We halve the queries, which makes the rows less sharp and the picture easier to read.)
# **Predict:** will both heads look at the same words, and as much?

# %%
cat_words = "YOUR CAT IS A LOVELY CAT".split()
five = np.random.default_rng(4).normal(size=(1, 5, 32)).astype("float32")
pieces = split_heads(ops.array(five[:, [0, 1, 2, 3, 4, 1]]), 2)
_, weights = scaled_dot_product_attention(pieces / 2, pieces, pieces)
maps = {"head 0": weights[0, 0], "head 1": weights[0, 1]}
plots.heatmaps(maps, rows=cat_words, columns=cat_words)

# %% claims=true
assert np.allclose(np.linalg.norm(five[0, 4].reshape(2, 16), axis=1), [4.47, 2.06], atol=0.01)
lovely = ops.convert_to_numpy(weights)[0, :, 4, 4]
assert np.allclose(lovely, [0.75, 0.25], atol=5e-3), lovely
firsts = ops.convert_to_numpy(weights)[0][:, np.arange(6), np.arange(6)]
assert np.allclose(firsts, ops.convert_to_numpy(weights)[0].max(axis=-1), atol=1e-6), firsts

# %% [markdown]
# Here both look at the word itself first, and CAT at both CATs alike. What is left, however, they spread differently: each
# head has its own half of the numbers, and its own budget of 1 for each row. Look at LOVELY: in head 0 it keeps .75 for
# itself, in head 1 only .25. That is not so much a matter of direction: its first half has the length 4.5, its second 2.1,
# and a dot product measures length, too.
#
# ## 6. The layer
#
# $$\mathrm{head}_h = \mathrm{attention}(X_Q W^Q_h, X_K W^K_h, X_V W^V_h), \qquad
# \mathrm{output} = [\mathrm{head}_0, \dots, \mathrm{head}_{H-1}] \, W^O$$
#
# Four `Dense` layers do the products with the matrices $W$, one each for queries, keys, values and the output. The class below
# makes them for you. The queries of all heads come from the same layer, `query_dense`: the columns of its kernel are $W^Q_0,
# \dots, W^Q_{H-1}$ side by side. Keys and values are made in the same way. The class's other methods are what Keras asks of a
# layer that can be saved and that handles masks; leave them as they are.
#
# %%
boxes = {
    "query\n(batch, query_len, model_dim)": (0, 0),
    "key\n(batch, key_len, model_dim)": (0, 1),
    "value\n(batch, key_len, model_dim)": (0, 2),
    "query_dense\nsplit_heads": (1.5, 0),
    "key_dense\nsplit_heads": (1.5, 1),
    "value_dense\nsplit_heads": (1.5, 2),
    "mask\n(batch, query_len, key_len)": (3.2, -0.5),
    "scores, mask, softmax: weights\n(batch, heads, query_len, key_len)": (3.2, 0.7),
    "one output per head\n(batch, heads, query_len, key_dim)": (3.2, 2),
    "merge_heads, output_dense\n(batch, query_len, model_dim)": (5.5, 2),
}
q_box, k_box, v_box, q_heads, k_heads, v_heads, mask_box, weight_box, head_box, output_box = boxes
arrows = [(q_box, q_heads), (k_box, k_heads), (v_box, v_heads), (q_heads, weight_box), (k_heads, weight_box)]
arrows += [(mask_box, weight_box), (weight_box, head_box), (v_heads, head_box), (head_box, output_box)]
plots.diagram(boxes, dict.fromkeys(arrows, ""), title="Multi-head attention")

# %% [markdown]
# **Careful with the order.** Keras's attention layers take *query, value, key*: `layers.MultiHeadAttention(…)(query, value,
# key)`, and `layers.Attention()([query, value, key])` with a list. With the last two exchanged, both run without a complaint,
# compare queries with values, and average the keys. If no key is given, the value is used as key, too.
#
# ### `MultiHeadAttention`
#
# **Write** `call`. The rest of the class is there.
#
# - *Shapes:* `query` is `(batch, query_len, model_dim)`, `value` and `key` are `(batch, key_len, model_dim)`, and `mask` is
#   `(batch, query_len, key_len)`, or has a 1 in place of `batch` or `query_len`: `causal_mask(n)[None]` has. The result is
#   `(batch, query_len, model_dim)`.
# - *Allowed:* everything in `ops`, your own functions from above (if they are right), the layer's own `Dense` layers.
#   *Off-limits:* Keras's attention layers and `ops.dot_product_attention`.
# - *Checked* with weights that we set: values, `key` apart from `value`, and the mask. The visible check has two heads, each
#   with the query and the logarithms of section 3. Its `Dense` layers only multiply: queries by 1, keys by 2, values by 3, and
#   the output by 10.
#
# <details><summary>Hint</summary>
#
# Project, split, attend, merge, project. The mask has no axis for the heads yet: where must one go, so that all heads of a
# sentence share its mask?
#
# </details>

# %% exercise="MultiHeadAttention" write=["call"]

# %% check="MultiHeadAttention" points=7
layer = MultiHeadAttention(num_heads=2, key_dim=4)
q, k, v = np.zeros((2, 2, 8)), np.zeros((2, 3, 8)), np.zeros((2, 3, 8))  # two sentences alike
q[:, 0, 0], q[:, 0, 7] = 2, 2  # query 0 of head 0 is [2, 0, 0, 0], of head 1 [0, 0, 0, 2]
k[:, :, 0], k[:, :, 7] = np.log([1, 2, 3]) / 2, np.log([3, 1, 2]) / 2
v[:, 0, [0, 4]], v[:, 1, [1, 5]] = 6 / 3, 6 / 3
q, k, v = (ops.array(x, dtype="float32") for x in (q, k, v))
layer(q, v)  # builds it; without a key, the value takes its place
layer.query_dense.kernel.assign(np.eye(8))
layer.key_dense.kernel.assign(2 * np.eye(8))
layer.value_dense.kernel.assign(3 * np.eye(8))
layer.output_dense.kernel.assign(10 * np.eye(8))
output = ops.convert_to_numpy(layer(q, v, k))
assert output.shape == (2, 2, 8), (
    f"the output has shape {output.shape}, expected (2, 2, 8): batch, queries, features.")
first = (output[0, 0] / 10).round(3)
assert not np.allclose(first * 10, [1, 2, 0, 0, 3, 1, 0, 0], atol=1e-2), (
    "head 0 gives [1, 2, 0, 0], expected 10 times that: is output_dense left out?")
assert not np.allclose(first * 3, [1, 2, 0, 0, 3, 1, 0, 0], atol=1e-2), (
    "the output is a third of what it should be: do the values go through their own layer?")
assert np.allclose(first[:4], [1, 2, 0, 0], atol=1e-2), (
    f"head 0 gives {first[:4]}, expected [1, 2, 0, 0]: num_heads heads of key_dim features each? Order of "
    "value and key? Divided by √key_dim? Does each go through its own layer, before it is split?")
assert np.allclose(first[4:], [3, 1, 0, 0], atol=1e-2), (
    f"head 1 gives {first[4:]}, expected [3, 1, 0, 0]: num_heads heads of key_dim features each?")
whole = [[True] * 3] * 2
mask = ops.array([[[True, True, False], [True] * 3], whole])  # hides key 2 from query 0 of sentence 0
masked = ops.convert_to_numpy(layer(q, v, k, mask=mask))[0][:, [0, 1, 4, 5]] / 10
assert np.allclose(masked[0], [2, 4, 4.5, 1.5], atol=1e-2), (
    f"masked: {masked[0].round(3)}, expected [2, 4] and [4.5, 1.5]: does the mask reach every head? "
    "Which of its axes is the new one?")
assert np.allclose(masked[1], 2, atol=1e-2), (
    f"query 1, from which nothing is hidden, gives {masked[1].round(3)}, expected [2, 2] twice.")
shared = ops.convert_to_numpy(layer(q, v, k, mask=mask[:1]))[1][:, [0, 1, 4, 5]] / 10
assert np.allclose(shared, masked, atol=1e-2), (
    "one mask for all sentences, (1, queries, keys), does not do to sentence 1 what it did to 0.")

# %% [markdown]
# ### `count_attention_params`
#
# **Write** a function that counts the parameters of such a layer, biases included, when query, key and value all have
# `model_dim` features.
#
# By hand, with `model_dim` 4 and two heads of 2: each of the four `Dense` layers has $4 \cdot 4 + 4 = 20$ parameters,
# together 80. But `num_heads * key_dim` need not be `model_dim`. Then the four are not all alike.
#
# - *Shapes:* three integers give an integer.
# - *Allowed:* arithmetic. *Off-limits:* building one of Keras's attention layers and counting its weights.
# - *Checked* with several sizes.
#
# <details><summary>Hint</summary>
#
# Write down the shape of each kernel. Three of them lead from the model's features to those of all heads, and one leads back.
# A `Dense` layer has one bias for each feature that it puts out.
#
# </details>

# %% exercise="count_attention_params"

# %% check="count_attention_params" points=2
count = count_attention_params(4, 2, 2)
assert count != 64, "64 is the kernels alone: each of the four layers has a bias, too."
assert count == 80, f"model_dim 4, 2 heads of 2: {count}, expected 4 · (4 · 4 + 4) = 80."
count = count_attention_params(4, 2, 3)
assert count == 118, (
    f"model_dim 4, 2 heads of 3: {count}, expected 118: which shape has each kernel and bias?")

# %% [markdown]
# Compare with Keras, for the sizes of the 2017 Transformer. The second line is a popular slip: `key_dim` is the size of *one*
# head, so 512 makes the layer eight times as large. Nothing complains; the model only gets slow.

# %%
for key_dim in (64, 512):
    keras_layer = layers.MultiHeadAttention(num_heads=8, key_dim=key_dim)
    keras_layer.build((None, None, 512), (None, None, 512))
    yours = count_attention_params(512, 8, key_dim)
    print(f"key_dim={key_dim}: {keras_layer.count_params():,} parameters, your count {yours:,}")

# %% claims=true
assert 3 * (512 * 64 + 64) + (512 * 512 + 512) == 361_152  # query, key and value of one head, and the output layer
assert 7.9 < count_attention_params(512, 8, 512) / count_attention_params(512, 8, 64) < 8.1

# %% [markdown]
# (If you come to 361,152, you have counted query, key and value of *one* head, and the output layer: the other seven heads are
# missing.)
#
# Is your layer the same as Keras's? Give both the same weights and the same input. Keras keeps its kernels with an axis for the
# heads, so the numbers have to be reshaped, and no more than that. And do your own pieces make this layer? The function puts
# them together: project, split, attend, merge, project.

# %%
def from_pieces(layer, query, value):
    heads = [(layer.query_dense, query), (layer.key_dense, value), (layer.value_dense, value)]
    mixed, _ = scaled_dot_product_attention(*(split_heads(dense(x), layer.num_heads) for dense, x in heads))
    return layer.output_dense(merge_heads(mixed))

mine, theirs = MultiHeadAttention(2, 4), layers.MultiHeadAttention(2, 4)
generator = np.random.default_rng(0)
x, y = (ops.array(generator.normal(size=(3, length, 8)), "float32") for length in (5, 7))
mine(x, y), theirs(x, y)  # builds both
weights = [ops.convert_to_numpy(weight) for weight in mine.weights]
theirs.set_weights([np.reshape(a, b.shape) for a, b in zip(weights, theirs.weights)])
outputs = [ops.convert_to_numpy(output) for output in (theirs(x, y), mine(x, y), from_pieces(mine, x, y))]
apart = [np.abs(output - outputs[0]).max() for output in outputs[1:]]
print(f"largest difference from Keras: your layer {apart[0]:.1e}, your pieces {apart[1]:.1e}")

# %% claims=true
assert max(apart) < 1e-5, apart

# %% [markdown]
# ### Extra: what it costs
#
# Every query meets every key, so the weights are $n \times n$ numbers, for each head: twice as many words, four times as many
# weights. A model that writes a text adds one word at a time, and it need not begin again each time. Under a causal mask the
# rows of the earlier words do not change, so only the new word's query has to attend, to the keys and values of all words so
# far. Whoever keeps these, in a **key–value cache**, pays $n$ per word in place of $n^2$. **Predict:** does the last row come
# out the same?

# %%
q, k, v = (ops.array(generator.normal(size=(1000, 64)), "float32") for _ in range(3))
every, weights = scaled_dot_product_attention(q, k, v, causal_mask(1000))
new, row = scaled_dot_product_attention(q[-1:], k, v)
apart = np.abs(ops.convert_to_numpy(every[-1:]) - ops.convert_to_numpy(new))
print(f"{np.prod(weights.shape):,} weights or {np.prod(row.shape):,}; difference {apart.max():.1e}")
for n in (1_000, 10_000, 100_000):
    print(f"{n:7,} words: {4 * n**2 / 1e9:6.3f} GB for one head's weights in float32")

# %% claims=true
assert apart.max() < 1e-5, apart.max()

# %% [markdown]
# It is the same row, up to rounding. The cache has to hold $n$ keys and $n$ values for each head, and all rows together still
# cost about $n^2/2$ scores: what is saved is computing them again and again.
#
# ## 7. Where am I? Positions
#
# Without a causal mask, attention does not know any order. Shuffle the words, and the rows of the output are shuffled with
# them, but nothing else changes:

# %%
shuffled = [2, 0, 1]
output, _ = scaled_dot_product_attention(vectors, vectors, vectors)
moved = ops.take(vectors, ops.array(shuffled), axis=0)
again, _ = scaled_dot_product_attention(moved, moved, moved)
print(np.abs(ops.convert_to_numpy(again) - ops.convert_to_numpy(output)[shuffled]).max())

# %% claims=true
assert np.abs(ops.convert_to_numpy(again) - ops.convert_to_numpy(output)[shuffled]).max() < 1e-6

# %% [markdown]
# To tell *dog bites man* from *man bites dog*, each word can carry its position. The Transformer adds a
# vector of waves to each word. For position $p$ and vectors of $d$ entries, the entries of pair $i = 0, 1, \dots, d/2 - 1$ are
#
# $$PE(p, 2i) = \sin\!\left(\frac{p}{10000^{2i/d}}\right), \qquad PE(p, 2i+1) = \cos\!\left(\frac{p}{10000^{2i/d}}\right)$$
#
# The sine and the cosine of a pair share a frequency. The pairs are like the hands of a clock: the first turns fast, and the
# last hardly at all.
#
# **By hand.** With $d = 4$ there are two frequencies, 1 and 1/100. Position 0 gives [0, 1, 0, 1], position 1 gives
# [sin 1, cos 1, sin .01, cos .01] = [.84147, .54030, .01000, .99995].
#
# ### `positional_encoding`
#
# **Write** a function that makes the table of both equations: one row for each position, beginning with position 0.
#
# - *Shapes:* the integers `length` and `dim`, which is $d$ and even, give floats, `(length, dim)`, as a tensor or a NumPy
#   array.
# - *Allowed:* everything in `ops` and NumPy.
# - *Checked* with several sizes, to about five digits.
#
# <details><summary>Hint</summary>
#
# Make the angles first: `length` rows, half of `dim` columns. Then every angle gives two entries that are neighbours. The
# exponent is the same for both: $2i/d$, never $(2i+1)/d$.
#
# </details>

# %% exercise="positional_encoding"

# %% check="positional_encoding" points=4
encoding = ops.convert_to_numpy(positional_encoding(6, 4))
assert encoding.shape == (6, 4), f"the shape is {encoding.shape}, expected (6, 4): positions, dim."
assert abs(encoding).max() < 1.0001, (
    f"an entry is {abs(encoding).max():.4g}, but a sine never leaves [-1, 1].")
assert abs(encoding[0, 0] - np.sin(1)) > 1e-3, "position 0 has sin 1 in it: do you count from 1?"
assert np.allclose(encoding[0], [0, 1, 0, 1], atol=1e-4), (
    f"position 0 is {encoding[0].round(2)}, expected [0, 1, 0, 1]: do sine and cosine alternate?")
assert abs(encoding[1, 2] - 0.01) < 1e-4, (
    f"PE(1, 2) is {encoding[1, 2]:.4f}, expected sin .01 = .0100: is the exponent 2i/d?")
norms = np.linalg.norm(encoding, axis=1)
assert np.allclose(norms, 2**0.5, atol=1e-3), (
    "rows differ in length: do the sine and the cosine of a pair share one frequency?")

# %% [markdown]
# Look at the waves for 64 positions and $d = 32$, and at the dot product of every position with every other.

# %%
encoding = ops.convert_to_numpy(positional_encoding(64, 32))
plots.positional_encoding(encoding)
products = encoding @ encoding.T
plots.heatmap(products, title="pairs of positions", xlabel="position", ylabel="position", zlabel="dot product")

# %% claims=true
assert all(np.ptp(np.diagonal(products, k)) < 1e-3 for k in range(64)) and abs(products[0, 0] - 16) < 1e-3
assert (np.diff(products[0]) > 0).any()

# %% [markdown]
# Each line that runs parallel to the main diagonal has one colour: the product depends on the *distance* of two positions
# only, not on where they are. On the main diagonal it is $d/2$, here 16, because each pair adds $\sin^2 + \cos^2 = 1$. (It does
# not fall steadily with the distance, as the bands show.)
#
# The waves stay in [−1, 1]. The paper multiplies a word's vector by $\sqrt d$ (section 3.4) before it adds them. It does not
# say why: if a vector of $d$ entries has length 1, how large are its entries, and what would the waves do to them? (A typical
# entry is $1/\sqrt d$, .04 with 512 of them; waves of size 1 would drown it.)
#
# ## 8. Reading a table of weights
#
# Here are weights for YOUR CAT IS A LOVELY CAT, computed from random vectors and rounded to three digits, of
# which the picture shows two.

# %%
cat_words = "YOUR CAT IS A LOVELY CAT".split()
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
# What would you ask of such a table? Does each row sum to 1? Which key wins? How spread out is it? Spread is measured by
# entropy, $H = -\sum_j w_j \ln w_j$, in nats with the natural logarithm: it is 0 if one key takes all, and $\ln n$ if $n$ keys
# share equally. **Predict** before you run the cell: do all rows sum to 1? Do the columns?

# %%
entropies = -np.sum(cat_weights * np.log(cat_weights), axis=1)
print("row sums ", cat_weights.sum(axis=1).round(3))
print("columns  ", cat_weights.sum(axis=0).round(3))
print("strongest", [cat_words[key] for key in cat_weights.argmax(axis=1)])
print("entropies", entropies.round(3), "of at most", np.log(6).round(3))

# %% claims=true
assert np.sum(abs(cat_weights.sum(axis=1) - 1.001) < 1e-5) == 2 and np.sum(abs(cat_weights.sum(axis=1) - 1) < 1e-5) == 4
assert cat_weights.argmax() == 28 and entropies.argmin() == 3 and abs(entropies[3] - 1.355) < 5e-4, entropies
assert abs(np.log(6) - 1.792) < 5e-4 and entropies.max() < np.log(6), entropies

# %% [markdown]
# Which row is the most concentrated? LOVELY has the largest weight, .515, but A has the lowest entropy, 1.355: entropy looks at
# all weights of a row. Two rows sum to 1.001, which is rounding. Columns need not sum to 1: a popular word collects more. No
# row of six that sums to 1 can have an entropy above $\ln 6 = 1.792$.
#
# The rows of the two CATs differ. **How can they, though it is the same word?** The next cell computes three maps: one from
# five random word vectors alone, one after adding the position vectors to them, and one from the words alone under a causal
# mask.

# %%
five = np.random.default_rng(4).normal(size=(5, 32)).astype("float32")
cat = five[[0, 1, 2, 3, 4, 1]]
placed = cat + ops.convert_to_numpy(positional_encoding(6, 32)).astype("float32")
maps, masks = {}, {"words alone": None, "+ positions": None, "causal": causal_mask(6)}
for name, mask in masks.items():
    x = ops.array(placed if name == "+ positions" else cat)
    maps[name] = scaled_dot_product_attention(x / 2, x, x, mask)[1]
plots.heatmaps(maps, rows=cat_words, columns=cat_words)

# %% claims=true
cats = {name: np.abs(np.diff(ops.convert_to_numpy(found)[[1, 5]], axis=0)).max() for name, found in maps.items()}
assert cats["words alone"] < 1e-6 and min(cats["+ positions"], cats["causal"]) > 0.1, cats

# %% [markdown]
# Without positions and without a causal mask, equal words have equal rows and equal columns: on the left, the two rows of CAT
# are the same. With positions they differ. They differ under the causal mask as well, because the second CAT sees more words
# than the first: a mask tells something about the order, too. The table above was not masked: it has no zeros above the
# diagonal. *So if both CATs came in with the same vector, what may have told them apart?*
#
# ## 9. Train one head
#
# Now train something small and real. Somebody has rearranged every sequence of a corpus in the same way: $y_i = x_{\pi(i)}$,
# with one permutation $\pi$ of the positions, which you do not know. We practise with a rotation: [3, 1, 4, 2] becomes
# [1, 4, 2, 3].
#
# You will need two models that share their layers: one that is trained, and one that shows more. Here is the pattern, on a task
# of its own. What is made from `tokens` belongs to both models, so training the first one trains the second.

# %%
tokens = keras.Input((None,), dtype="int32")  # sequences of any length
embeddings = layers.Embedding(5, 3)(tokens)  # a vector of 3 for each of 5 tokens, to be learned
mean = ops.mean(embeddings, axis=1)
answer = layers.Dense(2)(mean)
to_train, to_show = keras.Model(tokens, answer), keras.Model(tokens, (answer, mean))
shown = to_show(ops.array([[4, 0, 2]]))
print([tuple(output.shape) for output in shown])

# %% [markdown]
# One head is enough, if it looks at the right thing. **Predict:** what map should it learn for the rotation? Row $i$ of the map
# belongs to output position $i$. And the tokens are random, so they tell nothing about where to look.
#
# ### `train_unscrambler`
#
# **Write** a function that builds a model with *one* attention head, trains it on `x` and `y`, and returns it. Grading calls it
# with a permutation, a vocabulary and 2,000 sequences of 10 tokens that are new to you, so nothing about them can be built in.
#
# - *Shapes:* `x` and `y` are integers, `(samples, length)`, and the `vocabulary` is `x.max() + 1`. The model takes `(batch,
#   length)` and has two outputs, `(logits, weights)`, which are `(batch, length, vocabulary)` and `(batch, length, length)`.
# - *Allowed:* all of Keras, its attention layers included; called with `return_attention_scores=True` they return their map,
#   too. `layers.Attention()` is one head and nothing else, which takes a list, `[query, value, key]`, and does not divide the
#   scores: that is no harm here, since the vectors of an `Embedding` begin small. Your `scaled_dot_product_attention` will do
#   as well. Aim for a training time of less than ten seconds, which is advice and not graded.
# - *Checked* on new sequences: at least 95 % of the tokens must be right, and the first output must be logits. In the attention
#   map, rows must sum to 1, and on average at least 0.75 of a row's weight must lie on one token, the one that $\pi$ names.
#   The same seed must give the same model: begin with `training.set_seed(seed)`. The visible check trains on rotated sequences
#   and asks for the same.
# - *Time:* {limits}
#
# Three things to know before you begin. Only the logits have labels to train on, so call `fit` on a model with that one output;
# a second `keras.Model` can share its layers. The vectors of the positions are learned, too, with an `Embedding`, or with a
# `Dense` layer on one-hot positions. (Afterwards, *try* the waves of section 7 in their place: does your head get as far in as
# many epochs?) And what goes into a layer of the model has to be made from the model's input: `ops.zeros_like(tokens) +
# ops.arange(length)` has the positions for each sequence, `(batch, length)`. To watch it learn, call `fit` with `verbose=0,
# callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>
#
# *Where* to look depends on positions alone; *what* is fetched depends on the token there. So what should the queries, the keys
# and the values be made from? An `Embedding` wants its sizes as Python's `int`.
#
# </details>

# %% exercise="train_unscrambler"

# %% check="train_unscrambler" points=5
rotation = np.roll(np.arange(8), -1)
x, y = data.scrambled(samples=1000, length=8, vocabulary=12, permutation=rotation, seed=1)
new_x, new_y = data.scrambled(samples=500, length=8, vocabulary=12, permutation=rotation, seed=2)
result = train_unscrambler(x, y, seed=0)(ops.array(new_x))
if isinstance(result, dict):
    result = result.get("logits"), result.get("weights")
assert isinstance(result, (tuple, list)) and len(result) == 2, "expected (logits, weights)."
logits, weights = map(ops.convert_to_numpy, result)
assert logits.shape == (500, 8, 12), (
    f"the logits have shape {logits.shape}, expected (500, 8, 12): batch, length, vocabulary.")
assert not np.allclose(logits.sum(axis=-1), 1, atol=1e-3), (
    "the first output sums to 1 for each token: probabilities, where logits are asked for.")
assert weights.shape == (500, 8, 8), (
    f"the weights have shape {weights.shape}, expected (500, 8, 8): batch, outputs, inputs. "
    "Has one head kept its axis? Have the positions no batch axis?")
totals = weights.sum(axis=-1)
worst = totals.flat[abs(totals - 1).argmax()]
assert abs(worst - 1) < 1e-3, (
    f"the weights of a row sum to {worst:.4g}, expected 1: are they the softmax of the head, with a row for each output?")
one, two = (train_unscrambler(x[:200], y[:200], seed=7)(ops.array(new_x[:5])) for _ in range(2))
one, two = (
    ops.convert_to_numpy(found["logits"] if isinstance(found, dict) else found[0]) for found in (one, two))
assert np.abs(one - two).mean() <= 0.05 * np.abs(one).mean(), (
    "the same data and seed give two different models: is the seed set before the layers are made?")
score, share = np.mean(logits.argmax(axis=-1) == new_y), weights[:, np.arange(8), rotation].mean()
assert score >= 0.95, (
    f"accuracy {score:.2f} on new sequences, expected at least 0.95. "
    "Do queries and keys know the positions? Are the values made from the tokens? "
    "A Keras layer takes query, value, key, in this order.")
assert share >= 0.75, (
    f"{share:.2f} of a row's weight lies on the right token, expected at least 0.75. Do queries and "
    "keys hold learned positions? If so, train longer, or with a larger learning rate.")

# %% [markdown]
# Look at what your head has learned: the mean of the map over all new sequences. **Predict** where the bright cells are.

# %%
labels = {"xlabel": "input position", "ylabel": "output position"}
plots.heatmap(weights.mean(axis=0), title="where each output looks", **labels)

# %% [markdown]
# Each output should look at the input after its own, and the last one at the first. Nobody told the head so. Why did it learn
# this? The next cell trains a model that looks at all inputs alike: it knows *which* tokens there are, and not where.

# %%
training.set_seed(0)
counting = keras.Sequential(
    [layers.Input((8,), dtype="int32"), layers.Embedding(12, 32), layers.GlobalAveragePooling1D()]
    + [layers.RepeatVector(8), layers.Dense(12)]
)
objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
counting.compile(keras.optimizers.Adam(0.01), objective)
counting.fit(x, y, batch_size=64, epochs=10, verbose=0)
loss, own = (float(ops.mean(objective(new_y, out))) for out in (counting(ops.array(new_x)), logits))
print(f"losses on new sequences: guessing {np.log(12):.3f}, looking everywhere alike {loss:.3f}, your head {own:.3f}")

# %% claims=true
assert weights.mean(axis=0).argmax(axis=1).tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
assert abs(12 * (1 - (11 / 12) ** 8) - 6) < 0.1
assert own < 0.1 and 1.8 < loss < 2.1 and abs(np.log(12) - 2.485) < 5e-4, (own, loss)

# %% [markdown]
# Looking everywhere alike already beats guessing: a sequence of 8 draws has about 6 of the 12 tokens in it, and only those
# can be meant. For the rest of the way it matters where the head looks: more weight on the right place lowers the loss
# further.
#
# ## 10. When content decides
#
# Your head looks at the same places whatever the tokens are: its map is one table for all sequences. Attention can do more. Now
# each sequence holds pairs of a name and a value, and at its end a question. The answer is the value beside the name that the
# question belongs to:
#
# $$ n_0\,v_0\;\;n_1\,v_1\;\;\dots\;\;n_7\,v_7\;\;q \;\to\; \text{the value beside the name of } q $$
#
# All names of a sequence differ, and so do its values. They are paired anew in every sequence, so there is no table of values
# to learn by heart. What stays is which question belongs to which name, as if names were German and questions English: *dog?*
# asks for what stands beside *Hund*.

# %%
x, y, asked = data.recall(samples=3, pairs=4, names=5, values=6, seed=49)
for sequence, answer, pair in zip(x, y, asked):
    print(*sequence[:-1].reshape(4, 2), f" question {sequence[-1]} -> value {answer}, of pair {pair}")

# %% [markdown]
# Here the names are 0 to 4, the values 5 to 10, and question 11 belongs to name 0, 12 to 1, and so on. **By hand:** what is the
# answer to each of the three sequences if its question is 13?
#
# <details><summary>Answer</summary>
#
# 13 belongs to name 2. The value beside it is 9 in the first sequence, 5 in the second and 10 in the third.
#
# </details>
#
# **Predict:** what should queries, keys and values be made from now?
#
# ### `train_recall`
#
# **Write** a function that builds a model with *one* attention head, trains it on `x` and `y`, and returns it. Grading calls it
# with 500 sequences of 8 pairs, in which the token ids of names, values and questions are mixed, so that no number can be built
# in.
#
# - *Shapes:* `x` is integers, `(samples, 2 * pairs + 1)`, and `y`, `(samples,)`, the token ids of the values; the
#   `vocabulary` is `x.max() + 1`. The model takes `(batch, 2 * n + 1)` with any number `n` of pairs and has two outputs,
#   `(logits, weights)`, which are `(batch, vocabulary)` and `(batch, n)`: how much of its attention the question gives to
#   each pair.
# - *Allowed:* all of Keras, its attention layers included, and your own functions from above. Aim for a training time of less
#   than ten seconds, which is advice and not graded.
# - *Checked* on new sequences: at least 90 % of the answers must be right, and the first output must be logits. In the
#   attention map, rows must sum to 1, and on average at least 0.8 of a row's weight must lie on the pair that is asked for. The
#   same seed must give the same model, and a model that was trained on 3 pairs has to take 4. The
#   visible check asks for all of this on other sequences of this size.
# - *Time:* {limits}
#
# As before, train a model with the logits alone, and return one that shares its layers and has both outputs.
#
# <details><summary>Hint</summary>
#
# In a batch of tokens, `[:, -1:]` are the questions, `[:, :-1:2]` the names and `[:, 1::2]` the values; slices of their vectors
# have the same shapes and one axis more. The query asks, the keys answer to it, and the values are what is handed over. One
# query has one row of weights: its axis has to go in the end. With 500 sequences one epoch is a few steps: take many epochs, or
# a learning rate of 0.01.
#
# </details>

# %% exercise="train_recall"

# %% check="train_recall" points=5
sizes = {"names": 16, "values": 18, "order": np.random.default_rng(3).permutation(50).tolist()}
x, y, _ = data.recall(samples=500, pairs=8, seed=1, **sizes)
new_x, new_y, asked = data.recall(samples=500, pairs=8, seed=2, **sizes)
recalling = train_recall(x, y, seed=0)
result = recalling(ops.array(new_x))
if isinstance(result, dict):
    result = result.get("logits"), result.get("weights")
assert isinstance(result, (tuple, list)) and len(result) == 2, "expected (logits, weights)."
logits, weights = map(ops.convert_to_numpy, result)
assert logits.shape == (500, 50), (
    f"the logits have shape {logits.shape}, expected (500, 50): one row for each sequence, 50 tokens. "
    "Has the one query kept its axis?")
assert not np.allclose(logits.sum(axis=-1), 1, atol=1e-3), (
    "the first output sums to 1 for each sequence: probabilities, where logits are asked for.")
assert weights.shape == (500, 8), (
    f"the weights have shape {weights.shape}, expected (500, 8): batch, pairs. Has the query, or the "
    "head, kept its axis? Are there keys for the names alone?")
totals = weights.sum(axis=-1)
worst = totals.flat[abs(totals - 1).argmax()]
assert abs(worst - 1) < 1e-3, (
    f"the weights of a row sum to {worst:.4g}, expected 1: are they the softmax of the head, over the pairs?")
score, share = np.mean(logits.argmax(axis=-1) == new_y), weights[np.arange(500), asked].mean()
assert score >= 0.9, (
    f"accuracy {score:.2f} on new sequences, expected at least 0.90; one of 8 values picked blindly would "
    "be 0.12. Is the query made from the question, the keys from the names, the values from the values? "
    "A Keras layer takes query, value, key. Is it trained for long enough, with a rate that is large enough?")
assert share >= 0.8, (
    f"{share:.2f} of a row's weight lies on the pair that is asked for, expected at least 0.8: is it the "
    "map of the head that fetches the value?")
one, two = (train_recall(x[:200], y[:200], seed=7)(ops.array(new_x[:5])) for _ in range(2))
one, two = (
    ops.convert_to_numpy(found["logits"] if isinstance(found, dict) else found[0]) for found in (one, two))
assert np.abs(one - two).mean() <= 0.05 * np.abs(one).mean(), (
    "the same data and seed give two different models: is the seed set before the layers are made?")
longer, _, _ = data.recall(samples=4, pairs=11, seed=3, **sizes)
try:
    result = recalling(ops.array(longer))
except Exception as error:
    raise AssertionError(
        f"11 pairs in place of 8, and the model raises {type(error).__name__}: is a length built in?") from error

# %% [markdown]
# Look at the maps of six sequences. In section 9 there was one map for all; **predict** what you see here.

# %%
rows = [f"{tokens[-1]} asks for {tokens[2 * pair]}" for tokens, pair in zip(new_x[:6], asked)]
plots.heatmap(weights[:6], rows=rows, title="one row per sequence", xlabel="pair", ylabel="question and name")

# %% [markdown]
# Every sequence has a map of its own. Is it content that your head goes by, or has it learned something about eight pairs? Ask
# it about other numbers of pairs, which it has not seen. Beside it stands the best that can be done without looking at names:
# to pick any of the values. **Predict** both curves.

# %%
numbers = np.array([2, 4, 6, 8, 12, 16])
right = {"your head": [], "any of the values": 1 / numbers}
for number in numbers:
    tried, answers, _ = data.recall(samples=500, pairs=int(number), seed=4, **sizes)
    result = recalling(ops.array(tried))
    logits = result["logits"] if isinstance(result, dict) else result[0]
    right["your head"].append(np.mean(ops.convert_to_numpy(logits).argmax(axis=-1) == answers))
plots.curves(right, xlabel="pairs", ylabel="right answers", xs=numbers)

# %% claims=true
assert min(right["your head"]) > 0.95, right

# %% [markdown]
# It stays right with twice as many pairs as it was trained with, where picking any of the values is right in one of 16 cases.
# So it has learned which question goes with which name, and to fetch what stands beside.
#
# *Try it:* does it still work if one `Dense` layer makes both queries and keys, or none at all? Why, or why not? (Questions and
# names are different tokens, each with a vector of its own to learn.) And what if they were the *same* tokens?
#
# ## 11. Extra: two layers that share the work
#
# Your head was told which tokens are names and which are values. A Transformer is not: it gets one row of tokens. Here are
# six pairs and then six questions, this time the names themselves, in sequences of 18 tokens under a causal mask; at each
# question the model has to say the value. A question can find its own name by content, but there it fetches the vector of the
# *name*. The value stands one place further on, and the key of the value, made from the value, knows nothing of the name. A
# single layer would need to be far larger than two for this (Sanford, Hsu and Telgarsky, 2024, arXiv:2408.14332).
#
# The model has two layers with your `scaled_dot_product_attention` and `causal_mask`; what each gives is added to its input (a
# residual connection), as in a Transformer. Beside it, a single layer with two heads, your `MultiHeadAttention`: as many heads,
# side by side. **Predict:** which of the two can do it?

# %%
def questions(samples, seed):
    """Tokens `(samples, 18)` and the values that are asked for, `(samples, 6)`."""
    generator = np.random.default_rng(seed)
    names, values = (generator.permuted(np.tile(np.arange(12), (samples, 1)), axis=1)[:, :6] for _ in range(2))
    pairs = np.stack([names, 12 + values], axis=2).reshape(samples, 12)
    asked = generator.integers(6, size=(samples, 6))
    asking, answers = (np.take_along_axis(tokens, asked, axis=1) for tokens in (names, values))
    return np.concatenate([pairs, asking], axis=1), answers

def embedded():
    tokens = keras.Input((18,), dtype="int32")
    near = keras.initializers.RandomNormal(stddev=0.3)
    places = ops.zeros_like(tokens) + ops.arange(18, dtype="int32")
    return tokens, layers.Embedding(24, 32, near)(tokens) + layers.Embedding(18, 32, near)(places)

def two_layers():
    tokens, x = embedded()
    maps = []
    for layer in ("first", "second"):
        query, key, value = (layers.Dense(32)(x) for _ in range(3))
        mixed, weights = scaled_dot_product_attention(query, key, value, causal_mask(18))
        x = x + layers.Dense(32)(mixed)
        maps.append(weights)
    return keras.Model(tokens, [layers.Dense(12)(x[:, 12:]), *maps])

def two_heads():
    tokens, x = embedded()
    x = x + MultiHeadAttention(2, 32)(x, x, mask=causal_mask(18)[None])
    return keras.Model(tokens, [layers.Dense(12)(x[:, 12:])])

x, y = questions(4000, seed=1)
new_x, new_y = questions(500, seed=2)
accuracies, models = {}, {}
for name, make in {"two layers": two_layers, "two heads": two_heads}.items():
    training.set_seed(0)
    model = models[name] = make()
    trained = keras.Model(model.input, model.output[0] if name == "two layers" else model.output)
    trained.compile(keras.optimizers.Adam(0.005), objective)
    trained.fit(x, y, batch_size=32, epochs=5, verbose=0)
    accuracies[name] = np.mean(ops.convert_to_numpy(trained(ops.array(new_x))).argmax(axis=-1) == new_y)
    print(f"{name}: {accuracies[name]:.3f} of the answers right, with {trained.count_params():,} parameters")

# %% claims=true
assert accuracies["two layers"] > 0.9 and accuracies["two heads"] < 0.3, accuracies

# %% [markdown]
# Picking any of the six values gives .167. Look at what the two layers do, in the maps of one sequence: the questions are the
# last six rows, and only these have answers to give. **Predict:** which tokens do the *values* look at in the first layer, so
# that a question can find them in the second?

# %%
_, first, second = models["two layers"](ops.array(new_x[:1]))
tokens = [chr(ord("A") + token) if token < 12 else str(token - 12) for token in new_x[0]]
tokens[12:] = [f"{token}?" for token in tokens[12:]]  # names are letters, and values numbers
plots.heatmaps({"first layer": first[0], "second layer": second[0]}, rows=tokens, columns=tokens)

# %% claims=true
lower, upper = (ops.convert_to_numpy(layer_map) for layer_map in models["two layers"](ops.array(new_x[:200]))[1:])
before = lower[:, np.arange(1, 12, 2), np.arange(0, 12, 2)].mean()
behind = np.argmax(new_x[:200, None, 0:12:2] == new_x[:200, 12:, None], axis=2)
on_value = np.take_along_axis(upper[:, 12:], (2 * behind + 1)[:, :, None], axis=2).mean()
assert before > 0.7 and on_value > 0.7, (before, on_value)

# %% [markdown]
# In the first layer the values look at the names before them, so that their vectors hold both. In the second layer a question
# looks at the value whose vector holds its name. A head like the second is called an *induction head* (Olsson et al., 2022,
# *In-context learning and induction heads*).
#
# ## What to remember
#
# - A dot product measures direction *and* length; a cosine measures direction.
# - Attention is a weighted mean of values. The weights are a softmax over the *keys*: rows sum to 1, columns need not.
# - Where the entries of queries and keys have variance 1, scores grow with $\sqrt{d_k}$ and softmax saturates: divide them by
#   it.
# - Apply a mask before the softmax: a forbidden score becomes minus infinity. `True` means "may attend".
# - `key_dim` is the size of one head. Keras's order is query, value, key.
# - Without positions and without a causal mask, attention does not know the order of the words.
# - Weights cost $n^2$; with a key–value cache, a new word costs $n$.
# - Where to look can come from positions, from content, or from both.
#
# ## Three open questions
#
# 1. Suppose that in a head's table of 6 × 6 weights the entropy of every row is within .06 nats of $\ln 6$. What could a head
#    like this be good for?
# 2. The weights are a matrix of length × length. What happens to time and memory when 1,000 tokens become 100,000, and what
#    would you give up to avoid it?
# 3. In a model like that of section 9, where a token can reach an output only through the map, the map shows which token was
#    used. With six layers and a residual connection around each, would you still trust a map? How could you test it?
