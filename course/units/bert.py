# %% [markdown] title="Mini-BERT" order=5 minutes=90 builds="embeddings, masking, sentence pairs, the encoder block, BERT's parameters, pre-training on a grammar whose optimum is known, fine-tuning on 40 labels, answers in a text, real checkpoints"
# # Mini-BERT
#
# **{points} points · about {minutes} minutes**
#
# “Hurray, the proud ▢ waited near the bank.” You have never seen this sentence, and yet you have an idea of what is hidden, and
# another one of what surely is not. To guess well, you need grammar, and some knowledge of the world. So whoever learns to
# guess hidden words learns both, from nothing but text, and without a single label. This is how BERT was trained, and in this
# unit you do the same in small: embeddings, masking, sentence pairs, the encoder; then you pre-train it, look at what it has
# learned, and use it for a task that has almost no labels.
#
# **Before you start** you need the units *From one neuron to back-propagation* and *Attention*, or their ideas: cross-entropy,
# multi-head attention, padding masks.
#
# **How it works.** Each exercise has a cell to fill in: read its docstring, replace `raise NotImplementedError()`, run it,
# then run the check below it. If the check prints nothing, the numbers that it tries are right. Grading tries others, in more
# cases, and an answer that is right in some of them earns part of the points.
#
# Your answers can use what the set-up cell imports, but nothing that is defined in the cells headed “look at it”. No exercise
# needs an earlier one; you may call an earlier answer of yours, as long as that one is right. Answers must not look into the
# grammar (`data.Grammar`), or load the encoder anew: that would be looking up the solution.
#
# ## Set-up

# %% setup=true
from course import data, plots, pretrained, training  # first, to keep the log quiet
from course.probe import probe

import numpy as np
import keras
from keras import layers, ops

training.set_seed(0)
training.report()

# %% [markdown]
# ## 1. A language whose rules are known
#
# The text of this unit is synthetic: sentences of a small grammar. Each is about one of four topics, about one or many, in the
# past or the present, in a good or a bad mood; given these, each word is drawn by itself. That has an advantage over real text:
# how well *anyone* can guess a hidden word can be computed exactly. You will see how near your model comes, and a model that is
# better than possible has cheated. (For real text, there is `data.sentences("shakespeare")`, which needs a network.)

# %%
grammar = data.Grammar()
sentences, words = data.sentences("grammar", samples=6000)
print(f"{len(words)} different tokens. The first sentences:")
for row in sentences[:4]:
    print("  ", grammar.tell(row))

# %% [markdown]
# Four ids are no words: `[PAD]` (0) fills up short rows, `[CLS]` (1) begins each row, `[SEP]` (2) ends a sentence, and `[MASK]`
# (3) hides a token. *Which word do you expect in the place of `[MASK]` below, and which words does the grammar allow there?*

# %%
riddle = np.array([sentences[0]])
riddle[0, 8] = data.MASK
best = grammar.best_prediction(riddle)[0, 8]
print(grammar.tell(riddle[0]))
likely = {words[k]: best[k] for k in np.argsort(-best)[:3]}
plots.bars(likely, ylabel="probability", title="The best guess")

# %% [markdown]
# ## 2. What goes in
#
# Attention sees a bag of tokens. What a token is, where it stands, and which of two sentences it belongs to, has to be said;
# and BERT says it in the simplest way: three tables, one row from each, **added up**, and the sum normalised.
#
# $$ x_i = \mathrm{norm}\big(T_{\mathrm{token}_i} + P_i + S_{\mathrm{segment}_i}\big) $$
#
# All three tables are learned, the positions too. (The Transformer of 2017 had sines and cosines there, and multiplied the
# tokens' rows by $\sqrt{d}$.)
#
# By hand, with two dimensions: token $(1, 2)$, position $(0, 1)$, segment $(1, 1)$ add up to $(2, 4)$. Its mean is 3, its
# standard deviation 1, so the normalised sum is $(-1, 1)$.

# %% [markdown]
# ### `BertEmbeddings`
#
# The layers are given. Write `call`. Rows may be shorter than `max_length`, and the segments may be left out.
#
# <details><summary>Hint</summary>Positions are <code>ops.arange</code> of the row's length; a table of positions gives
# <code>(length, dim)</code>, which is added to <code>(batch, length, dim)</code> without further ado.</details>
#
# *Checked* with tables that we set: values, rows without segments, short rows.

# %% exercise="BertEmbeddings" write=["call"]

# %% check="BertEmbeddings" points=4
layer = BertEmbeddings(vocab_size=3, max_length=2, dim=2)
layer(np.zeros((1, 2), "int32"))  # builds it
layer.token.set_weights([np.array([[1.0, 2.0], [5.0, 0.0], [0.0, 0.0]])])
layer.position.set_weights([np.array([[0.0, 1.0], [0.0, 0.0]])])
layer.segment.set_weights([np.array([[1.0, 1.0], [-9.0, 9.0]])])
x = ops.convert_to_numpy(layer(np.array([[0, 1]])))
assert x.shape == (1, 2, 2), f"one row of two tokens: expected the shape (1, 2, 2), received {x.shape}."
assert not np.allclose(x[0, 0], [2, 4]), "the first token is (2, 4): is the sum normalised?"
assert np.allclose(x[0], [[-1, 1], [1, -1]], atol=1e-3), f"expected (-1, 1) and (1, -1), received {x[0]}."
x = ops.convert_to_numpy(layer(np.array([[0, 1]]), np.array([[0, 1]])))
assert np.allclose(x[0], [[-1, 1], [-1, 1]], atol=1e-3), f"second token in segment 1: received {x[0]}."

# %% [markdown]
# ## 3. Hiding words
#
# **Masked language modelling**: choose 15 % of the words at random, hide them, and let the model guess. But `[MASK]` never
# occurs in a real text. If the model saw it in every place where it has to know something, it could be lazy everywhere else.
# So, of the chosen words,
#
# - 80 % become `[MASK]`,
# - 10 % become a random word,
# - 10 % stay as they are,
#
# and the model has to guess them all, without being told which they are. Now no word can be trusted, and it has to keep an idea
# of each. Most summaries leave this out. *How many of all words are changed in the end?* (Of 15 %, 90 %: 13.5 %, and a few
# less, since a random word may be the right one.)

# %% [markdown]
# ### `mask_tokens`
#
# Write it for a NumPy array of ids. Padding, `[CLS]`, `[SEP]`, `[MASK]`, the ids 0 to 3, are never chosen. All randomness comes
# from `rng`. Do not write into `ids`.
#
# <details><summary>Hint</summary>Draw three arrays of the shape of <code>ids</code>: numbers that decide who is chosen, numbers
# that decide what becomes of each, and random words. Then put the pieces together with <code>np.where</code>.</details>
#
# *Checked* on many tokens, within six standard deviations: which are chosen, what is put there, that the others stay, that the
# argument does, and that `chosen` holds booleans.

# %% exercise="mask_tokens"

# %% check="mask_tokens" points=5
ids = np.random.default_rng(1).integers(0, 50, size=(2000, 20))
before = ids.copy()
inputs, chosen = mask_tokens(ids, np.random.default_rng(0), vocab_size=50)
assert (ids == before).all(), "`ids` was changed: work on a copy."
chosen = np.asarray(chosen).astype(bool)
assert not chosen[ids < 4].any(), "special tokens are chosen, too: ids 0 to 3 are nothing to guess."
share = chosen[ids >= 4].mean()
assert abs(share - 0.15) < 0.012, f"{share:.1%} of the words are chosen, expected 15 %."
assert (inputs[~chosen] == ids[~chosen]).all(), "tokens that were not chosen are changed."
hidden, same = (inputs[chosen] == 3).mean(), (inputs[chosen] == ids[chosen]).mean()
assert abs(hidden - 0.8) < 0.035, f"{hidden:.1%} of the chosen words became [MASK], expected 80 %."
assert abs(same - 0.1) < 0.03, f"{same:.1%} of the chosen words stayed, expected 10 %."

# %% [markdown]
# ### `mlm_loss`
#
# The loss is a cross-entropy, averaged over the **chosen** tokens and no others. The rest is easy: to copy what one sees.
# Whoever counts it, too, gets a wonderful loss and a bad model, and does not notice; this may be the most frequent mistake in
# home-made BERTs. By hand: three tokens with losses of 2.0, 0.1 and 1.0, of which the first and the third were chosen: $(2.0 +
# 1.0) / 2 = 1.5$, and not $3.1 / 3 = 1.03$.
#
# Write it for logits `(batch, length, vocab_size)`. If no token was chosen, the loss is 0.
#
# <details><summary>Hint</summary><code>ops.log_softmax</code> is safe for large logits. <code>ops.take_along_axis</code> picks
# the label's. Then a weighted sum, and a division that cannot be by zero.</details>
#
# *Checked:* few tokens chosen, all of them, none, and large logits.

# %% exercise="mlm_loss"

# %% check="mlm_loss" points=3
def logits_for(losses):
    """Logits of two words for which label 0 costs exactly these losses, in nats."""
    p = np.exp(-np.array([losses]))
    return ops.array(np.log(np.stack([p, 1 - p], axis=-1)), dtype="float32")

labels = np.zeros((1, 3), "int32")
loss = float(mlm_loss(logits_for([2.0, 0.1, 1.0]), ops.array(labels), ops.array([[True, False, True]])))
assert abs(loss - 3.1 / 3) > 1e-3, "1.03: averaged over all tokens, also those not chosen."
assert abs(loss - 1.5) < 1e-3, f"expected the mean of 2.0 and 1.0, received {loss:.4f}."
loss = float(mlm_loss(logits_for([2.0, 0.1, 1.0]), ops.array(labels), ops.array([[False] * 3])))
assert loss == 0, f"no token was chosen: expected 0, received {loss}."

# %% [markdown]
# ## 4. Which sentence comes next?
#
# BERT had a second task. It got two sentences, `[CLS] A [SEP] B [SEP]`, and said whether B follows A in the text or comes from
# somewhere else. Half of the pairs are true, half are random. Later models left it out, since it is too easy: mostly, the topic
# gives the answer away.
#
# How easy can be computed here. Take documents whose sentences share topic and tense. A random sentence agrees in both by
# chance with a probability of $\frac14 · \frac12 = \frac18$. So the best possible rule, “true if both agree”, is wrong for an
# eighth of the random half: it is right for $1 - \frac12 · \frac18 = 93.75\,\%$ of the pairs.

# %% [markdown]
# ### `nsp_pairs`
#
# Make such pairs from `documents`, `(documents, sentences, length)`. NumPy. Every sentence but the last of its document is the
# first of one pair, in the order of reading.
#
# <details><summary>Hint</summary>Two slices of <code>documents</code> give the first sentences and those that follow. How do
# you draw a document that is <i>another</i> one? Add a random number, at least 1, to the number of the own, and take the
# remainder.</details>
#
# *Checked:* the first sentences, true pairs, random pairs, half of each, and that `is_next` holds booleans.

# %% exercise="nsp_pairs"

# %% check="nsp_pairs" points=4
documents = np.arange(400 * 5).reshape(400, 5, 1)
first, second, is_next = nsp_pairs(documents, np.random.default_rng(0))
is_next = np.asarray(is_next).astype(bool)
assert first.shape == (1600, 1), f"400 documents of 5 sentences give 400 · 4 pairs, not {len(first)}."
assert (second[is_next] == first[is_next] + 1).all(), "a pair that is called true is not: does B follow A?"
same = (first // 5 == second // 5)[~is_next].mean()
assert same == 0, f"{same:.0%} of the random sentences come from the same document."
assert abs(is_next.mean() - 0.5) < 0.075, f"{is_next.mean():.0%} of the pairs are true, expected a half."

# %% [markdown]
# **Look at it.** The rule, on pairs of yours. *Will it be right for exactly 93.75 %?*

# %%
kinds = np.arange(32).reshape(4, 2, 2, 2).transpose(0, 2, 1, 3).reshape(8, 4)  # topic and tense; number and mood
kinds = np.repeat(kinds, 50, axis=0)  # 50 documents of each
rng = np.random.default_rng(0)
texts = np.stack([grammar.of_kinds(rng.choice(row, 6), rng) for row in kinds])
first, second, is_next = nsp_pairs(texts, np.random.default_rng(0))

def topic_and_tense(rows):
    """The number of topic and tense of each sentence, from its words."""
    kind = grammar.kind_given(rows).argmax(axis=1)
    return 2 * (kind // 8) + kind // 2 % 2

rule = topic_and_tense(first) == topic_and_tense(second)
print(f"{len(rule)} pairs, the rule is right for {np.mean(rule == is_next):.2%}")

# %% [markdown]
# ## 5. The encoder
#
# A block of BERT has two parts. In the first, every token looks at all others: multi-head attention, with queries, keys and
# values from the same tokens, in both directions. In the second, each token is worked on by itself, by two dense layers with
# GELU between them. Both times, what came in goes round the part and is added, and the **sum is normalised**:
#
# $$ y = \mathrm{norm}_1\big(x + \mathrm{attention}(x, x)\big) \qquad z = \mathrm{norm}_2\big(y + \mathrm{dense}(\mathrm{gelu}(\mathrm{dense}(y)))\big) $$
#
# GPT-2 and most later models normalise before each part instead, which trains more steadily when there are many blocks (Xiong
# et al., 2020); the first GPT did as BERT does. The weights of one do not work in the other, though all shapes agree.

# %% [markdown]
# ### `EncoderBlock`
#
# The layers are given. Write `call`. `mask`, `(batch, length)`, is true for tokens and false for padding: no token may attend
# to padding. Keras's attention wants `attention_mask`, `(batch, query, key)`.
#
# <details><summary>Hint</summary>Two lines for the equations, one for the mask: it is the same for all queries, so it needs an
# axis of length 1 there.</details>
#
# *Checked* with weights that we set: values, padding, and a single head.

# %% exercise="EncoderBlock" write=["call"]

# %% check="EncoderBlock" points=5
training.set_seed(0)
block = EncoderBlock(dim=6, num_heads=2, ff_dim=5)
x = np.random.default_rng(0).normal(size=(1, 4, 6)).astype("float32")
z = ops.convert_to_numpy(block(x))
assert z.shape == (1, 4, 6), f"expected the shape (1, 4, 6), received {z.shape}."
assert np.allclose(z.mean(axis=-1), 0, atol=1e-3) and np.allclose(z.std(axis=-1), 1, atol=1e-3), (
    "with fresh weights, the result has mean 0 and standard deviation 1: is the last sum normalised?"
)
mask = np.array([[True, True, True, False]])
other = x.copy()
other[0, 3] = 9  # what stands in the padding
seen, padded = (ops.convert_to_numpy(block(rows, mask=mask))[0, :3] for rows in (x, other))
assert np.allclose(seen, padded, atol=1e-4), "padding makes a difference for the tokens."
for part in (block.attention.output_dense, block.output_dense):
    part.set_weights([np.zeros(w.shape) for w in part.get_weights()])
alone = ops.convert_to_numpy(block(z))
assert np.allclose(alone, z, atol=1e-3), "if both parts give zeros, the input should come out unchanged."

# %% [markdown]
# ## 6. Counting BERT
#
# How large is the real one? The base model has 12 blocks of 768 dimensions, 3,072 neurons in the hidden layers, a vocabulary of
# 30,522, 512 positions and 2 segments; the large one 24 blocks, 1,024 dimensions and 4,096 neurons. By hand, one block:
#
# | part | numbers |
# |---|---|
# | attention: query, key, value, output | $4 · (768 · 768 + 768) = 2{,}362{,}368$ |
# | two dense layers | $768 · 3072 + 3072 + 3072 · 768 + 768 = 4{,}722{,}432$ |
# | two normalisations | $2 · 2 · 768 = 3{,}072$ |
# | block | $7{,}087{,}872$ |
#
# The number of heads does not occur: they share the projections between them. At the end there is the **pooler**, a dense layer
# on the state of `[CLS]`.

# %% [markdown]
# ### `count_bert_params`
#
# Write the count.
#
# <details><summary>Hint</summary>The embeddings have three tables, and a normalisation of their own.</details>
#
# *Checked:* with and without the pooler, no blocks, other numbers of segments, and that the count is an integer.

# %% exercise="count_bert_params"

# %% check="count_bert_params" points=3
base = count_bert_params(30522, 512, dim=768, ff_dim=3072, num_layers=12)
assert base != 109_378_560, "109378560 is the wrong table: where are the biases?"
assert base == 109_482_240, f"BERT base has 109482240 parameters, not {base}."
large = count_bert_params(30522, 512, dim=1024, ff_dim=4096, num_layers=24)
assert large == 335_141_888, f"BERT large has 335141888 (the paper says 340M), not {large}."

# %% [markdown]
# **Look at it.** Where are they? *Predict: is more than half in the attention?*

# %%
parts = {
    "embeddings": count_bert_params(30522, 512, 768, 3072, 0, pooler=False),
    "attention": 12 * 4 * (768 * 768 + 768),
    "dense layers": 12 * (2 * 768 * 3072 + 3072 + 768),
    "rest": 12 * 4 * 768 + 768 * 769,
}
millions = {name: number / 1e6 for name, number in parts.items()}
plots.bars(millions, ylabel="millions", title="Parameters of BERT base")

# %% [markdown]
# ## 7. Your own
#
# ### `build_mini_bert`
#
# Build a small model for masked words: token and position embeddings, added up and normalised (no segments this time), some
# blocks as above, a dense layer with one logit per word. Use Keras's `Embedding`, `LayerNormalization(epsilon=1e-12)`,
# `MultiHeadAttention(num_heads, dim // num_heads)` and `Dense`. Do not compile the model.
#
# <details><summary>Hint</summary>In a functional model, the positions have to come from the input:
# <code>ops.zeros_like(ids) + ops.arange(length)</code>, with <code>dtype="int32"</code>. The rest is a loop.</details>
#
# *Checked:* the logits, where weights of one shape are all set to the same values; the number of parameters; that the weights
# start at random; and that the model is not compiled.

# %% exercise="build_mini_bert"

# %% check="build_mini_bert" points=4
model = build_mini_bert(92, length=10, dim=64, num_heads=4, ff_dim=256, num_layers=2)
z = ops.convert_to_numpy(model(np.array([[1, 7, 3, 9, 5, 4, 8, 6, 2, 0]])))
assert z.shape == (1, 10, 92), f"expected the shape (1, 10, 92), received {z.shape}."
n = model.count_params()
assert n == 112_604, (
    f"expected 112604 parameters, received {n}. 640 are missing: the positions. 128: a normalisation. "
    "If there are far too many: `key_dim` is the size of one head, dim // num_heads."
)
changed = ops.convert_to_numpy(model(np.array([[1, 7, 3, 9, 5, 4, 8, 6, 2, 50]])))
assert not np.allclose(z[0, 0], changed[0, 0]), "the first token does not see the last one."
small = build_mini_bert(6, length=5, dim=6, num_heads=2, ff_dim=9, num_layers=2)
small(np.arange(5)[None])  # builds it
for weight in small.weights:  # for words the identity, other tables and kernels 0, all biases and scales 1
    shape = tuple(weight.shape)
    weight.assign(np.eye(6) if shape == (6, 6) else np.full(shape, float(len(shape) == 1)))
z = ops.convert_to_numpy(small(np.arange(5)[None]))[0, 0]
assert np.allclose(z, [2 + 5**0.5, *[2 - 5**-0.5] * 5], atol=1e-3), (
    f"word 0 is (1, 0, 0, 0, 0, 0), or (2.236, -0.447, ...) when normalised. If each part gives 1 everywhere, its logits "
    f"are 4.236 and five times 1.553: the same, 1 of the last normalisation and 1 of the words' biases. Received {z}: "
    "what goes round each part, where does each normalisation stand, and does anything follow the last layer?"
)

# %% [markdown]
# ## 8. Pre-training
#
# Now everything together. A model that only knows how frequent each word is in each place has a loss of about 2.0 nats on
# hidden words of this grammar; the best possible one has about 1.5. A twentieth of a nat above that is a good result for a
# mini-BERT after some seconds.
#
# ### `train_mini_bert`
#
# Write a function that takes `sentences` `(samples, length)`, the number of ids and a `seed`, and returns a **trained** model
# from ids, some of them `[MASK]`, to logits. Choose new tokens in every epoch. Everything in Keras is allowed, and so are your
# `build_mini_bert`, `mask_tokens` and `mlm_loss`.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>2 blocks of 32 dimensions with 4 heads, 10 epochs, batches of 128, Adam. The rate decides: it
# should rise to about 0.006 over the first tenth of the steps and fall to 0
# (<code>keras.optimizers.schedules.CosineDecay</code> with <code>warmup_target</code>; its <code>decay_steps</code> count from
# the end of the rise). Lay the epochs one after the other (<code>np.tile</code>), mask once, and call <code>fit</code> with
# <code>sample_weight=chosen</code>. Keras then divides by all tokens, so the loss that it shows is about 0.15 times the loss on
# hidden words.</details>
#
# *Checked:* the cross-entropy on hidden words of new sentences, at least 0.85 of the way from the words' frequencies to the
# best possible, and not beyond it; that both sides and the places matter; that the outputs are logits; and that the same seed
# gives the same model. Grading renumbers the words for every submission. {limits}

# %% exercise="train_mini_bert"

# %% check="train_mini_bert" points=5
trained = train_mini_bert(sentences, len(words), seed=0)
fresh, _ = grammar.sample(1000, np.random.default_rng(7))
hidden = (np.random.default_rng(8).random(fresh.shape) < 0.15) & (fresh >= 4)
guesses = ops.convert_to_numpy(ops.log_softmax(trained(np.where(hidden, data.MASK, fresh))))
assert guesses.shape == (1000, 11, len(words)), f"received the shape {guesses.shape}."

def loss_of(logs):
    """Cross-entropy of the hidden words, in nats."""
    return -np.take_along_axis(logs, fresh[..., None], axis=-1)[..., 0][hidden].mean()

with np.errstate(divide="ignore"):
    possible = loss_of(np.log(grammar.best_prediction(np.where(hidden, data.MASK, fresh))))
    frequencies = loss_of(np.log(np.broadcast_to(grammar.tables.mean(axis=0), guesses.shape)))
yours = loss_of(guesses)
gain = (frequencies - yours) / (frequencies - possible)
assert gain < 1.05, f"{yours:.3f} nats, but {possible:.3f} is the best possible: words leak."
assert gain > 0.85, (
    f"{yours:.3f} nats; the frequencies have {frequencies:.3f}, and {possible:.3f} is possible. "
    "Does the loss count the chosen tokens only? Are the labels unmasked? Is it trained long enough?"
)

# %% [markdown]
# **Look at it.** The riddle of section 1 once more. *How near will the model's probabilities come to the best possible ones?*

# %%
z = ops.convert_to_numpy(ops.softmax(trained(riddle)))[0, 8]
for k in np.argsort(-best)[:3]:
    print(f"{words[k]:10} best {best[k]:.3f}   yours {z[k]:.3f}")
losses = {"frequencies": frequencies, "yours": yours, "possible": possible}
plots.bars(losses, ylabel="nats", title="Loss on hidden words")

# %% [markdown]
# ## 9. One word, two meanings
#
# “Bank” is a place by the river, and a place for money. A table of word vectors, such as word2vec's, has one row for it,
# whatever the sentence. The states of an encoder are different: each has looked at the whole sentence. The picture shows the
# state of “bank” in many sentences, projected on the plane in which they lie furthest apart. *Predict: how many clouds?*
#
# The encoder here is `pretrained.load_encoder()`, which comes with the course: built like yours, and trained on ten times as
# many sentences.

# %%
encoder = pretrained.load_encoder()
many, kinds = grammar.sample(4000, np.random.default_rng(3))
place, bank = 8, words.index("bank")
about = np.array([kind[0] for kind in grammar.kinds])[kinds]
with_bank = many[:, place] == bank

def states_of(rows):
    """The state of the eighth word of each row."""
    return ops.convert_to_numpy(encoder(rows))[:, place]

states = states_of(many[with_bank])
centred = states - states.mean(axis=0)
plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
groups = {topic: plane[about[with_bank] == topic] for topic in ("river", "money")}
plots.points(groups, title="The state of “bank”")

# %%
def distance(a, b):
    """Mean distance between the rows of two groups."""
    return np.linalg.norm(a[:, None] - b[None, :], axis=-1).mean()

river, money = (states[about[with_bank] == topic] for topic in ("river", "money"))
within, across = (distance(river, river) + distance(money, money)) / 2, distance(river, money)
print(f"mean distance of two states: {within:.2f} within a topic, {across:.2f} across topics")
assert across > 1.5 * within, "the two meanings should lie apart."

# %% [markdown]
# In a table of words, both distances would be 0. Nobody has told the encoder that there are topics. It found them, because they
# help to guess.
#
# ## 10. Almost no labels
#
# Is a sentence in a good or in a bad mood? Sixty words show it, three in each sentence, and each of them misleads in one case
# of ten. Now suppose that somebody has labelled **40** sentences, and that these name only thirty of the sixty words. What
# about sentences with the other thirty? Whoever starts from scratch has to guess. The encoder does not know what a mood is,
# either; but it knows which words keep company.

# %%
named, others = grammar.halves(np.random.default_rng(4))  # each with half of the words for moods
labelled, label_kinds = named.sample(40, np.random.default_rng(5))
new, new_kinds = others.sample(3000, np.random.default_rng(6))
moods, new_moods = grammar.moods(label_kinds), grammar.moods(new_kinds)
for row, mood in zip(labelled[:2], moods):
    print(("good" if mood else "bad ") + "  ", grammar.tell(row))
print("?     ", grammar.tell(new[0]))

# %% [markdown]
# ### `train_fine_tuned`
#
# Write a function that takes a pre-trained `encoder` (a `keras.Model` from ids to one vector per token), few sentences `x`,
# their classes `y` and a `seed`, and returns a **trained** model from ids to logits. Everything in Keras is allowed.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>Average the vectors of a sentence (<code>GlobalAveragePooling1D</code>), then one dense layer.
# Train all of it, with a rate of 0.001 or less: large steps throw away what the encoder knows. (The real BERT is fine-tuned
# with rates of 2e-5 to 5e-5: Devlin et al., 2018, appendix A.3.)</details>
#
# *Checked:* an accuracy of at least 0.75 on such sentences, from 40 labels; that the output is logits; and other numbers of
# classes. Grading renumbers words and classes for every submission.
# {limits}

# %% exercise="train_fine_tuned"

# %% check="train_fine_tuned" points=4
tuned = train_fine_tuned(pretrained.load_encoder(), labelled, moods, seed=0)
z = ops.convert_to_numpy(tuned(new[:50]))
assert z.shape == (50, 2), f"50 sentences and two classes: expected (50, 2), received {z.shape}."
assert not np.allclose(z.sum(axis=1), 1, atol=1e-3), "every row sums to 1: is there a softmax?"
assert z.min() < 0, "no output is negative: does the output layer have an activation, too?"

def score(model):
    """Accuracy on sentences whose words no label has named."""
    return np.mean(ops.convert_to_numpy(model(new)).argmax(axis=-1) == new_moods)

assert score(tuned) >= 0.75, (
    f"accuracy {score(tuned):.2f}, expected at least 0.75; from scratch it is about 0.5. "
    "Are the encoder's weights in use, and is the rate small enough to keep them?"
)

# %% [markdown]
# **Look at it.** The same labels for an encoder that starts from scratch, and for one that is frozen, so that only the last
# layer learns. The best possible accuracy is computed from the grammar. *Predict the order.*

# %%
def fit_on_few(encoder, rate, epochs):
    """Train a dense layer on an encoder's average vector, and the encoder if it is trainable."""
    head = layers.Dense(2)(layers.GlobalAveragePooling1D()(encoder.output))
    model = keras.Model(encoder.input, head)
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), objective)
    model.fit(labelled, moods, batch_size=8, epochs=epochs, verbose=0)
    return model

training.set_seed(0)
frozen = pretrained.load_encoder()
frozen.trainable = False
scratch = keras.models.clone_model(frozen)  # the same layers, new weights
scratch.trainable = True
good = others.kind_given(new) @ grammar.moods(np.arange(32))
plots.bars(
    {
        "scratch": score(fit_on_few(scratch, 0.003, 40)),
        "frozen": score(fit_on_few(frozen, 0.02, 60)),
        "tuned": score(tuned),
        "possible": np.mean((good > 0.5) == new_moods),
    },
    ylabel="accuracy", title="40 labels", reference=0.5, reference_label="guessing",
)

# %% [markdown]
# Pre-training is not magic: with more labels, the three come closer and closer. It pays where labels are rare and text is not.
#
# ## 11. Answers in a text
#
# To answer questions, BERT reads `[CLS] question [SEP] text [SEP]`, and a dense layer gives two logits for each token: how well
# it would do as the **first** token of the answer, and as the **last**. The score of a span is the sum of the two. By hand, for
# three tokens with start logits (0, 1, 5) and end logits (4, 2, 0): the best start is token 2 and the best end is token 0, but
# that is no span. Of those that are, (2, 2) has the largest sum, 5, before (0, 0) with 4.

# %% [markdown]
# ### `best_span`
#
# Write the search: of all spans with `start <= end` and at most `max_length` tokens, the one with the largest sum. NumPy or a
# loop.
#
# <details><summary>Hint</summary>A table of all sums, start down and end across. Which entries are not allowed?</details>
#
# *Checked:* a best end before the best start, ends that are too far apart, spans exactly as long as allowed, negative logits,
# and that the start is an integer.

# %% exercise="best_span"

# %% check="best_span" points=3
span = best_span(np.array([0.0, 1.0, 5.0]), np.array([4.0, 2.0, 0.0]), max_length=2)
span = tuple(int(k) for k in span)
assert span != (2, 0), "(2, 0) ends before it begins: start and end belong together."
assert span == (2, 2), f"expected (2, 2) as above, received {span}."
span = best_span(np.array([5.0, 0.0, 2.0]), np.array([0.0, 1.0, 5.0]), max_length=2)
span = tuple(int(k) for k in span)
assert span != (0, 2), "(0, 2) has three tokens, and two are allowed."
assert span == (2, 2), f"with two tokens at most, (2, 2) with a sum of 7 is the best, received {span}."

# %% [markdown]
# ## 12. The real thing (optional, without points)
#
# Your `BertEmbeddings` and `EncoderBlock` are all it takes to run a real BERT. If you have the folder of one (`config.json`,
# `vocab.txt` and `model.safetensors`, as Hugging Face keeps them), and `pip install tokenizers safetensors`, set its path here.
# all-MiniLM-L6-v2, with 6 blocks of 384 dimensions, is small and good at sentences.

# %%
folder = None  # such as "all-MiniLM-L6-v2"

if folder:
    bert, tokenizer = pretrained.load_bert(folder, BertEmbeddings, EncoderBlock)
    pair = ["She went to the bank for money.", "The river bank was green.", "He paid in some cash."]
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch(pair)
    real = bert({
        "ids": np.array([row.ids for row in rows]),
        "segment_ids": np.array([row.type_ids for row in rows]),
        "mask": np.array([row.attention_mask for row in rows]),
    })[-1]
    weights = np.array([row.attention_mask for row in rows])[:, :, None]
    means = (ops.convert_to_numpy(real) * weights).sum(axis=1) / weights.sum(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    plots.heatmap(means @ means.T, title="similarity", xlabel="sentence", ylabel="sentence", zlabel="cosine")

# %% [markdown]
# ## What to remember
#
# - Guessing hidden words needs no labels, and teaches grammar and the world.
# - Token, position and segment are added up, and normalised.
# - 15 % are chosen: 80 % of them hidden, 10 % replaced, 10 % left. The loss counts the chosen tokens and no others.
# - In BERT, tokens look both ways, and each sum is normalised. A block has two normalisations, $4(d^2 + d)$ parameters in its
#   attention however many heads, and twice as many in its dense layers.
# - Where the best possible loss is known, compare with it. Better than possible means a leak.
# - A state depends on the sentence, a row of a table does not.
# - Pre-training pays where labels are rare. Small steps, or what was learned is lost.
#
# ## Open questions
#
# 1. BERT cannot write a text as GPT does. Why not, and what would have to change?
# 2. Only 15 % of the tokens give a gradient. Why not hide half of them?
# 3. The encoder was trained on text from the very grammar of the task. What would you expect if it had read something else?
