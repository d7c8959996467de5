"""Bars of trained models: each stands where the committed measurements put it, and the table is kept as it should be."""

import dataclasses

import numpy as np
import pytest

from grader.checks.attention import train_unscrambler
from grader.checks.mlp import train_classifier
from grader.errors import CheckError
from grader.judging import Bar
from grader.judging.classifiers import CHANCE
from grader.proving import calibrate
from grader.proving.measurements import REFERENCE, SEEDS, Row, demands, read_table, write_rows
from harness import UNITS

TRAINED = [(unit.name, name) for unit in UNITS.values() for name in calibrate.trained_exercises(unit)]


# --- the committed tables ---


@pytest.mark.parametrize(("unit", "exercise"), TRAINED)
def test_bars_are_where_the_measurements_of_the_code_as_it_is_put_them(unit, exercise):
    assert calibrate.complaints(UNITS[unit], exercise) == []


# --- bars ---


def row(**changes):
    base = Row("train", "accuracy", "reference", "jax", "abc", 100, 4000, mean=0.65, sd=0.01, min=0.6, max=0.7)
    return dataclasses.replace(base, **changes)


ENOUGH = [row(backend=backend) for backend in SEEDS] + [row(variant="linear", mean=0.3, max=0.35)]


def bar(least, judged=4000):
    return Bar(least, lambda arrays: float(arrays["x"].mean()), judged)


def test_a_bar_accepts_from_its_least_on_and_never_nan():
    assert bar(0.5)({"x": np.array([0.5])})
    assert not bar(0.5)({"x": np.array([0.49])})
    assert not bar(0.5)({"x": np.array([np.nan])})


def test_demands_are_met_between_baseline_and_reference():
    assert demands(bar(0.5), ENOUGH) == []


@pytest.mark.parametrize(
    ("least", "rows", "complaint"),
    [
        (0.61, ENOUGH, "less than 5 sd under"),
        (0.5, [*ENOUGH, row(variant="alternative 2", sd=0.04)], "of 'alternative 2'"),
        (0.34, ENOUGH, "reached by 'linear'"),
        (0.5, ENOUGH[1:], "no measurement of the reference on tensorflow"),
        (0.5, ENOUGH[:-1], "no weak baseline"),
        (0.5, [row(backend="tensorflow", seeds=99), *ENOUGH[1:]], "99 seeds"),
        (0.5, [row(backend="tensorflow", judged=400), *ENOUGH[1:]], "400 predictions"),
        (0.5, [row(backend="tensorflow", mean=0.52), *ENOUGH[1:]], "under 0.5200"),
    ],
)
def test_demands_name_what_is_wrong(least, rows, complaint):
    found = demands(bar(least), rows)
    assert found
    assert all(complaint in sentence for sentence in found)


# --- writing the table ---


def test_table_keeps_what_it_holds_and_replaces_what_is_measured_anew(tmp_path):
    table = tmp_path / "table.md"
    assert read_table(table) == []
    write_rows(ENOUGH, table)
    write_rows([row(mean=0.1234, seeds=7)], table)
    found = {r.key: r for r in read_table(table)}
    assert len(found) == len(ENOUGH)
    assert found[row().key] == row(mean=0.1234, seeds=7)
    assert found[ENOUGH[-1].key] == ENOUGH[-1]
    assert [file.name for file in tmp_path.iterdir()] == ["table.md"]


def test_calibrate_measures_every_variant_and_writes_after_each(tmp_path, monkeypatch):
    table = tmp_path / "table.md"
    known = []

    def measured(unit, exercise, answer, seed):
        known.append(len(read_table(table)))
        return {"accuracy": seed / 10}

    monkeypatch.setattr(calibrate, "measure", measured)
    rows = calibrate.calibrate(UNITS["mlp"], seeds=11, exercises=["train_classifier"], table=table)
    others = [f"alternative {k}" for k in range(1, len(train_classifier.CHECK.alternatives) + 1)]
    assert [r.variant for r in rows] == [REFERENCE, *others, *train_classifier.BASELINES]
    assert (rows[0].seeds, rows[1].seeds) == (11, 5)
    assert rows[0].mean == pytest.approx(0.5)
    assert rows[0].sd == pytest.approx(np.std(np.arange(11) / 10, ddof=1))
    assert (rows[0].min, rows[0].max) == (0, 1)
    assert known[:12] == [0] * 11 + [1]
    assert len(read_table(table)) == len(rows)


def test_calibrate_names_an_exercise_without_a_bar(tmp_path):
    with pytest.raises(CheckError, match="no bar in the check of 'softmax'; there is one for train_classifier"):
        calibrate.calibrate(UNITS["mlp"], exercises=["softmax"], table=tmp_path / "table.md")


# --- what the two checks draw ---


def test_hidden_orders_are_neither_symmetric_nor_a_rotation():
    for seed in range(200):
        order = train_unscrambler.hidden_order(np.random.default_rng(seed))
        places = np.arange(train_unscrambler.LENGTH)
        assert sorted(order) == places.tolist()
        assert (order != places).all()
        assert (order[order] != places).all()
        assert not np.array_equal(np.roll(order, 1), (order + 1) % train_unscrambler.LENGTH)


def test_every_token_of_the_vocabulary_occurs_in_the_training_data():
    for seed in range(20):
        case = train_unscrambler.cases(np.random.default_rng(seed))[0]
        vocabulary = case.shapes["fresh.logits"][-1]
        assert set(np.unique(case.run.args[0])) == set(range(vocabulary))


def test_an_affine_map_does_not_bend_and_a_network_does():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20, 40))
    inputs = {"a": a, "b": b, "a + b": a + b, "0": np.zeros_like(a)}
    kernel = rng.normal(size=(40, 10))
    affine = {name: (x @ kernel + 3).astype("float32") for name, x in inputs.items()}
    assert not train_classifier.bends(affine)
    assert not train_classifier.bends({name: np.zeros((20, 10)) for name in inputs})
    assert not train_classifier.bends({name: np.full((20, 10), np.nan) for name in inputs})
    assert train_classifier.bends({name: np.maximum(z, 0) for name, z in affine.items()})


def test_an_oracle_earns_all_and_every_blind_guess_fails_on_accuracy():
    case = next(c for c in train_classifier.cases(np.random.default_rng(3)) if c.part == "accuracy")
    rng = np.random.default_rng(0)
    guesses = [case.accept.measure({"fresh": rng.normal(size=(train_classifier.JUDGED, 10))}) for _ in range(20)]
    assert max(guesses) < CHANCE


@pytest.mark.slow
def test_pretraining_writes_an_encoder(tmp_path):
    import keras

    from grader.handout.pretrain import pretrain

    file = pretrain(UNITS["bert"], samples=128, file=tmp_path / "encoder.keras")
    encoder = keras.saving.load_model(file)
    assert encoder.output_shape == (None, 11, 32)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.keras"]
