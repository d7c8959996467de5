# %% [markdown] title="Mini-BERT" order=5 minutes=110 builds="embeddings, masking, sentence pairs, the encoder block, BERT's parameters, pre-training on words and pairs whose optima are known, fine-tuning on 40 labels, answers and names in a text, real checkpoints"
# # Mini-BERT
#
# **{points} points · about {minutes} minutes, and 15 for the part headed *Extra***
#
# “The otters that my heron saw ▢.” You have never seen this sentence, and yet you know that “swim” can be hidden there and
# “swims” cannot. Nobody needs to label a text for that: hide a word, and the text itself knows the answer. BERT was trained to
# guess hidden words, and whether one sentence follows another. In this unit you do the same in small: embeddings, masking,
# sentence pairs, the encoder. Then you train it, measure what it has learned and what not, and use it for three tasks.
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
# grammars (`data.Stories`, `data.Grammar`), or load the encoder anew: that would be looking up the solution.
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
# The text of this unit is synthetic: little stories made by a grammar. All sentences of a story are about one of four topics.
# The subject is one or many, and the verb **agrees** with it. Between the two may stand a clause that has a noun of its own, of
# whatever number. That the grammar is known has an advantage over real text: how well *anyone* can guess a hidden word can be
# computed exactly. You will see how near your model comes, and a model that is better than possible has cheated.

# %%
stories = data.Stories()
words, documents = stories.words, stories.write(2000, 4, np.random.default_rng(0))
print(f"{len(words)} different tokens. Three of 2000 stories, of 4 sentences each:")
for document in documents[:3]:
    print("  ", " . ".join(stories.tell(sentence) for sentence in document))

# %% [markdown]
# Four ids are no words: `[PAD]` (0) fills up short rows, `[CLS]` (1) begins each row, `[SEP]` (2) ends a sentence, and `[MASK]`
# (3) hides a token. Below, the same words stand in two orders. *Which verbs do you expect in the place of `[MASK]`? And what
# can somebody guess who gets the words in a bag, without their order?*

# %%
riddles = np.concatenate([
    stories.ids("the otters that my heron saw [MASK] . the otter dives ."),
    stories.ids("the heron that my otters saw [MASK] . the otter dives ."),
])
hidden_verb, verbs = 7, ["swim", "dive", "swims", "dives"]
best, _ = stories.best_prediction(riddles)
known = best[:, hidden_verb, [words.index(verb) for verb in verbs]]
plots.heatmap(known, ["the otters …", "the heron …"], verbs, "Best guess", "verb", "sentence", "probability")

# %% claims=true
assert np.allclose(known, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]), known
assert sorted(riddles[0]) == sorted(riddles[1]), "the same bag of words"

# %% [markdown]
# The order tells everything: with it, the number is certain. The bag would hold one noun for one and one for many, and which of
# them stands in the clause is a coin toss in this grammar; so would be the number of the verb. What the bag does tell is the
# topic. Keep both in mind: a model can be good at topics and know nothing of grammar.
#
# ## 2. What goes in
#
# Attention without positions does not see the order of its keys. What a token is, where it stands, and to which of two
# sentences it belongs, has to be said; and BERT says it with three tables, one row from each, **added up**, and the sum
# normalised.
#
# $$ x_i = \mathrm{norm}\big(T_{\mathrm{token}_i} + P_i + S_{\mathrm{segment}_i}\big) $$
#
# All three tables are learned, the positions too. (The Transformer of 2017 had sines and cosines there, and multiplied the
# tokens' rows by $\sqrt{d}$.) *Which of the three would change if the two sentences of a pair were exchanged?*

# %%
plots.diagram(
    {
        "token\n[CLS] the chef … [SEP] now …": (0, 0), "position\n0 1 2 3 …": (0, 1), "segment\n0 0 0 … 1 1 …": (0, 2),
        "row of $T$": (1.3, 0), "row of $P$": (1.3, 1), "row of $S$": (1.3, 2),
        "+": (2.2, 1), "norm": (2.9, 1), "encoder": (3.7, 1),
    },
    {
        ("token\n[CLS] the chef … [SEP] now …", "row of $T$"): "", ("position\n0 1 2 3 …", "row of $P$"): "",
        ("segment\n0 0 0 … 1 1 …", "row of $S$"): "", ("row of $T$", "+"): "", ("row of $P$", "+"): "",
        ("row of $S$", "+"): "", ("+", "norm"): "", ("norm", "encoder"): "",
    },
    title="BERT's input",
)

# %% [markdown]
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
# occurs in the texts that the model is for. To make training and use more alike, BERT does not always hide what it chooses:
#
# - 80 % of the chosen words become `[MASK]`,
# - 10 % become a random word,
# - 10 % stay as they are,
#
# and the model has to guess them all, without being told which they are. (Devlin et al., 2018, appendix C.2, compare other
# shares: fine-tuned, all are nearly alike. What they change here, section 9 measures.) *How many of all words are changed in
# the end?* (Of 15 %, 90 %: 13.5 %, and a few less, since a random word may be the right one.)

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
# The loss is a cross-entropy, averaged over the **chosen** tokens and no others. The rest can be copied from the input, most of
# the time. Whoever counts it, too, sees a small loss that says little about the guesses. By hand: three tokens with losses of
# 2.0, 0.1 and 1.0, of which the first and the third were chosen: $(2.0 + 1.0) / 2 = 1.5$, and not $3.1 / 3 = 1.03$. And whoever
# adds up 2.0 and 1.0 but divides by all three tokens, gets a number that depends on how many were chosen.
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
# BERT had a second task. It got two sentences, and said whether B follows A in the text or comes from somewhere else. Half of
# the pairs are true, half are random. As BERT reads it, a pair is one row: each sentence is closed by a `[SEP]`, the tokens up
# to and with the first one are segment 0, those behind it segment 1, and `[CLS]` stands in front. By hand, for sentences of at
# most three tokens, 7 8 and 9:
#
# | | | | | | | | | | |
# |---|---|---|---|---|---|---|---|---|---|
# | tokens | `[CLS]` | 7 | 8 | `[SEP]` | 9 | `[SEP]` | `[PAD]` | `[PAD]` | `[PAD]` |
# | ids | 1 | 7 | 8 | 2 | 9 | 2 | 0 | 0 | 0 |
# | segments | 0 | 0 | 0 | 0 | 1 | 1 | 0 | 0 | 0 |
#
# How easy is the task? That can be computed here. Sentences of a story share the topic and nothing else. A random sentence has
# the same topic by chance with a probability of $\frac14$. So the best possible rule, “true if the topics agree”, is wrong for
# a quarter of the random half: it is right for $1 - \frac12 · \frac14 = 87.5\,\%$ of the pairs. (Liu et al., 2019, found that
# BERT can do without this task; Lan et al., 2020, blame that topics alone tell so much, and ask for the order of two sentences
# instead.)

# %% [markdown]
# ### `pair_sentences`
#
# Make such pairs from `documents`, `(documents, sentences, length)`, where each sentence is filled up with 0. NumPy. Every
# sentence but the last of its document is A in one pair, in the order of reading.
#
# <details><summary>Hint</summary>A loop over the documents and their sentences. <code>first[first > 0]</code> is a sentence
# without its padding. How do you draw a document that is <i>another</i> one? Add a random number, at least 1, to the number of
# the own, and take the remainder.</details>
#
# *Checked:* the rows, the segments, the order of the first sentences, true pairs, random pairs, half of each without a rule
# that tells which, and that `is_next` holds booleans.

# %% exercise="pair_sentences"

# %% check="pair_sentences" points=5
def sentence(number):
    """Between 1 and 3 tokens that occur nowhere else."""
    return [10 * number + k if k <= number % 3 else 0 for k in range(3)]

texts = np.array([[sentence(1 + 5 * d + s) for s in range(5)] for d in range(400)])
ids, segment_ids, is_next = (np.asarray(part) for part in pair_sentences(texts, np.random.default_rng(0)))
assert ids.shape == segment_ids.shape == (1600, 9), (
    f"400 documents of 5 sentences give 400 · 4 pairs of at most 9 tokens: expected (1600, 9), received {ids.shape}."
)
assert (ids[:, 0] == 1).all(), "each row begins with [CLS], which is 1."
assert (np.sum(ids == 2, axis=1) == 2).all(), "each row has two [SEP]: one behind each sentence."
used = (ids > 0).sum(axis=1)
assert (ids[np.arange(1600), used - 1] == 2).all(), "the second [SEP] is the last token, and all padding stands behind it."
behind = (np.cumsum(ids == 2, axis=1) - (ids == 2) == 1) & (ids > 0)
assert not segment_ids[ids == 0].any(), "padding is in segment 0."
assert (segment_ids == behind).all(), f"segment 1 begins behind the first [SEP]: {ids[0]} has {segment_ids[0]}."
first, second = ids[:, 1] // 10, (ids * segment_ids).max(axis=1) // 10  # the numbers of the sentences
assert first[:5].tolist() == [1, 2, 3, 4, 6], f"A is sentence 1, 2, 3, 4, 6, …: not {first[:5]}."
is_next = is_next.astype(bool)
assert (second[is_next] == first[is_next] + 1).all(), "a pair that is called true is not: does B follow A?"
same = ((first - 1) // 5 == (second - 1) // 5)[~is_next].mean()
assert same == 0, f"{same:.0%} of the random sentences come from the same document."
assert abs(is_next.mean() - 0.5) < 0.075, f"{is_next.mean():.0%} of the pairs are true, expected a half."

# %% [markdown]
# **Look at it.** The best rule, on pairs of yours. *Will it be right for exactly 87.5 %?*

# %%
pair_ids, pair_segments, pair_labels = pair_sentences(documents, np.random.default_rng(0))
together = stories.best_prediction(pair_ids)[1]  # how probable it is that B belongs to A
print(stories.tell(pair_ids[0]), "·", pair_labels[0], f"· {together[0]:.2f}")
print(f"{len(pair_ids)} pairs, the best rule is right for {np.mean((together > 0.5) == pair_labels):.2%}")

# %% claims=true
assert abs(np.mean((together > 0.5) == pair_labels) - 0.875) < 0.026 and pair_ids.shape == (6000, 21), pair_ids.shape
assert np.allclose(np.unique(together.round(6)), [0, 0.8]), np.unique(together)

# %% [markdown]
# ## 5. The encoder
#
# A block of BERT has two parts. In the first, every token looks at all others: multi-head attention, with queries, keys and
# values from the same tokens, in both directions. In the second, each token is worked on by itself, by two dense layers with
# GELU between them. Both times, what came in goes round the part and is added, and the **sum is normalised**:
#
# $$ y = \mathrm{norm}_1\big(x + \mathrm{attention}(x, x)\big) \qquad z = \mathrm{norm}_2\big(y + \mathrm{dense}(\mathrm{gelu}(\mathrm{dense}(y)))\big) $$

# %%
plots.diagram(
    {
        "$x$": (0, 1), "attention": (1, 1), "+": (2, 1), "norm$_1$": (2.8, 1),
        "dense, GELU,\ndense": (3.9, 1), "+ ": (4.9, 1), "norm$_2$": (5.7, 1), "$z$": (6.4, 1),
        "$x$ goes round": (1, 0), "$y$ goes round": (3.9, 0),
    },
    {
        ("$x$", "attention"): "", ("attention", "+"): "", ("+", "norm$_1$"): "", ("norm$_1$", "dense, GELU,\ndense"): "$y$",
        ("dense, GELU,\ndense", "+ "): "", ("+ ", "norm$_2$"): "", ("norm$_2$", "$z$"): "",
        ("$x$", "$x$ goes round"): "", ("$x$ goes round", "+"): "",
        ("norm$_1$", "$y$ goes round"): "", ("$y$ goes round", "+ "): "",
    },
    title="A block of BERT",
)

# %% [markdown]
# The first GPT is wired as BERT is; GPT-2 and most later models normalise before each part instead. With many blocks that can
# be trained without a warm-up (Xiong et al., 2020). The weights of one wiring do not work in the other, though all shapes
# agree.

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
assert base != 109_398_528, "109398528 is the count without biases: where are they?"
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
# Now a whole model. Its input is one row of ids, `[CLS] A [SEP] B [SEP]`, filled up with 0. Real BERTs are given the segments
# and the mask beside the ids; here they follow from the ids, so the model can make them itself. It has two heads: one guesses
# the word in each place, the other, from the state of `[CLS]`, whether B belongs to A.
#
# ### `build_mini_bert`
#
# Build it: token, position and segment embeddings, added up and normalised, some blocks as above, and the two heads: a dense
# layer with one logit per word; and on the first token's state a dense layer of `dim` neurons with tanh (the pooler), then one
# of a single neuron. Use Keras's `Embedding`, `LayerNormalization(epsilon=1e-12)`, `MultiHeadAttention(num_heads, dim //
# num_heads)` and `Dense`. Leave the length open. Do not compile the model.
#
# <details><summary>Hint</summary>In a functional model, positions and segments come from the input: <code>ops.cumsum</code>
# along axis 1 counts ones, or the <code>[SEP]</code> so far. Behind the second <code>[SEP]</code> that count is 2, and there
# are only two segments. The rest is a loop, and <code>keras.Model(ids, {"words": …, "is_next": …})</code>.</details>
#
# *Checked:* the logits of words and pairs, where weights of one shape are all set to the same values; rows with padding, and of
# several lengths; the number of parameters; that the weights start at random; and that the model is not compiled.

# %% exercise="build_mini_bert"

# %% check="build_mini_bert" points=5
model = build_mini_bert(92, max_length=12, dim=64, num_heads=4, ff_dim=256, num_layers=2)
row = np.array([[1, 7, 9, 2, 5, 4, 8, 6, 7, 2]])
logits = {name: ops.convert_to_numpy(z) for name, z in model(row).items()}
assert logits["words"].shape == (1, 10, 92), f"10 of at most 12 tokens: expected (1, 10, 92), received {logits['words'].shape}."
assert logits["is_next"].shape == (1,), f"one pair, one logit: expected (1,), received {logits['is_next'].shape}."
n = model.count_params()
assert n == 117_085, (
    f"expected 117085 parameters, received {n}. 768 are missing: the positions. 128: the segments, or a normalisation. "
    "4160: the pooler. If there are far too many: `key_dim` is the size of one head, dim // num_heads."
)

def changes(other):
    """How much the pair's logit differs for another row."""
    return abs(float(ops.convert_to_numpy(model(other)["is_next"])[0]) - logits["is_next"][0])

assert changes(np.array([[1, 7, 9, 2, 5, 4, 8, 6, 50, 2]])) > 1e-5, "the first token does not see the last word."
assert changes(np.pad(row, ((0, 0), (0, 2)))) < 1e-4, "two tokens of padding change the pair's logit: is there a mask?"
small, pair = build_mini_bert(6, max_length=5, dim=6, num_heads=2, ff_dim=9, num_layers=2), np.array([[1, 4, 2, 5, 2]])
small(pair)  # builds it
for weight in small.weights:  # words: identity; segment 1: as word 0; pair: 0 to 5; other kernels 0; biases and scales 1
    shape = tuple(weight.shape)
    tables = {(6, 6): np.eye(6), (2, 6): np.eye(6)[[0, 0]] * [[0], [1]], (6, 1): np.arange(6.0)[:, None]}
    weight.assign(tables.get(shape, np.full(shape, float(len(shape) == 1))))
z = {name: ops.convert_to_numpy(value)[0] for name, value in small(pair).items()}
assert np.allclose(z["words"][2], np.where(np.arange(6) == 2, 4.236, 1.553), atol=2e-3), (
    f"the first [SEP] is (0, 0, 1, 0, 0, 0), or (-0.447, -0.447, 2.236, …) when normalised. If each part gives 1 everywhere, "
    f"its logits are 4.236 and five times 1.553: the same, 1 of the last normalisation and 1 of the words' biases. Received "
    f"{z['words'][2]}: what goes round each part, where does each normalisation stand, and is [SEP] in segment 0?"
)
assert np.allclose(z["words"][3][[0, 5, 1]], [3.414, 3.414, 1.293], atol=2e-3), (
    f"word 5 in segment 1 is (1, 0, 0, 0, 0, 1), so its logits are 3.414 for 0 and 5, else 1.293, not {z['words'][3]}."
)
assert np.allclose(z["is_next"], 14.80, atol=0.02), (
    f"[CLS] gives tanh(4.236) and five times tanh(1.553), times 1 and 0, 2, 3, 4, 5, and 1: 14.80, not {z['is_next']:.2f}."
)

# %% [markdown]
# **Your pieces, and Keras's.** Here is the same model from `BertEmbeddings` and `EncoderBlock`, which gets the segments of
# `pair_sentences`. *If every weight of one shape has the same values in both models, how far will the outputs lie apart?*

# %%
def own_bert(dim=32, blocks=2):
    """BERT from the pieces of this notebook: from ids and segments to words' logits, the pair's, and the states."""
    ids, segments = keras.Input((21,), dtype="int32", name="ids"), keras.Input((21,), dtype="int32", name="segments")
    states = BertEmbeddings(len(words), 21, dim)(ids, segments)
    for _ in range(blocks):
        states = EncoderBlock(dim, 4, 4 * dim)(states, mask=ops.not_equal(ids, 0))
    pooled = layers.Dense(dim, activation="tanh")(states[:, 0])
    heads = {"words": layers.Dense(len(words))(states), "is_next": layers.Dense(1)(pooled)[:, 0]}
    return keras.Model([ids, segments], heads), keras.Model([ids, segments], states)

def equal_weights(model):
    """Give all weights of one shape the same random values."""
    for weight in model.weights:
        weight.assign(np.random.default_rng(list(weight.shape)).normal(scale=0.3, size=weight.shape))

own, _ = own_bert()
whole = build_mini_bert(len(words), 21, 32, 4, 128, 2)
for model in (own, whole):
    equal_weights(model)
few, few_segments = pair_ids[:50], pair_segments[:50]
apart = ops.convert_to_numpy(own([few, few_segments])["is_next"]) - ops.convert_to_numpy(whole(few)["is_next"])
print(f"{own.count_params()} and {whole.count_params()} parameters, logits at most {np.abs(apart).max():.1e} apart")

# %% claims=true
assert own.count_params() == whole.count_params() and np.abs(apart).max() < 1e-3, apart

# %% [markdown]
# ## 8. Pre-training
#
# First the smaller task: words only, of single sentences. They are of another grammar, `data.Grammar`. A sentence is about one
# of four topics, one or many, past or present, in a good or a bad mood: 32 kinds; given the kind, each word is drawn by itself.
# So all that the words of a sentence tell of a hidden one is its kind, and the best guess is that of **naive Bayes** with a
# table of words for each place and kind. It has a loss of about 1.5 nats, and who knows only how frequent each word is in each
# place, of about 2.0.

# %%
grammar = data.Grammar()
sentences, _ = data.sentences("grammar", samples=6000)
for row in sentences[:3]:
    print(grammar.tell(row))

# %% [markdown]
# ### `train_mini_bert`
#
# Write a function that takes `sentences` `(samples, length)`, the number of ids and a `seed`, and returns a **trained** model
# from ids, some of them `[MASK]`, to logits. It is one as in section 7, without segments, padding and pairs. Choose new tokens
# in every epoch. Everything in Keras is allowed, and so are your `mask_tokens` and `mlm_loss`.
#
# To watch it learn, call `fit` with `verbose=0, callbacks=[training.Progress()]`.
#
# <details><summary>Hint</summary>2 blocks of 32 dimensions with 4 heads, 10 epochs, batches of 128, Adam. The rate decides: it
# should rise to about 0.006 over the first tenth of the steps and fall to 0
# (<code>keras.optimizers.schedules.CosineDecay</code> with <code>warmup_target</code>; its <code>decay_steps</code> count from
# the end of the rise). Lay the epochs one after the other (<code>np.tile</code>), mask once, and call <code>fit</code> with
# <code>sample_weight=chosen</code>. By default, Keras then divides by <i>all</i> tokens, and shows about 0.15 times the loss on
# hidden words. With <code>keras.losses.SparseCategoricalCrossentropy(from_logits=True,
# reduction="mean_with_sample_weight")</code> it divides by the sum of the weights. (Adam hardly notices: its steps do not
# depend on the size of the loss.)</details>
#
# *Checked:* the cross-entropy on hidden words of new sentences, at least 0.85 of the way from the words' frequencies to the
# best possible, and not beyond it; that both sides and the places matter; that the outputs are logits; and that the same seed
# gives the same model. Grading renumbers the words for every submission. {limits}

# %% exercise="train_mini_bert"

# %% check="train_mini_bert" points=5
trained = train_mini_bert(sentences, len(grammar.words), seed=0)
fresh, _ = grammar.sample(1000, np.random.default_rng(7))
hidden = (np.random.default_rng(8).random(fresh.shape) < 0.15) & (fresh >= 4)
guesses = ops.convert_to_numpy(ops.log_softmax(trained(np.where(hidden, data.MASK, fresh))))
assert guesses.shape == (1000, 11, len(grammar.words)), f"received the shape {guesses.shape}."

def loss_of(logs, ids, hidden):
    """Cross-entropy of the hidden words, in nats."""
    return -np.take_along_axis(logs, ids[..., None], axis=-1)[..., 0][hidden].mean()

with np.errstate(divide="ignore"):
    possible = loss_of(np.log(grammar.best_prediction(np.where(hidden, data.MASK, fresh))), fresh, hidden)
    frequencies = loss_of(np.log(np.broadcast_to(grammar.tables.mean(axis=0), guesses.shape)), fresh, hidden)
yours = loss_of(guesses, fresh, hidden)
gain = (frequencies - yours) / (frequencies - possible)
assert gain < 1.05, f"{yours:.3f} nats, but {possible:.3f} is the best possible: words leak."
assert gain > 0.85, (
    f"{yours:.3f} nats; the frequencies have {frequencies:.3f}, and {possible:.3f} is possible. "
    "Does the loss count the chosen tokens only? Are the labels unmasked? Is it trained long enough?"
)

# %% [markdown]
# **Look at it.** How far a loss lies above the best possible is called **regret**. *What is the regret of your model?*

# %%
losses = {"frequencies": frequencies, "yours": yours, "possible": possible}
plots.bars(losses, ylabel="nats", title="Loss on hidden words")

# %% claims=true
assert abs(frequencies - 2.0) < 0.1 and abs(possible - 1.5) < 0.08, losses

# %% [markdown]
# ## 9. Words and pairs
#
# Now the whole BERT, put together from your own pieces: pairs from `pair_sentences`, words hidden by `mask_tokens`, the model
# of section 7 with `BertEmbeddings` and `EncoderBlock`, and for the words your `mlm_loss`. The loss is the sum of two, that of
# the hidden words and that of the pairs. Here is what can be known of 800 fresh pairs with hidden words. *What does it cost to
# know only how frequent each word is in each place? How many pairs can be told?*

# %%
new_pairs, _ = stories.pairs(800, np.random.default_rng(7))
covered = (np.random.default_rng(8).random(new_pairs.shape) < 0.15) & (new_pairs > 3)
seen = np.where(covered, data.MASK, new_pairs)
best_words, best_next = stories.best_prediction(seen)
most = np.maximum(best_next, 1 - best_next).mean()  # how often the best rule is right
counts = np.stack([np.bincount(column, minlength=len(words)) for column in pair_ids.T])
in_place = (counts + 0.1) / (counts + 0.1).sum(axis=1, keepdims=True)
lowest = loss_of(np.log(np.maximum(best_words, 1e-30)), new_pairs, covered)
naive = loss_of(np.log(np.broadcast_to(in_place, best_words.shape)), new_pairs, covered)
print(f"words: frequencies {naive:.3f} nats, possible {lowest:.3f}; pairs: a coin 0.5, possible {most:.3f}")

# %%
def pretrain(seed=0, rate=0.006, all_tokens=False, all_hidden=False, often=1, steps=800, dim=32):
    """Train `own_bert` on words and pairs; the model, and the one that gives its states."""
    training.set_seed(seed)
    (model, states), draw = own_bert(dim), np.random.default_rng(seed)
    rows = draw.integers(len(pair_ids), size=steps * 64)
    given, guess = pair_ids[rows], False
    for _ in range(often):  # chosen once, or more often: four times over it is 48 %
        given, more = mask_tokens(given, draw, len(words))
        guess = guess | more
    given = np.where(guess, data.MASK, given) if all_hidden else given
    wanted = np.where(guess | all_tokens, pair_ids[rows], -1)  # -1 for what is not to be guessed
    falling = keras.optimizers.schedules.CosineDecay(0.0, steps - steps // 10, warmup_target=rate, warmup_steps=steps // 10)
    objectives = {"words": lambda y, z: mlm_loss(z, ops.maximum(ops.cast(y, "int32"), 0), y >= 0)}
    objectives["is_next"] = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(falling), objectives)
    both = {"words": wanted, "is_next": pair_labels[rows].astype("float32")}
    model.fit([given, pair_segments[rows]], both, batch_size=64, verbose=0, callbacks=[training.Progress()])
    return model, states

whole_bert, own_states = pretrain()

# %% [markdown]
# The line above shows the sum of both losses and each of them. **What has it learned?** Three questions: the regret on hidden
# words; the share of pairs, 0 for a coin and 1 for the best rule; and verbs whose subject stands behind no clause, before a
# clause whose noun has the same number, and before one whose noun has the other number. Beside it stands a model that was
# trained for a fourth of the steps. *Who goes by the nearest noun, what would be his three probabilities? And who guesses?*

# %%
CAST = {("otter", "heron"): "swim", ("chef", "maid"): "cook", ("rider", "driver"): "stop", ("pupil", "teacher"): "read"}

def segments_of(ids):
    """1 for the tokens of B and the [SEP] behind it."""
    return ((np.cumsum(ids == 2, axis=1) - (ids == 2) == 1) & (ids > 0)).astype("int32")

def asked_of(model, ids):
    """The logarithms of the words' probabilities, and the pairs' logits."""
    z = {name: ops.convert_to_numpy(value) for name, value in model([ids, segments_of(ids)]).items()}
    return z["words"] - np.logaddexp.reduce(z["words"], axis=-1, keepdims=True), z["is_next"]

def right_number(model, clause):
    """The probability of the right number of a verb, behind no clause, or one of the same or the other number: the mean."""
    rows, right, wrong = [], [], []
    for (noun, inner), verb in CAST.items():
        for many in (False, True):
            other = inner + "s" * (many == (clause == "same"))
            between = "" if clause == "none" else f"that my {other} saw "
            rows.append(stories.ids(f"now the {noun}{'s' * many} {between}[MASK] . the {inner} {verb}s ."))
            right.append(words.index(verb if many else f"{verb}s"))
            wrong.append(words.index(f"{verb}s" if many else verb))
    rows = np.concatenate(rows)
    logs = asked_of(model, rows)[0][np.arange(len(rows)), (rows == data.MASK).argmax(axis=1)]
    return np.mean(1 / (1 + np.exp(logs[np.arange(len(rows)), wrong] - logs[np.arange(len(rows)), right])))

def examine(model):
    """What it has learned of words, pairs and verbs."""
    logs, pairs = asked_of(model, seen)
    found = {"regret": loss_of(logs, new_pairs, covered) - lowest}
    found["pairs"] = (np.where(pairs > 0, best_next, 1 - best_next).mean() - 0.5) / (most - 0.5)
    return found | {clause: right_number(model, clause) for clause in ("none", "same", "other")}

# %%
hasty, _ = pretrain(steps=800 // 4)
exam = {"yours": examine(whole_bert), "a fourth": examine(hasty)}
print(*(f"{name:10} regret {found['regret']:.3f} nats, pairs {found['pairs']:.2f}" for name, found in exam.items()), sep="\n")
clauses = ["none", "same", "other"]
verbs_right = [[found[clause] for clause in clauses] for found in exam.values()]
plots.heatmap(verbs_right, list(exam), clauses, "Right number of the verb", "noun in the clause", "", "probability")

# %% claims=true
assert exam["yours"]["regret"] < 0.1 < 0.4 < exam["a fourth"]["regret"] and exam["yours"]["pairs"] > 0.97, exam
assert min(verbs_right[0]) > 0.9 and np.abs(np.array(verbs_right[1]) - 0.5).max() < 0.15, verbs_right
assert exam["a fourth"]["pairs"] < 0.9 and abs(naive - 3.07) < 0.02 and abs(lowest - 0.45) < 0.01 and abs(most - 0.87) < 0.01

# %% measure="ablations"
def ablations():
    """Regret, pairs and verbs for one change of the training at a time, three seeds each."""
    changes = {
        "as it is": {}, "all tokens": {"all_tokens": True}, "all hidden": {"all_hidden": True}, "48 % chosen": {"often": 4},
        "rate / 4": {"rate": 0.006 / 4}, "rate × 4": {"rate": 0.006 * 4},
    }
    for change, ways in changes.items():
        for seed in range(3):
            found = examine(pretrain(seed, **ways)[0])
            yield {"change": change, "seed": seed} | {name: round(float(value), 3) for name, value in found.items()}

# %% [markdown]
# Trained for 800 steps, the model lies less than a tenth of a nat above the best possible, tells pairs about as well as the
# best rule, and gives the right number of a verb a probability of more than nine in ten, across a clause, too. After a fourth
# of the steps, all three probabilities are near one half: it has learned nothing of number yet, even where no clause stands
# between. (Who goes by the nearest noun would be right in the first two, and wrong in the third.)
#
# **What matters?** One thing was changed at a time: the loss counts all tokens; every chosen word becomes `[MASK]`; words are
# chosen four times over, so that 48 % are; a fourth of the rate, and four times the rate. Each was trained with three seeds,
# which takes longer than you want to wait. *Which change hurts most, and which helps?*

# %%
table = data.measured("bert-ablations")
changed = list(dict.fromkeys(table["change"].tolist()))
means = {name: [table[name][table["change"] == change].mean() for change in changed] for name in exam["yours"]}
plots.bars(dict(zip(changed, means["regret"])), "nats", "Regret on hidden words, mean of three seeds")
plots.bars(dict(zip(changed, means["other"])), "probability", "Right number, noun of the other number in the clause")
print("share of pairs:", {change: round(float(share), 2) for change, share in zip(changed, means["pairs"])})

# %% claims=true
by = dict(zip(changed, zip(*means.values())))  # regret, pairs, none, same, other
assert by["as it is"][0] < 0.06 and by["as it is"][4] > 0.96 and by["all hidden"][0] < by["as it is"][0], by
assert 0.4 < by["all tokens"][0] < 0.46 and min(means["pairs"]) > 0.98 and by["all tokens"][4] < 0.6 < 0.68 < by["all tokens"][2], by
assert 0.6 < by["rate / 4"][4] < 0.65 and 0.75 < by["48 % chosen"][4] < 0.85, by
steep = table["other"][table["change"] == "rate × 4"]
assert np.sum(steep > 0.9) == 1 and np.sum(steep < 0.6) == 2, steep

# %% [markdown]
# The loss over all tokens does most harm: the regret is about nine times as large, 0.43 nats, and the verbs behind a clause
# are guessed. Pairs are told by all of them. To hide every chosen word does no harm here, the regret is even smaller; but all
# hidden words of this test are `[MASK]`, and nobody has asked about words that can be seen, which is what the other 20 % are
# for. With 48 % chosen, there is more to guess in each step and less to guess it from: worse here. A fourth of the rate has not
# got there in these steps; with four times the rate, one of three seeds learned the verbs and two guess. Three seeds and one
# size of model: that is what was measured, no more.
#
# ## 10. One word, two meanings
#
# “Bank” is a place by the river, and a place for money. A table of word vectors, such as word2vec's, has one row for it,
# whatever the sentence. The states of an encoder are different: each has looked at the whole sentence. The picture shows the
# state of “bank” in many sentences, projected on the plane in which they lie furthest apart. *Predict: how many clouds?*
#
# The sentences here and in section 11 are those of section 8. The encoder is `pretrained.load_encoder()`, which comes with the
# course: built and trained as the reference of `train_mini_bert`, on ten times as many sentences.

# %%
encoder = pretrained.load_encoder()
many, kinds = grammar.sample(4000, np.random.default_rng(3))
place, bank = 8, grammar.words.index("bank")
about = np.array([kind[0] for kind in grammar.kinds])[kinds]
with_bank = many[:, place] == bank
print(grammar.tell(many[with_bank][0]))

def states_of(rows):
    """The state of the eighth word of each row."""
    return ops.convert_to_numpy(encoder(rows))[:, place]

centred = states_of(many[with_bank]) - states_of(many[with_bank]).mean(axis=0)
plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
groups = {topic: plane[about[with_bank] == topic] for topic in ("river", "money")}
plots.points(groups, title="The state of “bank”")

# %%
def distance(a, b):
    """Mean distance between the rows of two groups."""
    return np.linalg.norm(a[:, None] - b[None, :], axis=-1).mean()

river, money = (states_of(many[with_bank & (about == topic)]) for topic in ("river", "money"))
within, across = (distance(river, river) + distance(money, money)) / 2, distance(river, money)
print(f"mean distance of two states: {within:.2f} within a topic, {across:.2f} across topics")

# %% claims=true
assert across > 1.5 * within, (within, across)

# %% [markdown]
# In a table of words, both distances would be 0. No label has told the encoder of topics: hidden words depend on them, so it
# pays to tell them apart.
#
# ## 11. Almost no labels
#
# Is a sentence in a good or in a bad mood? Sixty words show it, three in each sentence, and each of them misleads in one case
# of ten. Now suppose that somebody has labelled **40** sentences, and that these name only thirty of the sixty words. What
# about sentences with the other thirty? Whoever starts from scratch has to guess. Nobody has told the encoder of moods, either;
# but words of one mood stand side by side in the sentences that it was trained on.

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
# Train all of it for 30 epochs, in batches of 8, with a rate of 0.001.</details>
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
# layer learns. (Each has the rate and the epochs that suit it: 0.003 and 40 from scratch, 0.02 and 60 frozen, 0.001 and 30
# tuned.) The best possible accuracy is computed from the grammar. *Predict the order.*

# %%
def fit_on_few(encoder, rate, epochs, seed=0):
    """Train a dense layer on an encoder's average vector, and the encoder if it is trainable."""
    training.set_seed(seed)
    head = layers.Dense(2)(layers.GlobalAveragePooling1D()(encoder.output))
    model = keras.Model(encoder.input, head)
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), objective)
    model.fit(labelled, moods, batch_size=8, epochs=epochs, verbose=0)
    return model

frozen = pretrained.load_encoder()
frozen.trainable = False
scratch = keras.models.clone_model(frozen)  # the same layers, new weights
scratch.trainable = True
good = others.kind_given(new) @ grammar.moods(np.arange(32))
reached = {
    "scratch": score(fit_on_few(scratch, 0.003, 40)),
    "frozen": score(fit_on_few(frozen, 0.02, 60)),
    "tuned": score(tuned),
    "possible": np.mean((good > 0.5) == new_moods),
}
plots.bars(reached, ylabel="accuracy", title="40 labels", reference=0.5, reference_label="guessing")

# %% claims=true
assert reached["scratch"] < 0.65 < reached["frozen"] < reached["tuned"] < reached["possible"] + 0.01, reached

# %% measure="rates"
def rates():
    """Accuracy of the encoder fine-tuned with rates from the paper's to far too large ones."""
    for rate in (3e-5, 3e-4, 1e-3, 3e-3, 3e-2):
        for seed in range(3):
            model = fit_on_few(pretrained.load_encoder(), rate, 30, seed)
            yield {"rate": rate, "seed": seed, "accuracy": round(float(score(model)), 3)}

# %% [markdown]
# **Which rate?** The paper fine-tunes BERT with rates of 2e-5 to 5e-5 (Devlin et al., 2018, appendix A.3), and the hint above
# says 0.001. *Predict the curve: 30 epochs of 5 steps each, with rates from 3e-5 to 0.03.*

# %%
table = data.measured("bert-rates")
tried = np.unique(table["rate"])
curve = [table["accuracy"][table["rate"] == rate].mean() for rate in tried]
plots.curves({"tuned": curve}, "logarithm of the rate, base 10", "accuracy", "40 labels, three seeds", xs=np.log10(tried))
print(dict(zip(tried.tolist(), np.round(curve, 2).tolist())))

# %% claims=true
assert curve[0] < 0.7 and min(curve[1:4]) > 0.92 and curve[-1] < 0.7, curve

# %% [markdown]
# Three rates, of which the largest is ten times the smallest, do about equally well here: 0.94 to 0.96. The paper's rate is too
# small for this little encoder and its 150 steps, and 0.03 is too large. BERT is 3,000 times as large, and fine-tuned for many
# more steps: a rate is not carried from one model to another, it has to be tried.
#
# ## 12. Answers in a text
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
# **Look at it.** The question is a verb, the text two sentences of different topics, and the answer is who does it, with the
# clause: “dives? the otters that my heron saw dive the maid cooks” is answered by “the otters that my heron saw”. The encoder
# of section 9 gets the new layer, and learns from 2,000 such questions; another one with the same layer starts from scratch.
# *What is the share of answers that each gets exactly right? What is it for who finds the subjects, and then guesses?*

# %%
def questions(count, rng):
    """Rows `[CLS] verb [SEP] two sentences [SEP]`, and the places of the first and the last token of who does that."""
    rows, answers = np.zeros((count, 21), "int32"), np.zeros((count, 2), "int32")
    found = 0
    while found < count:
        topics = rng.choice(4, size=2, replace=False)
        pair = [sentence[sentence > 0] for sentence in stories.sentences(topics, rng)]
        which = int(rng.integers(2))
        tokens = [1, pair[which][-1], 2, *pair[0], *pair[1], 2]
        if len(tokens) <= 21:
            start = 3 + which * len(pair[0])
            begin = start + list(pair[which]).index(words.index("the"))
            rows[found, : len(tokens)], answers[found] = tokens, (begin, start + len(pair[which]) - 2)
            found += 1
    return rows, answers

asked, told = questions(2000, np.random.default_rng(10))
new_asked, new_told = questions(500, np.random.default_rng(11))
print(stories.tell(asked[0]), "→", stories.tell(asked[0, told[0, 0] : told[0, 1] + 1]))

# %%
def encoder_with(outputs, trained_before, seed=0):
    """A new encoder of your own pieces, with what `own_states` has learned or without, and a new dense layer on its states."""
    training.set_seed(seed)
    _, states = own_bert()
    if trained_before:
        states.set_weights(own_states.get_weights())
    return keras.Model(states.input, layers.Dense(outputs)(states.output))

def exact(trained_before):
    """Train for spans; the share of new answers that are exactly right."""
    tokens = encoder_with(2, trained_before)  # (batch, length, start and end)
    reader = keras.Model(tokens.input, ops.transpose(tokens.output, (0, 2, 1)))
    reader.compile(keras.optimizers.Adam(0.002), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    reader.fit([asked, segments_of(asked)], told, batch_size=16, epochs=4, verbose=0, callbacks=[training.Progress()])
    logits = ops.convert_to_numpy(reader([new_asked, segments_of(new_asked)]))
    return np.mean([tuple(best_span(*row, max_length=6)) == tuple(right) for row, right in zip(logits, new_told)])

answered = {"scratch": exact(False), "pre-trained": exact(True)}
plots.bars(answered, "share exactly right", "2000 questions to learn from", top=1.0)

# %% claims=true
assert answered["scratch"] < 0.9 < answered["pre-trained"], answered

# %% [markdown]
# With the same questions, steps and learning rate, the encoder that has been trained before answers nearly all. The one from
# scratch answers fewer: with other initial weights between a half and four fifths. *One half, of two sentences: what can it do,
# and what can it not?* The question is compared with the text only in attention between the two segments, and the pairs of
# section 9 have asked for a comparison of topics.
#
# ## 13. Names in a text
#
# Who and when? To find spans of several kinds, one dense layer gives each token a **tag**. In the BIO scheme, B begins a span,
# I goes on with it, and O belongs to none. “these days the otters that my heron saw swim” has a *when* of two tokens and a
# *who* of six: B-when I-when B-who I-who I-who I-who I-who I-who O. What counts is not how many tags are right, since O is
# easy, but how many spans. **F1** is the harmonic mean of two shares: of the spans that were found, those that are right
# (precision), and of those that are right, the ones that were found (recall). By hand: three spans are true, two are predicted,
# one is right: precision ½, recall ⅓, and F1 is $2 · 1 / (3 + 2) = 0.4$.

# %% [markdown]
# ### `entity_f1`
#
# Write it for rows of tags that are numbers: 0 is O, and kind $k$ has $2k - 1$ for B and $2k$ for I. A span that was predicted
# is right if one of the same kind begins and ends at the same tokens of the same row. NumPy, or loops.
#
# <details><summary>Hint</summary>First a set of all spans, each a tuple of row, start, end and kind. Where does a span end that
# begins at a B: how long do I of the same kind follow? Python's <code>&</code> gives what two sets share.</details>
#
# *Checked:* several kinds, spans side by side and at the ends of rows, the same places in other rows, an I that continues
# nothing (it belongs to nothing), no spans at all, and that the arguments are left unchanged.

# %% exercise="entity_f1"

# %% check="entity_f1" points=3
true = np.array([[1, 2, 0, 3, 4, 4, 0, 1], [3, 4, 1, 2, 0, 0, 0, 0]])  # three spans, and two
score_of = entity_f1(true, true)
assert abs(score_of - 1) < 1e-6, f"all spans are found: expected 1, received {score_of}."
short = np.array([[1, 2, 0, 3, 4, 0, 0, 1], [3, 4, 1, 2, 0, 0, 0, 0]])
score_of = entity_f1(true, short)
assert abs(score_of - 0.8) < 1e-6, f"one of five spans ends too early: expected 2 · 4 / (5 + 5) = 0.8, received {score_of:.3f}."
missed = np.where(np.arange(8) < 7, true, 0)
score_of = entity_f1(true, missed)
assert abs(score_of - 8 / 9) < 1e-6, f"one span of five is missed: expected 2 · 4 / (5 + 4), received {score_of:.3f}."
score_of = entity_f1(missed, true)
assert abs(score_of - 8 / 9) < 1e-6, f"one span of five is none: expected 2 · 4 / (4 + 5), received {score_of:.3f}."
other = np.array([[1, 2, 0, 1, 2, 2, 0, 1], [1, 2, 3, 4, 0, 0, 0, 0]])
score_of = entity_f1(true, other)
assert abs(score_of - 0.4) < 1e-6, f"three of five have the wrong kind: expected 2 · 2 / (5 + 5), received {score_of:.3f}."
score_of = entity_f1(np.array([[1, 2, 1, 2]]), np.array([[1, 2, 2, 2]]))
assert score_of == 0, f"two spans side by side are not one long span: expected 0, received {score_of:.3f}."
swapped = entity_f1(true, true[::-1])
assert swapped == 0, f"the right spans in the wrong rows: expected 0, received {swapped:.3f}."
score_of = entity_f1(np.zeros((1, 4), int), np.zeros((1, 4), int))
assert score_of == 0, f"no spans at all: expected 0, received {score_of}."

# %% [markdown]
# **Look at it.** Tags for pairs of sentences, learned from six rows, by the encoder of section 9 and by one from scratch.
# *Predict the two bars. And how high is the share of right tags for who says O everywhere?*

# %%
def tags_of(rows):
    """1 and 2 for who, 3 and 4 for when, 0 for all else."""
    tags = np.zeros_like(rows)
    for row, tag in zip(rows, tags):
        starts = [1, np.argmax(row == 2) + 1]
        for start in starts:
            end = start + np.argmax(row[start:] == 2) - 1  # where the verb stands
            begin = start + np.argmax(row[start:] == words.index("the"))
            tag[start:begin], tag[begin:end] = 4, 2
            tag[start], tag[begin] = 3, 1  # where no time is, both are the same token
    return tags

some, more = new_pairs[:6], new_pairs[100:]
print(stories.tell(some[0]), tags_of(some[:1])[0])

def f1_of(trained_before):
    """Train for tags on six rows; the F1 on 700 others."""
    tagger = encoder_with(5, trained_before)
    tagger.compile(keras.optimizers.Adam(0.002), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    tagger.fit([some, segments_of(some)], tags_of(some), batch_size=6, epochs=60, verbose=0, callbacks=[training.Progress()])
    return entity_f1(tags_of(more), ops.convert_to_numpy(tagger([more, segments_of(more)])).argmax(axis=-1))

print(f"O everywhere: {np.mean(tags_of(more) == 0):.2f} of the tags, F1 {entity_f1(tags_of(more), np.zeros_like(more)):.2f}")
tagged = {"scratch": f1_of(False), "pre-trained": f1_of(True)}
plots.bars(tagged, "F1 of spans", "6 rows to learn from", top=1.0)

# %% claims=true
assert tagged["pre-trained"] > tagged["scratch"] + 0.03 and tagged["scratch"] > 0.5, tagged
assert abs(np.mean(tags_of(more) == 0) - 0.5) < 0.03

# %% [markdown]
# O everywhere is half of the tags, and no span. The six rows name only some of the words; the encoder that was trained before
# has met all of them, in many sentences, and finds more of the spans. *How many rows does the other one need? Try 30.*
#
# ## Extra: the real thing
#
# Your `BertEmbeddings` and `EncoderBlock` are all it takes to run a real BERT. If you have the folder of one (`config.json`,
# `vocab.txt` and `model.safetensors`, as Hugging Face keeps them), and `pip install tokenizers safetensors`, set its path here.
# all-MiniLM-L6-v2, with 6 blocks of 384 dimensions, is small and made for comparing sentences. Its ids are of **word pieces**:
# a word that is not in the vocabulary is cut into pieces that are, such as “un” and “##happy”. *Which of the three sentences
# should be alike?*

# %%
folder = None  # such as "all-MiniLM-L6-v2"

if folder:
    bert, tokenizer = pretrained.load_bert(folder, BertEmbeddings, EncoderBlock)
    lines = ["She went to the bank for money.", "The river bank was green.", "He paid in some cash."]
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch(lines)
    print(rows[0].tokens)
    real = bert({
        "ids": np.array([row.ids for row in rows]),
        "segment_ids": np.array([row.type_ids for row in rows]),
        "mask": np.array([row.attention_mask for row in rows]),
    })[-1]
    weights = np.array([row.attention_mask for row in rows])[:, :, None]
    average = (ops.convert_to_numpy(real) * weights).sum(axis=1) / weights.sum(axis=1)
    average /= np.linalg.norm(average, axis=1, keepdims=True)
    plots.heatmap(average @ average.T, title="similarity", xlabel="sentence", ylabel="sentence", zlabel="cosine")

# %% [markdown]
# ## What to remember
#
# - Guessing hidden words needs no labels. A small loss does not tell which rules were learned: ask for each of them.
# - Token, position and segment are added up, and normalised.
# - 15 % are chosen: 80 % of them hidden, 10 % replaced, 10 % left. The loss counts the chosen tokens and no others.
# - In BERT, tokens look both ways, nobody looks at padding, and each sum is normalised. A block has two normalisations,
#   $4(d^2 + d)$ parameters in its attention however many heads, and with $4d$ hidden neurons about twice as many in its dense
#   layers.
# - Where the best possible loss is known, compare with it. Better than possible means a leak.
# - A state depends on the sentence, a row of a table does not.
# - Spans and tags are one dense layer on the states; answers are searched as whole spans, and spans are scored as whole spans.
#
# ## Open questions
#
# 1. BERT cannot write a text as GPT does. Why not, and what would have to change?
# 2. Only 15 % of the tokens give a gradient. Why not hide half of them?
# 3. The encoder was trained on text from the very grammar of the task. What would you expect if it had read something else?
# 4. Which grammar would make topics useless for pairs, and agreement between sentences necessary?
