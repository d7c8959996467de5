"""Contracts: what is asked beside the values, such as whether a model has learned what it knows."""

import dataclasses
import json
import threading

import keras
import numpy as np
import pytest
from cheats import CHEATS
from keras import layers, ops

from course import data, probe
from course.probe import ANEW, FIRST, Call, ModelCall
from grader.judging import Bar, Case, Check
from grader.judging.bars import bars_of
from grader.judging.contracts import INTEGER, KEPT, LEARNED, NOT_COMPILED, PAST, SAME_SEED, booleans, doubles, indices
from grader.judging.judge import RIGHT, runs_of
from grader.proving.rehearsal import rehearse
from harness import UNITS, grade

pytestmark = pytest.mark.all_backends


@pytest.mark.parametrize("name", CHEATS)
def test_what_only_looks_trained_earns_nothing_and_reads_why(name):
    unit, exercise, source, said = CHEATS[name]
    verdict, _ = grade(unit, exercise, source)
    assert verdict.points == 0
    assert said in verdict.sentence


def test_every_exercise_that_trains_asks_whether_anything_was_learned_and_whether_the_seed_counts():
    # But where weights come from a file: rounding differs from run to run on PyTorch, and Adam makes steps of tiny gradients.
    loaded = {"train_fine_tuned"}
    for unit in UNITS.values():
        for name, check in unit.checks().items():
            assert (LEARNED in check.contracts) == bool(bars_of(check)), name
            seeded = SAME_SEED.part in {contract.part for contract in check.contracts}
            assert seeded == (bool(bars_of(check)) and name not in loaded), name


@pytest.mark.parametrize("unit", UNITS)
def test_contracts_add_and_change_nothing_that_is_measured(unit):
    for name, check in UNITS[unit].checks().items():
        if not check.contracts:
            continue
        alone = dataclasses.replace(check, contracts=())
        own, drawn = alone.draw(np.random.default_rng(1)), check.draw(np.random.default_rng(1))
        assert [case.part for case in drawn] == [*(case.part for case in own), *(c.part for c in check.contracts)], name
        for before, after in zip(own, drawn, strict=False):
            assert (before.weight, before.shapes) == (after.weight, after.shapes)
            if isinstance(before.run, ModelCall):
                inputs = {name: after.run.inputs[name] for name in before.run.inputs}
                assert probe.encode((before.run.args, before.run.inputs)) == probe.encode((after.run.args, inputs))
        with_runs = {SAME_SEED.part, KEPT.part} & {contract.part for contract in check.contracts}
        assert len(runs_of(drawn)) == len(runs_of(own)) + len(with_runs), name


# --- with weights drawn anew ---

X = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")


def collect(answer, run):
    (found,) = json.loads(json.dumps(probe.collect(answer, [run])))["runs"]
    return probe.decode(found["arrays"])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.norm = layers.Dense(8), layers.BatchNormalization()
        self.drop, self.score = layers.Dropout(0.5, seed=1), layers.Dense(3)
        self.hidden.trainable = False

    def call(self, x, training=False):
        x = self.drop(self.norm(self.hidden(x), training=training), training=training)
        return {"scores": self.score(x), "twice": (2 * self.score(x))}


def functional():
    x = keras.Input((4,))
    scores = layers.Dense(3)(layers.BatchNormalization()(layers.Dense(8, activation="relu")(x)))
    return keras.Model(x, (scores, 2 * scores))


@pytest.mark.parametrize("make", [Subclassed, functional])
def test_a_model_whose_weights_are_drawn_anew_answers_otherwise_and_its_other_evidence_stays(make):
    run = ModelCall(inputs={"x": X, "y": X[:5]}, returns=("scores", "twice"))
    asked = ModelCall(inputs=run.inputs, returns=run.returns, anew=("x",))
    keras.utils.set_random_seed(0)
    plain = collect(make, run)
    keras.utils.set_random_seed(0)
    more = collect(make, asked)
    assert more.keys() - plain.keys() == {f"{ANEW}x.scores", f"{ANEW}x.twice"}
    assert more.pop("trainable") >= plain.pop("trainable") > 0
    for name, array in plain.items():
        np.testing.assert_array_equal(more[name], array)
    new, old = more[f"{ANEW}x.scores"], more["x.scores"]
    assert np.isfinite(new).all()
    assert not np.allclose(new, old, atol=0.01)
    np.testing.assert_allclose(more[f"{ANEW}x.twice"], 2 * new, rtol=1e-5)


def test_whole_numbers_stay_and_variances_stay_positive():
    model = functional()
    seeds = layers.Dropout(0.5).seed_generator.state
    model.add_weight(shape=(2,), initializer="ones", dtype="int32", trainable=False, name="whole")
    before = [ops.convert_to_numpy(weight) for weight in model.weights]
    assert probe._draw_anew(model, probe._variables()) == sum(weight.size for weight in before if weight.dtype.kind == "f")
    for old, weight in zip(before, model.weights, strict=True):
        new = ops.convert_to_numpy(weight)
        assert new.dtype == old.dtype
        assert (new == old).all() == (weight.name == "whole" or not old.any())
        assert "variance" not in weight.name or (new > 0).all()
    assert "int" in keras.backend.standardize_dtype(seeds.dtype)


class Holder:
    """Not Keras's, which does not look into it."""

    def __init__(self, held):
        self.held = held


class Closed(keras.Model):
    def __init__(self, call):
        super().__init__()
        self.holder = Holder(call)

    def call(self, x):
        return self.holder.held(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda net: keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: net(x) / 2)]),
        lambda net: Closed(lambda x: net(x)),
        lambda net: Closed(net),
    ],
)
def test_weights_are_drawn_anew_whoever_holds_them(make):
    kept = keras.Variable(np.ones(3, "float32"))

    def answer():
        net = functional()
        return make(keras.Model(net.input, net.outputs[0]))

    found = collect(answer, ModelCall(inputs={"x": X}, anew=("x",)))
    assert not np.allclose(found[f"{ANEW}x"], found["x"], atol=0.01) and found["trainable"] > 0
    np.testing.assert_array_equal(ops.convert_to_numpy(kept), 1)  # which was there before


def test_a_model_that_cannot_do_with_other_weights_predicts_nothing_then():
    class Proud(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")

        def call(self, x):
            if abs(float(ops.convert_to_numpy(self.scale)[0]) - 1) > 1e-3:
                raise ValueError("not my weights")
            return x * self.scale

    found = collect(Proud, ModelCall(inputs={"x": X}, anew=("x",)))
    np.testing.assert_array_equal(found["x"], X)
    assert np.isnan(found[f"{ANEW}x"]).all()


# --- what a contract is to the judge ---


def judged(answer, **contract):
    y = X @ np.array([[1.0], [-2.0], [3.0], [0.5]], dtype="float32")
    bar = Bar(-0.1, lambda arrays: -float(np.abs(arrays["x"] - y).max()), len(y))

    def cases(rng):
        run = ModelCall((X, y), numpy=True, inputs={"x": X})
        return [Case("fit", run, accept=bar, shapes={"x": (50, 1)})]

    check = Check(cases, mistakes={}, alternatives=(), contracts=(dataclasses.replace(LEARNED, **contract),))
    return rehearse(check, answer, np.random.default_rng(0))


def solved(x, y):
    model = keras.Sequential([layers.Dense(1, use_bias=False)])
    model.build(x.shape)
    model.set_weights([np.linalg.lstsq(x, y)[0]])
    return model


def kept(x, y):
    known = np.linalg.lstsq(x, y)[0]

    class Kept(keras.Model):
        def call(self, x):
            return ops.matmul(x, known)

    return Kept()


def test_a_contract_that_is_required_voids_all_and_another_one_costs_its_weight():
    verdict, _ = judged(solved)
    assert (verdict.points, verdict.sentence) == (100, RIGHT)
    verdict, _ = judged(kept)
    assert (verdict.points, verdict.sentence) == (0, LEARNED.sentence)
    verdict, _ = judged(kept, required=False, weight=1)
    assert (verdict.points, verdict.sentence) == (50, LEARNED.sentence)
    verdict, found = judged(lambda x, y: keras.Sequential([layers.Dense(1)]), required=False, weight=1)
    assert (verdict.points, found.failed) == (0, {"fit"})  # whoever has learned nothing has nothing to lose


def test_a_contract_on_training_needs_a_bar():
    check = Check(lambda rng: [Case("values", Call((X,)))], lambda x: x, mistakes={}, alternatives=(), contracts=(LEARNED,))
    with pytest.raises(ValueError, match="needs a part with a Bar"):
        check.draw(np.random.default_rng(0))


# --- the past alone ---


@pytest.mark.parametrize(
    ("layer", "kept"),
    [
        (lambda: layers.GRU(8, return_sequences=True), True),
        (lambda: layers.Conv1D(8, 5, padding="causal"), True),
        (lambda: layers.Bidirectional(layers.GRU(8, return_sequences=True)), False),
        (lambda: layers.Conv1D(8, 3, padding="same"), False),
        (lambda: layers.Lambda(lambda x: x - ops.mean(x, axis=1, keepdims=True)), False),
    ],
    ids=["recurrent", "causal convolution", "both directions", "centred convolution", "less the mean"],
)
def test_what_comes_later_changes_nothing_before(layer, kept):
    def answer(ids, letters, seed):
        return keras.Sequential([layers.Embedding(letters, 4), layer(), layers.Dense(letters)])

    check = UNITS["rnn"].check("train_letter_model")
    _, found = rehearse(check, answer, np.random.default_rng(0))
    assert (PAST.part not in found.failed) == kept


# --- the seed ---


def seeded(when):
    """A model whose seed is set before its weights are made, or after, or never."""

    def answer(x, y, seed):
        if when == "before":
            keras.utils.set_random_seed(seed)
        model = keras.Sequential([layers.Dense(1)])
        model.build(x.shape)
        if when == "after":
            keras.utils.set_random_seed(seed)
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
        return model

    return answer


@pytest.mark.parametrize(("when", "kept"), [("before", True), ("after", False), ("never", False)])
def test_the_same_seed_gives_the_same_model(when, kept):
    def cases(rng):
        run = ModelCall((X, X[:, :1], 7), numpy=True, inputs={"x": X})
        return [Case("fit", run, accept=Bar(0.0, lambda arrays: 1.0, 50), shapes={"x": (50, 1)})]

    check = Check(cases, mistakes={}, alternatives=(), contracts=(dataclasses.replace(SAME_SEED, weight=1),))
    verdict, _ = rehearse(check, seeded(when), np.random.default_rng(0))
    assert (verdict.points, verdict.sentence) == ((100, RIGHT) if kept else (50, SAME_SEED.sentence))


def answering(lengths, after=lambda model, losses: None):
    def answer(x, y):
        model = keras.Sequential([layers.Dense(1)])
        model.compile("sgd", "mse")
        losses = model.fit(x, y, 10, 5, verbose=0).history["loss"]
        lengths.append(len(losses))
        after(model, losses)
        x *= 0  # which the second model must not be handed
        return model

    return answer


def divide_by_nothing(model, losses):
    model.layers[0].bias.assign([np.float32(0) / np.float32(len(losses) - 2)])


TWICE = probe.Twice((X, X[:, :1]), numpy=True, inputs={"x": X})


@pytest.mark.parametrize(
    ("after", "trained"),
    [
        (lambda model, losses: None, [2, 2]),
        (lambda model, losses: losses[4], [2, 5, 5]),
        pytest.param(divide_by_nothing, [2, 2, 5, 5], marks=pytest.mark.filterwarnings("ignore:invalid value")),
    ],
)
def test_two_models_are_trained_for_a_few_epochs_unless_they_need_more(after, trained):
    fit, lengths = keras.Model.fit, []
    found = collect(answering(lengths, after), TWICE)
    assert lengths == trained
    assert keras.Model.fit is fit
    assert np.isfinite(found[f"{FIRST}x"]).all()


def test_what_a_notebook_has_made_of_fit_stays(monkeypatch):
    def fit(model, *args, **kwargs):
        return original(model, *args, **kwargs)

    original = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", fit)
    collect(answering([]), TWICE)
    assert vars(keras.Model)["fit"] is fit


def test_a_model_that_is_trained_again_is_compiled_then():
    eagerly = []

    class Watched(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            eagerly.append(not isinstance(x, keras.KerasTensor) and "SymbolicTensor" not in type(x).__name__)
            return self.dense(x)

    def answer(x, y):
        model = Watched()
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=50, verbose=0)
        eagerly.clear()
        for _ in range(3):
            model.fit(x, y, batch_size=50, verbose=0)
        assert model.run_eagerly is False
        return model

    collect(answer, TWICE)
    assert keras.backend.backend() != "tensorflow" or not any(eagerly[:1])


def test_an_encoder_that_was_trained_is_not_handed_over_again():
    given = []

    def answer(encoder, x, seed):
        given.append(encoder)
        return keras.Sequential([layers.Dense(1)])

    (encoder, *_), *_ = (case.run.args for case in UNITS["bert"].check("train_fine_tuned").draw(np.random.default_rng(0)))
    probe.collect(answer, [probe.Twice((encoder, X, 1), inputs={"x": X})])
    assert given[0] is not given[1]


# --- what is handed over, and what comes back ---


def contracted(contract, answer, *args, of=(), **options):
    """What is said of an answer whose values are right."""
    case = Case("values", Call(args, returns=of, **options))
    check = Check(lambda rng: [case], answer, mistakes={}, alternatives=(), contracts=(contract,))
    return rehearse(check, answer, np.random.default_rng(0))[0].sentence


def spoils(change):
    def answer(x):
        total = float(sum(x.values()).sum() if isinstance(x, dict) else sum(x))
        change(x)
        return total

    return answer


@pytest.mark.parametrize(
    ("x", "change"),
    [
        (lambda: np.ones(3), lambda x: x.__imul__(2)),
        (lambda: {"a": np.ones(3)}, lambda x: x.update(a=np.zeros(3))),
        (lambda: {"a": np.ones(3)}, lambda x: x["a"].fill(0)),
        (lambda: {"a": np.ones(3)}, lambda x: x.clear()),
        (lambda: {"a": np.ones(3)}, lambda x: x.update(b=np.ones(3))),
        (lambda: [1, 2, 3], lambda x: x.pop()),
        (lambda: [1, 2, 3], lambda x: x.reverse()),
    ],
)
def test_who_changes_the_arguments_reads_it_and_nobody_else_does(x, change):
    assert contracted(KEPT, spoils(change), x(), numpy=True) == KEPT.sentence
    assert contracted(KEPT, spoils(lambda x: None), x(), numpy=True) == RIGHT


@pytest.mark.parametrize(
    ("contract", "right", "wrong"),
    [
        (INTEGER, lambda x: np.int32(len(x)), lambda x: float(len(x))),
        (booleans(lambda x: x.shape), lambda x: ops.greater(x, 0), lambda x: ops.cast(ops.greater(x, 0), "int32")),
        (doubles(lambda x: {"result": x.shape}), lambda x: 2 * np.arange(3.0), lambda x: 2 * np.arange(3, dtype="float32")),
    ],
)
def test_numbers_of_the_wrong_kind_are_named(contract, right, wrong):
    assert contracted(contract, right, np.arange(3.0)) == RIGHT
    assert contracted(contract, wrong, np.arange(3.0)) == contract.sentence


def test_indices_that_are_floats_are_named_with_their_name():
    def report(kind):
        return lambda x: {"most": x.max(), "where": np.asarray([x.argmax()], dtype=kind)}

    contract, of = indices("where", lambda x: (1,)), ("most", "where")
    assert contracted(contract, report("int64"), np.arange(3.0), of=of, numpy=True) == RIGHT
    assert contracted(contract, report("float32"), np.arange(3.0), of=of, numpy=True) == contract.sentence
    assert "`where`" in contract.sentence


def test_a_compiled_model_is_named():
    check = UNITS["cnn"].check("build_cnn")
    assert NOT_COMPILED in check.contracts
    built = UNITS["cnn"].text.exercises["build_cnn"].reference.replace("return keras.Model(", "return compiled(")
    compiled = "def compiled(*args):\n    model = keras.Model(*args)\n    model.compile('sgd', 'mse')\n    return model\n\n\n"
    assert "compiled(" in built
    verdict, _ = grade("cnn", "build_cnn", compiled + built)
    assert verdict.sentence == NOT_COMPILED.sentence


# --- generators are for looking ---

GENERATORS = {
    "scrambled": lambda: data.scrambled(2, 3, 4, [2, 0, 1], 0),
    "recall": lambda: data.recall(2, 3, 4, 5, 0),
    "Prose": lambda: data.Prose(),
    "Prose, made before": lambda known=data.Prose(): known.write(3, np.random.default_rng(0)),  # noqa: B008
    "Stories": lambda: data.Stories(),
    "Stories, made before": lambda known=data.Stories(): known.pairs(3, np.random.default_rng(0)),  # noqa: B008
    "mnist1d": lambda: data.mnist1d(20, 10),
    "mnist1d_curves": lambda: data.mnist1d_curves(np.arange(3), np.random.default_rng(0)),
    "Grammar": lambda: data.Grammar(),
    "Grammar, made before": lambda known=data.Grammar(): known.sample(3, np.random.default_rng(0)),  # noqa: B008
    "tables, made before": lambda known=data.Grammar(): known.tables,  # noqa: B008
    "sentences": lambda: data.sentences("grammar", 5),
}
DETOURS = {
    "plainly": lambda use: use(),
    "in a thread": lambda use: in_thread(use),
    "in a layer": lambda use: layers.Lambda(lambda x: x + 0.0 * len(str(use())))(X),
    "in a generator": lambda use: next(use() for _ in range(1)),
}


def in_thread(use):
    found = []

    def run():
        try:
            found.append(use())
        except RuntimeError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], RuntimeError):
        raise found[0]


@pytest.mark.parametrize("detour", DETOURS)
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_of_judged_data_refuses_an_answer_and_nobody_else(name, detour):
    use, ask = GENERATORS[name], DETOURS[detour]
    ask(use)
    (found,) = probe.collect(lambda: ask(use) or 1.0, [Call()])["runs"]
    assert "is for looking at data, not for answers" in found["error"]
    ask(use)


def test_what_is_for_looking_looks_as_before():
    assert data.scrambled.__name__ == "scrambled"
    assert "permutation" in data.scrambled.__doc__
    assert not hasattr(data.scrambled, "__wrapped__")
    assert isinstance(data.Grammar(), data.Grammar)
