"""Data sets: the same seed gives the same samples, splits share nothing, downloads are checked."""

import gzip
import hashlib
import itertools
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from course import data
from course.data import pictures, signals, text

REAL = Path(__file__).parent.parent.parent / "shared" / "data"


# --- MNIST-1D ---


def test_mnist1d_has_the_sizes_and_the_scale_that_it_says():
    (x, y), (x_test, y_test) = data.mnist1d()
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((4000, 40), (4000,), (1000, 40), (1000,))
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1) < 0.05
    assert np.bincount(y).tolist() == [400] * 10
    assert (y[:10] != np.arange(10)).any(), "labels in random order"


def test_mnist1d_repeats_with_its_seed_and_shares_no_sample_between_train_and_test():
    first, again, other = (data.mnist1d(50, 20, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0][0], again[0][0])
    np.testing.assert_array_equal(first[1][1], again[1][1])
    assert not np.array_equal(first[0][0], other[0][0])
    assert not {row.tobytes() for row in first[0][0]} & {row.tobytes() for row in first[1][0]}


def test_a_linear_model_is_poor_at_mnist1d_but_better_than_chance():
    (x, y), (x_test, y_test) = data.mnist1d(4000, 4000)
    assert 0.25 < LogisticRegression(max_iter=300).fit(x, y).score(x_test, y_test) < 0.4


def test_clean_curves_that_start_at_once_are_told_apart_by_their_class_means():
    labels = np.arange(1000) % 10
    first, second = (data.mnist1d_curves(labels, np.random.default_rng(seed), noise=0, shear=0, shift=0) for seed in (0, 1))
    means = np.stack([first[labels == digit].mean(axis=0) for digit in range(10)])
    nearest = ((second[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
    assert (nearest == labels).mean() > 0.9


def test_smooth_noise_keeps_a_constant_and_mixes_neighbours_only():
    np.testing.assert_allclose(signals._smooth(np.full((2, 40), 3.0), 1.4), 3.0)
    impulse = signals._smooth(np.eye(40)[20:21], 1.4)
    assert impulse.argmax() == 20
    assert (impulse[0, :15] == 0).all()


# --- scrambled sequences ---


def test_scrambled_moves_every_token_where_the_permutation_says():
    permutation = [2, 0, 3, 1]
    x, y = data.scrambled(100, 4, 7, permutation, seed=1)
    assert x.dtype == y.dtype == np.int32
    for place, origin in enumerate(permutation):
        np.testing.assert_array_equal(y[:, place], x[:, origin])
    assert set(np.unique(x)) == set(range(7))
    np.testing.assert_array_equal(x, data.scrambled(100, 4, 7, permutation, seed=1)[0])


def test_scrambled_takes_token_ids_of_your_own():
    x, _ = data.scrambled(100, 4, [5, 17, 40], [0, 1, 2, 3], seed=1)
    assert set(np.unique(x)) == {5, 17, 40}


@pytest.mark.parametrize("permutation", [[0, 1], [0, 0, 1], [1, 2, 3]])
def test_scrambled_rejects_what_is_no_permutation(permutation):
    with pytest.raises(ValueError, match="Expected a rearrangement of 0 to 2"):
        data.scrambled(5, 3, 7, permutation, seed=0)


def test_recall_pairs_anew_and_asks_for_a_pair_by_the_question_of_its_name():
    order = np.random.default_rng(0).permutation(17).tolist()  # 5 names, 7 values, 5 questions
    x, y, asked = data.recall(200, 4, names=5, values=7, seed=1, order=order)
    names, values, questions = x[:, :-1:2], x[:, 1::2], x[:, -1]
    rows = np.arange(200)
    np.testing.assert_array_equal(values[rows, asked], y)
    assert {(order.index(n), order.index(q)) for n, q in zip(names[rows, asked], questions, strict=True)} == {
        (k, 12 + k) for k in range(5)
    }
    assert all(len(set(row)) == 4 for row in names)
    assert all(len(set(row)) == 4 for row in values)
    assert len({(n, v) for pair in zip(names, values, strict=True) for n, v in zip(*pair, strict=True)}) == 35
    np.testing.assert_array_equal(x, data.recall(200, 4, names=5, values=7, seed=1, order=order)[0])


@pytest.mark.parametrize(("pairs", "order"), [(6, None), (2, [0, 1, 2])])
def test_recall_rejects_sizes_that_do_not_fit(pairs, order):
    with pytest.raises(ValueError, match="Expected at most 5 pairs and 17 token ids"):
        data.recall(3, pairs, names=5, values=7, seed=0, order=order)


# --- images ---


def test_digits_are_scaled_and_split_evenly():
    (x, y), (x_test, y_test) = data.digits()
    assert (x.shape, x_test.shape) == ((1347, 8, 8), (450, 8, 8))
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert (x.min(), x.max()) == (0, 1)
    shares = np.bincount(y_test) / np.bincount(np.concatenate([y, y_test]))
    assert (abs(shares - 0.25) < 0.01).all()
    np.testing.assert_array_equal(x, data.images("digits", seed=0)[0][0])
    assert not np.array_equal(y, data.digits(seed=1)[0][1])


def test_unknown_source_is_named():
    with pytest.raises(ValueError, match="Received: 'mnits'"):
        data.images("mnits")


@pytest.mark.parametrize("source", ["mnist", "fashion_mnist"])
def test_without_a_network_the_error_says_what_to_do(source, monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", offline)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    with pytest.raises(data.DownloadError, match=rf"{source} could not .* images\(\"digits\"\) needs no network"):
        data.images(source)


def idx(array):
    header = b"\x00\x00\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.astype("uint8").tobytes())


def serve(monkeypatch, tmp_path, files):
    """Answer downloads of `files`, by name, from memory."""

    def urlretrieve(url, filename, *args, **kwargs):
        Path(filename).write_bytes(files[url.rsplit("/", 1)[1]])

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", urlretrieve)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))


SMALL = {
    "train-images-idx3-ubyte.gz": np.arange(3 * 4 * 2).reshape(3, 4, 2) * 10,
    "train-labels-idx1-ubyte.gz": np.array([1, 2, 0]),
    "t10k-images-idx3-ubyte.gz": np.full((1, 4, 2), 255),
    "t10k-labels-idx1-ubyte.gz": np.array([9]),
}


def test_fashion_mnist_is_taken_when_the_hashes_agree(monkeypatch, tmp_path):
    files = {name: idx(array) for name, array in SMALL.items()}
    serve(monkeypatch, tmp_path, files)
    hashes = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(pictures, "FASHION_MNIST_MD5", hashes)
    (x, y), (x_test, y_test) = data.images("fashion_mnist")
    np.testing.assert_allclose(x, SMALL["train-images-idx3-ubyte.gz"] / 255, rtol=1e-6)
    assert (y.tolist(), x_test.max(), y_test.tolist()) == ([1, 2, 0], 1.0, [9])


def test_fashion_mnist_with_another_hash_is_refused(monkeypatch, tmp_path):
    serve(monkeypatch, tmp_path, {name: idx(array) for name, array in SMALL.items()})
    with pytest.raises(data.DownloadError, match="hash"):
        data.images("fashion_mnist")


# --- the IDX format ---


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "expected an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x05", "expected an IDX file"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x02\x05", r"expected \(2,\) bytes"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x01\x05\x05", r"expected \(1,\) bytes"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x01", "bytes after the header"),
    ],
)
def test_a_file_that_is_no_idx_file_is_refused(tmp_path, content, complaint):
    file = tmp_path / "x.gz"
    file.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=complaint):
        pictures.read_idx(file)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real MNIST test files are not here")
def test_real_mnist_test_files_are_read():
    pixels = pictures.read_idx(REAL / "t10k-images-idx3-ubyte.gz")
    labels = pictures.read_idx(REAL / "t10k-labels-idx1-ubyte.gz")
    assert (pixels.shape, labels.shape) == ((10000, 28, 28), (10000,))
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert pictures._scaled(pixels).max() == 1
    # Digits differ more between classes than within: nearest mean is far better than chance, so pixels and labels agree.
    means = np.stack([pixels[:5000][labels[:5000] == digit].mean(axis=0) for digit in range(10)]).reshape(10, -1)
    rows = pixels[5000:].reshape(5000, -1).astype(float)
    distance = (means**2).sum(axis=1) - 2 * rows @ means.T
    assert (distance.argmin(axis=1) == labels[5000:]).mean() > 0.75


# --- series ---


def test_sunspots_are_the_published_ones():
    years, numbers = data.sunspots()
    assert (len(years), years[0], years[-1]) == (309, 1700, 2008)
    assert (numbers[0], numbers[-1], numbers.max()) == (5, np.float32(2.9), np.float32(190.2))
    # Yule's model on these very numbers, as statsmodels fits it: c = 14.9071, weights 1.3918 and -0.6903.
    lags = np.stack([np.ones(307), numbers[1:-1], numbers[:-2]], axis=1)
    np.testing.assert_allclose(np.linalg.lstsq(lags, numbers[2:])[0], [14.9071, 1.3918, -0.6903], atol=1e-4)


# --- letters ---


def test_the_best_prediction_of_a_letter_is_as_frequent_as_it_says():
    prose = data.Prose(np.random.default_rng(3))
    ids = prose.write(60_000, np.random.default_rng(0))
    best, following = prose.best_prediction(ids)[:-1], ids[1:]
    np.testing.assert_allclose(best.sum(axis=1), 1)
    assert best[np.arange(len(following)), following].min() > 0  # what is written is possible
    # Among all that was given a probability near p, a share of p came.
    came = np.eye(len(prose.letters))[following]
    for low, high in itertools.pairwise((0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.9, 1.01)):
        inside = (best >= low) & (best < high)
        if inside.sum() > 300:
            error = 5 * np.sqrt(0.25 / inside.sum())
            assert abs(came[inside].mean() - best[inside].mean()) < error, (low, high)


def test_a_verb_agrees_with_its_noun_across_a_clause():
    prose = data.Prose()
    for begun, follows in (
        ("the cat that some dogs see run", "s"),
        ("the cats that a dog sees run", " ."),
        ("some owls that the hens like", " "),
        ("a hen sit", "s"),
    ):
        (known,) = prose.best_prediction(prose.ids(begun))[-1:]
        assert {prose.letters[number] for number in np.flatnonzero(known)} == set(follows), begun
    with pytest.raises(ValueError, match="no text of this grammar"):
        prose.best_prediction(prose.ids("the cat that run"))


def test_what_is_drawn_for_prose_is_its_letters_and_frequencies():
    one, other = (data.Prose(np.random.default_rng(seed)) for seed in (1, 2))
    assert sorted(one.letters) == sorted(other.letters) == sorted(data.Prose().letters) and one.letters != other.letters
    ids = one.write(500, np.random.default_rng(0))
    assert ids.dtype == np.int32 and one.ids(one.tell(ids)).tolist() == ids.tolist()


# --- stories ---

CAST = {"river": ("otter heron", "swim dive"), "kitchen": ("chef maid", "cook bake")}
CAST |= {"road": ("rider driver", "stop turn"), "school": ("pupil teacher", "read spell")}


def every_sentence():
    """All sentences that there are: topic, words, and how probable they are given the topic, by counting out the rules."""
    for topic, (nouns, verbs) in CAST.items():
        for number, time in itertools.product(("", "s"), ("", "now ", "these days ")):
            chance = 0.5 * (0.3 if time else 0.4)
            clauses = {"": 0.4}
            for other, inner, seen in itertools.product(("", "s"), nouns.split(), ("saw", "heard")):
                clauses[f"that my {inner}{other} {seen} "] = 0.6 / 8
            for noun, verb, (clause, often) in itertools.product(nouns.split(), verbs.split(), clauses.items()):
                text = f"{time}the {noun}{number} {clause}{verb}{'' if number else 's'}"
                yield topic, text, chance * often / 4


def test_what_can_be_known_of_a_pair_is_what_counting_all_pairs_gives():
    stories, sentences = data.Stories(), list(every_sentence())
    assert sum(chance for *_, chance in sentences) == pytest.approx(4)
    topics = np.array([list(CAST).index(topic) for topic, *_ in sentences])
    chances = np.array([chance for *_, chance in sentences])
    tokens = [text.split() for _, text, _ in sentences]
    for riddle in (
        "[MASK] the otters that my [MASK] saw [MASK] . the [MASK] [MASK] .",
        "[MASK] [MASK] [MASK] [MASK] . these [MASK] [MASK] chef that [MASK] maids heard bakes .",
        "the [MASK] [MASK] my rider [MASK] stop . the pupil reads .",
        "the [MASK] [MASK] . the drivers that my driver saw turn .",
    ):
        (words,), (is_next,) = stories.best_prediction(stories.ids(riddle))
        first, second = (part.split() for part in riddle.split(" .")[:2])
        fits = [
            np.array(
                [len(one) == len(part) and all(b in ("[MASK]", a) for a, b in zip(one, part, strict=True)) for one in tokens]
            )
            for part in (first, second)
        ]
        together, apart = np.zeros((2, fits[0].sum(), fits[1].sum()))
        for row, a in enumerate(np.flatnonzero(fits[0])):
            for column, b in enumerate(np.flatnonzero(fits[1])):
                apart[row, column] = 0.5 * chances[a] * chances[b] / 16
                together[row, column] = 0.5 * chances[a] * chances[b] / 4 * (topics[a] == topics[b])
        whole = (together + apart).sum()
        assert is_next == pytest.approx(together.sum() / whole)
        shares = [(together + apart).sum(axis=1) / whole, (together + apart).sum(axis=0) / whole]
        for part, fit, share, start in zip((first, second), fits, shares, (1, len(first) + 2), strict=True):
            for place in range(len(part)):
                expected = np.zeros(len(stories.words))
                for number, k in zip(np.flatnonzero(fit), share, strict=True):
                    expected[stories.words.index(tokens[number][place])] += k
                np.testing.assert_allclose(words[start + place], expected, atol=1e-12)


def test_stories_are_drawn_as_often_as_their_rules_say():
    stories, sentences = data.Stories(), list(every_sentence())
    number = {text: k for k, (_, text, _) in enumerate(sentences)}
    ids = stories.write(6000, 5, np.random.default_rng(0))
    assert ids.shape == (6000, 5, 9) and ids.dtype == np.int32
    found = np.array([[number[stories.tell(sentence)] for sentence in story] for story in ids])
    topics = np.array([list(CAST).index(topic) for topic, *_ in sentences])[found]
    assert (topics == topics[:, :1]).all()  # a story keeps to its topic
    assert np.abs(np.bincount(topics[:, 0], minlength=4) / 6000 - 0.25).max() < 6 * np.sqrt(0.25 * 0.75 / 6000)
    counted = np.bincount(found.ravel(), minlength=len(sentences)) / found.size
    expected = np.array([chance for *_, chance in sentences]) / 4
    # The sentences of a story are about one topic, so their numbers spread more than independent ones.
    assert (np.abs(counted - expected) < 8 * np.sqrt(expected * 2 / found.size)).all()


def test_pairs_of_sentences_are_rows_and_the_best_rule_is_right_as_often_as_computed():
    stories = data.Stories(np.random.default_rng(2))
    ids, is_next = stories.pairs(4000, np.random.default_rng(0))
    assert ids.shape == (4000, 21) and ids.dtype == np.int32 and is_next.dtype == bool
    assert (ids[:, 0] == 1).all() and ((ids == 2).sum(axis=1) == 2).all()
    last = (ids > 0).sum(axis=1) - 1
    assert (ids[np.arange(4000), last] == 2).all()
    known = stories.best_prediction(ids)[1]
    assert set(known.round(9)) == {0.0, 0.8}  # all topics can be seen: 1/2 over 1/2 + 1/8
    # 1 - 1/2 · 1/4, within six standard deviations.
    assert np.mean((known > 0.5) == is_next) == pytest.approx(0.875, abs=6 * np.sqrt(0.875 * 0.125 / 4000))
    assert stories.ids(stories.tell(ids[0, 1:]).replace("[SEP]", ".")).tolist() == [ids[0].tolist()]


def test_what_is_drawn_for_stories_is_ids_and_frequencies():
    one, other = (data.Stories(np.random.default_rng(seed)) for seed in (1, 2))
    assert sorted(one.words) == sorted(other.words) == sorted(data.Stories().words) and one.words != other.words
    assert one.words[:4] == ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    riddle = "the [MASK] swims . the otter swims ."
    shares = [stories.best_prediction(stories.ids(riddle))[0][0, 2] for stories in (one, other)]
    nouns = [share[stories.words.index("otter")] for share, stories in zip(shares, (one, other), strict=True)]
    assert all(0.25 < share < 0.75 for share in nouns) and abs(nouns[0] - nouns[1]) > 0.01


# --- sentences ---

GRAMMAR = data.Grammar()


def test_sentences_are_as_frequent_as_the_tables_say():
    ids, kinds = GRAMMAR.sample(40_000, np.random.default_rng(0))
    assert (ids.shape, ids.dtype, kinds.shape) == ((40_000, text.LENGTH), np.int32, (40_000,))
    shares = np.stack([np.bincount(column, minlength=len(GRAMMAR.words)) for column in ids.T]) / len(ids)
    expected = GRAMMAR.tables.mean(axis=0)
    # Six standard deviations of a share among 40,000.
    np.testing.assert_array_less(np.abs(shares - expected), 6 * np.sqrt(expected * (1 - expected) / len(ids)) + 1e-9)
    np.testing.assert_allclose(GRAMMAR.tables.sum(axis=-1), 1)


def test_best_prediction_is_what_counting_finds():
    """All sentences that agree with a row in what is shown: how often each word stands where one is hidden."""
    ids, _ = GRAMMAR.sample(400_000, np.random.default_rng(1))
    row = ids[:1].copy()
    row[0, [1, 3, 4, 5, 9]] = text.MASK  # shown are the article, the place and the time
    agree = (ids[:, [2, 6, 8, 10]] == row[0, [2, 6, 8, 10]]).all(axis=1)
    found = ids[agree, 4]
    assert len(found) > 400
    shares = np.bincount(found, minlength=len(GRAMMAR.words)) / len(found)
    np.testing.assert_allclose(shares, GRAMMAR.best_prediction(row)[0, 4], atol=6 * 0.5 / np.sqrt(len(found)))


def test_bank_belongs_to_two_topics():
    row = GRAMMAR.sample(1, np.random.default_rng(0))[0]
    row[:, 1:] = text.MASK
    row[0, 8] = GRAMMAR.words.index("bank")
    topics = GRAMMAR.kind_given(row).reshape(4, 8).sum(axis=1)
    np.testing.assert_allclose(topics, [0.5, 0.5, 0, 0])


def test_another_order_renumbers_the_words_and_nothing_else():
    order = text.WORDS + np.random.default_rng(0).permutation(len(GRAMMAR.words) - text.WORDS)
    other = data.Grammar(order)
    assert sorted(other.words) == sorted(GRAMMAR.words)
    assert other.words[:4] == list(text.SPECIAL)
    assert other.words != GRAMMAR.words
    ids, kinds = GRAMMAR.sample(50, np.random.default_rng(3))
    others, same_kinds = other.sample(50, np.random.default_rng(3))
    assert (kinds == same_kinds).all()
    number = {word: k for k, word in enumerate(other.words)}
    renumbered = np.vectorize(lambda k: number[GRAMMAR.words[k]])(ids)
    np.testing.assert_allclose(other.kind_given(renumbered), GRAMMAR.kind_given(ids), atol=1e-12)
    assert all(other.tell(row).startswith("[CLS] ") for row in others)


def test_halves_share_no_word_that_shows_a_mood_and_all_others():
    halves = GRAMMAR.halves(np.random.default_rng(0))
    first, second = (half.sample(3000, np.random.default_rng(1))[0] for half in halves)
    for place in range(text.LENGTH):
        one, other = set(first[:, place]), set(second[:, place])
        assert (one.isdisjoint(other) and len(one) == len(other) == 10) if place in text.MOOD_PLACES else one == other
    for half in halves:
        np.testing.assert_allclose(half.tables.sum(axis=-1), 1)


def test_sentences_repeat_with_their_seed():
    (first, words), (again, _), (other, _) = (data.sentences(samples=9, seed=seed) for seed in (1, 1, 2))
    assert words == GRAMMAR.words
    assert (first == again).all()
    assert (first != other).any()


def test_shakespeare_without_a_network_says_what_to_do(monkeypatch):
    def urlretrieve(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", urlretrieve)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: "/nonexistent")
    with pytest.raises(data.DownloadError, match=r'sentences\("grammar"\) needs no network'):
        data.sentences("shakespeare")
    with pytest.raises(ValueError, match="'milton'"):
        data.sentences("milton")


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files at hand")
def test_real_shakespeare(monkeypatch, tmp_path):
    content = (REAL / "tinyshakespeare.txt").read_bytes()
    serve(monkeypatch, tmp_path, {"input.txt": content})
    ids, words = data.sentences("shakespeare", samples=500, seed=0)
    assert ids.shape == (500, 16)
    assert len(words) == 1005
    assert (ids[:, 0] == text.CLS).all()
    assert ids.max() < len(words)
    assert {",", "the", "thou", "[UNK]"} <= set(words)
    serve(monkeypatch, tmp_path / "again", {"input.txt": content + b" "})
    with pytest.raises(data.DownloadError, match="hash"):
        data.sentences("shakespeare")
