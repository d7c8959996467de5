"""The solutions of `bert`: doctests, shares of what is drawn, published sizes, Keras's own layers, and real checkpoints.

Run once per backend: `KERAS_BACKEND=jax pytest tests/test_bert.py`.
"""

import doctest
import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from course import data, pretrained
from course.data.text import CLS, MASK
from layer_test import run_layer_test
from solutions import bert

pytestmark = pytest.mark.all_backends


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))


def float32(*shape, seed=7):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_doctests():
    result = doctest.testmod(bert)
    assert result.attempted > 15
    assert result.failed == 0


# --- embeddings and blocks ---


def test_embeddings_by_hand():
    layer = bert.BertEmbeddings(vocab_size=2, max_length=3, dim=2)
    layer(np.zeros((1, 3), "int32"))
    layer.token.set_weights([np.array([[1.0, 2.0], [4.0, 0.0]])])
    layer.position.set_weights([np.array([[0.0, 1.0], [0.0, 0.0], [9.0, 9.0]])])
    layer.segment.set_weights([np.array([[1.0, 1.0], [-9.0, 9.0]])])
    # (2, 4) and (5, 1): two numbers, normalised, are -1 and 1.
    np.testing.assert_allclose(array(layer(np.array([[0, 1]])))[0], [[-1, 1], [1, -1]], atol=1e-5)
    np.testing.assert_allclose(array(layer(np.array([[0, 1]]), np.array([[0, 1]])))[0, 1], [-1, 1], atol=1e-5)


def test_embeddings_are_a_good_layer(tmp_path):
    ids = np.random.default_rng(0).integers(9, size=(2, 5)).astype("int32")
    shapes = {"token.embeddings": (9, 4), "position.embeddings": (7, 4), "segment.embeddings": (2, 4)}
    shapes |= {"norm.gamma": (4,), "norm.beta": (4,)}
    config = {"vocab_size": 9, "max_length": 7, "dim": 4}
    run_layer_test(bert.BertEmbeddings, config, {"ids": ids}, (2, 5, 4), shapes, tmp_path)


def test_block_is_a_good_layer(tmp_path):
    config = {"dim": 6, "num_heads": 2, "ff_dim": 5}
    shapes = {"hidden.kernel": (6, 5), "hidden.bias": (5,), "output_dense.kernel": (5, 6), "output_dense.bias": (6,)}
    shapes |= {f"norm{k}.{name}": (6,) for k in (1, 2) for name in ("gamma", "beta")}
    shapes |= {f"attention.{name}_dense.kernel": (6, 2, 3) for name in ("query", "key", "value")}
    shapes |= {f"attention.{name}_dense.bias": (2, 3) for name in ("query", "key", "value")}
    shapes |= {"attention.output_dense.kernel": (2, 3, 6), "attention.output_dense.bias": (6,)}
    run_layer_test(bert.EncoderBlock, config, {"x": float32(2, 4, 6)}, (2, 4, 6), shapes, tmp_path)


def test_nobody_attends_to_padding():
    block, x = bert.EncoderBlock(dim=6, num_heads=2, ff_dim=5), float32(1, 4, 6)
    other = x.copy()
    other[0, 3] = 9
    mask = np.array([[True, True, True, False]])
    np.testing.assert_allclose(array(block(x, mask=mask))[:, :3], array(block(other, mask=mask))[:, :3], atol=1e-5)
    assert np.abs(array(block(x)) - array(block(other)))[:, :3].max() > 1e-3


@pytest.mark.parametrize(("dim", "heads", "hidden"), [(0, 1, 1), (6, 4, 1), (6, 2, 0)])
def test_block_refuses_sizes_that_do_not_fit(dim, heads, hidden):
    with pytest.raises(ValueError, match="Received: dim="):
        bert.EncoderBlock(dim, heads, hidden)


# --- the tasks of pre-training ---


def test_masking_chooses_words_only_and_leaves_its_argument_alone():
    ids = np.random.default_rng(0).integers(0, 40, size=(3000, 40))
    before = ids.copy()
    inputs, chosen = bert.mask_tokens(ids, np.random.default_rng(1), vocab_size=40)
    assert (ids == before).all()
    assert not chosen[ids < 4].any()
    assert (inputs == ids)[~chosen].all()
    # Six standard deviations of a share among 108,000 and 16,000.
    assert chosen[ids >= 4].mean() == pytest.approx(0.15, abs=0.007)
    assert (inputs[chosen] == MASK).mean() == pytest.approx(0.8, abs=0.019)
    assert (inputs[chosen] == ids[chosen]).mean() == pytest.approx(0.1 + 0.1 / 36, abs=0.015)
    assert inputs[chosen].min() == MASK


def test_loss_equals_keras_with_weights():
    logits, labels = ops.array(float32(3, 4, 5)), np.random.default_rng(0).integers(5, size=(3, 4))
    chosen = np.arange(12).reshape(3, 4) % 3 == 0
    objective = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    expected = float(objective(labels, logits, sample_weight=chosen.astype("float32"))) / chosen.sum()
    assert float(bert.mlm_loss(logits, ops.array(labels), ops.array(chosen))) == pytest.approx(expected, abs=1e-5)


def test_pairs_by_hand():
    documents = np.array([[[7, 8, 0], [9, 0, 0], [10, 11, 12]], [[5, 0, 0], [5, 6, 0], [6, 6, 6]]])
    ids, segment_ids, is_next = bert.pair_sentences(documents, np.random.default_rng(0))
    assert ids.shape == segment_ids.shape == (4, 9) and is_next.shape == (4,)
    rows = {0: [1, 7, 8, 2, 9, 2, 0, 0, 0], 1: [1, 9, 2, 10, 11, 12, 2, 0, 0]}
    rows |= {2: [1, 5, 2, 5, 6, 2, 0, 0, 0], 3: [1, 5, 6, 2, 6, 6, 6, 2, 0]}
    behind = {0: [0, 0, 0, 0, 1, 1, 0, 0, 0], 1: [0, 0, 0, 1, 1, 1, 1, 0, 0]}
    behind |= {2: [0, 0, 0, 1, 1, 1, 0, 0, 0], 3: [0, 0, 0, 0, 1, 1, 1, 1, 0]}
    seen = set()
    for seed in range(20):
        ids, segment_ids, is_next = bert.pair_sentences(documents, np.random.default_rng(seed))
        for pair in np.flatnonzero(is_next):
            assert ids[pair].tolist() == rows[pair] and segment_ids[pair].tolist() == behind[pair]
            seen.add(pair)
        for pair in np.flatnonzero(~is_next):  # B comes from the other document
            end = list(ids[pair]).index(2)
            b = [k for k in ids[pair, end + 1 :] if k > 2]
            assert b in [[k for k in sentence if k] for sentence in documents[1 - pair // 2].tolist()]
    assert seen == {0, 1, 2, 3}


def test_best_rule_for_pairs_is_right_as_often_as_computed():
    stories, rng = data.Stories(), np.random.default_rng(0)
    ids, segment_ids, is_next = bert.pair_sentences(stories.write(3000, 5, rng), rng)
    known = stories.best_prediction(ids)[1]
    # 1 - 1/2 · 1/4, within six standard deviations of 12,000 pairs.
    assert np.mean((known > 0.5) == is_next) == pytest.approx(0.875, abs=0.0182)
    ends = np.cumsum(ids == 2, axis=1)
    assert (segment_ids == ((ends == 1) & (ids != 2)) | ((ends == 2) & (ids == 2))).all()


# --- sizes ---


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((30522, 512, 768, 3072, 12), 109_482_240),
        ((30522, 512, 1024, 4096, 24), 335_141_888),
        ((30522, 512, 128, 512, 2), 4_385_920),
        ((30522, 512, 512, 2048, 8), 41_373_184),
    ],
    ids=["base", "large", "tiny", "medium"],
)
def test_published_sizes(arguments, expected):
    assert bert.count_bert_params(*arguments) == expected


def test_count_equals_the_layers():
    embeddings, block = bert.BertEmbeddings(50, 12, 8, segments=3), bert.EncoderBlock(8, 2, 20)
    x = embeddings(np.zeros((1, 4), "int32"))
    block(x)
    pooler = 8 * 8 + 8
    built = embeddings.count_params() + 5 * block.count_params()
    assert bert.count_bert_params(50, 12, 8, 20, 5, segments=3, pooler=False) == built
    assert bert.count_bert_params(50, 12, 8, 20, 5, segments=3) == built + pooler


def test_mini_bert_looks_both_ways_and_not_at_padding():
    model = bert.build_mini_bert(30, max_length=9, dim=8, num_heads=2, ff_dim=16, num_layers=1)
    ids = np.array([[1, 5, 6, 2, 8, 9, 2]])
    z = {name: array(value) for name, value in model(ids).items()}
    assert z["words"].shape == (1, 7, 30) and z["is_next"].shape == (1,)
    for changed in (1, 5):
        other = ids.copy()
        other[0, changed] = 20
        assert (np.abs(array(model(other)["words"]) - z["words"]).max(axis=-1) > 1e-5).all()
        assert abs(array(model(other)["is_next"]) - z["is_next"]) > 1e-6
    padded = model(np.pad(ids, ((0, 0), (0, 2))))
    np.testing.assert_allclose(array(padded["words"])[:, :7], z["words"], atol=1e-5)
    np.testing.assert_allclose(array(padded["is_next"]), z["is_next"], atol=1e-5)


def test_mini_bert_is_the_units_own_layers():
    model = bert.build_mini_bert(30, max_length=9, dim=8, num_heads=2, ff_dim=16, num_layers=2)
    embeddings, blocks = bert.BertEmbeddings(30, 9, 8), [bert.EncoderBlock(8, 2, 16) for _ in range(2)]
    pooler, pair, words = layers.Dense(8, activation="tanh"), layers.Dense(1), layers.Dense(30)
    ids = np.array([[1, 5, 6, 2, 8, 9, 2, 0], [1, 7, 2, 8, 2, 0, 0, 0]])
    segment_ids = np.array([[0, 0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 0, 0, 0]])

    def own():
        x = embeddings(ids, segment_ids)
        for block in blocks:
            x = block(x, mask=ops.convert_to_tensor(ids != 0))
        return array(words(x)), array(pair(pooler(x[:, 0])))[:, 0]

    own()  # builds them
    for weight in [*model.weights, *(w for layer in (embeddings, *blocks, pooler, pair, words) for w in layer.weights)]:
        weight.assign(np.random.default_rng(list(weight.shape)).normal(scale=0.5, size=weight.shape))
    expected = own()
    found = model(ids)
    np.testing.assert_allclose(array(found["words"])[ids > 0], expected[0][ids > 0], atol=1e-4)
    np.testing.assert_allclose(array(found["is_next"]), expected[1], atol=1e-4)


# --- spans ---


@pytest.mark.parametrize(
    ("true", "predicted", "expected"),
    [
        ([[1, 2, 0, 3]], [[1, 2, 0, 3]], 1.0),
        ([[1, 2, 0, 3]], [[1, 2, 0, 0]], 2 / 3),
        ([[1, 2, 0, 3]], [[1, 0, 0, 3]], 0.5),
        ([[1, 2, 1, 2]], [[1, 2, 2, 2]], 0.0),
        ([[1, 2, 0], [0, 0, 0]], [[0, 0, 0], [1, 2, 0]], 0.0),
        ([[0, 1, 2]], [[2, 1, 2]], 1.0),  # an I at the beginning belongs to nothing
        ([[1, 4, 0]], [[1, 0, 0]], 1.0),  # and so does one of another kind
        ([[0, 0]], [[0, 0]], 0.0),
    ],
)
def test_f1_by_hand(true, predicted, expected):
    assert bert.entity_f1(np.array(true), np.array(predicted)) == pytest.approx(expected)


# --- weights that were trained before ---


def test_renumbered_encoder_gives_the_same_states():
    order = 4 + np.random.default_rng(0).permutation(len(data.Grammar().words) - 4)
    plain, renumbered = data.Grammar(), data.Grammar(order)
    ids, _ = plain.sample(5, np.random.default_rng(1))
    number = {word: k for k, word in enumerate(renumbered.words)}
    others = np.vectorize(lambda k: number[plain.words[k]])(ids)
    assert (others != ids)[:, 1:].any()
    states = array(pretrained.load_encoder()(ids))
    assert states.shape == (5, 11, 32)
    np.testing.assert_allclose(array(pretrained.load_encoder(order)(others)), states, atol=1e-4)


def test_encoder_takes_new_layers_whatever_their_names():
    encoder = pretrained.load_encoder()
    for name in ("dense", "embedding", "add"):
        head = layers.Dense(2, name=name)(encoder.output)
        keras.Model(encoder.input, head)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny BERT with random weights, as `transformers` writes it, some sentences, and the states that it gives them."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-bert")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *["he", "she", "went", "to", "the", "river", "bank", "money", "un", "##happy", ".", "paid"],
    ]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=12,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
    )
    model = transformers.BertModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and scales that are not 0 and 1
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    model.save_pretrained(folder)
    inputs = {
        "ids": np.array([[2, 5, 7, 8, 9, 10, 11, 3, 13, 14, 15, 3], [2, 6, 16, 12, 3, 0, 0, 0, 0, 0, 0, 0]]),
        "segment_ids": np.array([[0] * 8 + [1] * 4, [0] * 12]),
        "mask": np.array([[1] * 12, [1] * 5 + [0] * 7]),
    }
    with torch.no_grad():
        given = {name: torch.tensor(value) for name, value in inputs.items()}
        outputs = model(
            given["ids"], attention_mask=given["mask"], token_type_ids=given["segment_ids"], output_hidden_states=True
        )
    return folder, inputs, [state.numpy() for state in outputs.hidden_states]


@pytest.mark.filterwarnings("default")  # what other people's libraries deprecate
def test_real_checkpoint_gives_the_states_of_the_reference_implementation(checkpoint):
    folder, inputs, expected = checkpoint
    model, tokenizer = pretrained.load_bert(folder, bert.BertEmbeddings, bert.EncoderBlock)
    states = model(inputs)
    assert len(states) == len(expected) == 4
    for state, right in zip(states, expected, strict=True):
        real = inputs["mask"].astype(bool)  # what stands in the padding is nobody's business
        # Three blocks in float32, of two implementations.
        np.testing.assert_allclose(array(state)[real], right[real], atol=2e-5, rtol=1e-4)
    assert tokenizer.encode("He went to the unhappy bank.").tokens == [
        "[CLS]",
        "he",
        "went",
        "to",
        "the",
        "un",
        "##happy",
        "bank",
        ".",
        "[SEP]",
    ]


@pytest.mark.parametrize("missing", ["config.json", "vocab.txt", "model.safetensors"])
@pytest.mark.filterwarnings("default")
def test_checkpoint_with_a_missing_file_is_refused(checkpoint, missing, tmp_path):
    for file in checkpoint[0].iterdir():
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(pretrained.CheckpointError, match=f"{missing} is missing"):
        pretrained.load_bert(tmp_path, bert.BertEmbeddings, bert.EncoderBlock)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"model_type": "roberta"}, "Received: .*roberta"), ({"num_hidden_layers": 4}, "has no weight 'encoder.layer.3")],
)
@pytest.mark.filterwarnings("default")
def test_checkpoint_of_another_kind_is_refused(checkpoint, change, said, tmp_path):
    for file in checkpoint[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(pretrained.CheckpointError, match=said):
        pretrained.load_bert(tmp_path, bert.BertEmbeddings, bert.EncoderBlock)


def test_first_token_of_every_sentence_is_cls():
    assert (data.sentences("grammar", 10)[0][:, 0] == CLS).all()
