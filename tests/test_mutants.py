"""Mutants: what is made from a reference, which of them are no mutants, and which reasons are demanded."""

import ast
import math
import os

import numpy as np
import pytest

from course.probe import Call, LayerCall, ModelCall
from grader.errors import CheckError
from grader.handout import init
from grader.proving.broad import Broad, same, widened
from grader.proving.code import Change, Code
from grader.proving.mutants import EQUIVALENT, KILLED, STILLBORN, SURVIVOR, Fate, Mutant, Trial, mutants_of, written_lines
from grader.proving.processes import each
from grader.proving.survivors import file_of, judge_mutants, read_reasons, table, unexplained
from grader.units.shelf import Home, find_unit
from grader.units.splice import Exercise
from harness import UNITS


def exercise(source, run=None):
    """An exercise whose reference is this source, all of it the student's."""
    lines = source.splitlines()
    cell = "\n".join([lines[0], "    ### BEGIN SOLUTION", *lines[1:], "    ### END SOLUTION"])
    return mutants_of(Exercise("answer", 1, source, cell, ()), run)


def bodies(source, run=None):
    """What mutants say in place of a function's only line."""
    return {
        mutant.source.split("\n", 1)[1].strip() for mutant in exercise(f"def answer(x, y=0, mask=None):\n    {source}", run)
    }


@pytest.mark.parametrize(
    ("source", "some"),
    [
        ("return x + y", {"return x - y", "return x * y", "return x", "return y", "return -(x + y)"}),
        ("return (x - 1) / y", {"return y / (x - 1)", "return x - 1", "return (x + 1) / y", "return (x - 0) / y"}),
        ("return x < y", {"return x <= y", "return x > y"}),
        ("return x is not None and y", {"return x is None and y", "return (x is not None) or y", "return y"}),
        ("return not x", {"return x"}),
        ("return ops.sum(x, axis=-1)", {"return ops.mean(x, axis=-1)", "return ops.sum(x)", "return ops.sum(x, axis=-2)"}),
        ("return ops.max(x, keepdims=True)", {"return ops.max(x, keepdims=False)", "return ops.min(x, keepdims=True)"}),
        ("return ops.where(mask, x, -np.inf)", {"return ops.where(~mask, x, -np.inf)", "return ops.where(mask, -np.inf, x)"}),
        ("return ops.transpose(x, (0, 2, 1))", {"return x", "return ops.transpose(x, (2, 0, 1))"}),
        ("return ops.sqrt(x)", {"return x", "return ops.square(x)", "return ops.sqrt(ops.sqrt(x))"}),
        ("return ops.softmax(x)", {"return ops.sigmoid(x)", "return x"}),
        ("return [k for k in range(x)]", {"return [k for k in list(range(x))[1:]]", "return [k for k in list(range(x))[:-1]]"}),
        ("return x[1:y]", {"return x[:y]", "return x[1:]", "return x[1:y - 1]"}),
        ("return x, y", {"return y, x", "return x"}),
        ('return {"a": x, "b": y}', {'return {"a": y, "b": x}'}),
        ('return layers.Conv1D(8, 3, padding="causal")(x)', {'return layers.Conv1D(8, 3, padding="same")(x)', "return x"}),
        ("return layers.Conv1D(8, 3, strides=2)(x)", {"return layers.Conv1D(8, 3, dilation_rate=2)(x)"}),
        ("return layers.Dense(8)(x)", {"return layers.Dense(8, use_bias=False)(x)"}),
        (
            'return ops.einsum("ab,cb->ac", x, y)',
            {'return ops.einsum("ab,cb->ca", x, y)', 'return ops.einsum("ab,bc->ac", x, y)'},
        ),
        ("return x + 1e-6", {"return x + 0.0", "return x"}),
        ("return x", {"y = 0\n    return x", "mask = None\n    return x", "x, y = y, x\n    return x", "return y"}),
    ],
)
def test_what_students_confuse_is_confused(source, some):
    assert some <= bodies(source)


def test_arguments_become_constant_as_their_values_are():
    made = bodies("return x", Call((np.zeros((2, 3)), 7, True)))
    assert {"x = ops.zeros_like(x)\n    return x", "y = 7\n    return x", "mask = True\n    return x"} <= made
    assert "x = {k: ops.zeros_like(v) for k, v in x.items()}\n    return x" in bodies("return x", Call(({"a": np.zeros(2)},)))


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (np.zeros(2), 'x = ops.cast(ops.cast(x, "float16"), x.dtype)'),
        (np.zeros(2, int), "x = x + 1"),
        (np.zeros(2, bool), "x = ops.logical_not(x)"),
    ],
)
def test_arrays_change_as_their_kind_allows(array, first):
    assert f"{first}\n    return x" in bodies("return x", Call((array,)))


def test_sizes_become_constant_as_they_are():
    run = Call((np.zeros((2, 3)), 7))
    assert "return x / 2" in bodies("return x / len(x)", run)
    assert "return x / 3" in bodies("return x / x.shape[1]", run)
    assert "a, b = (2, x.shape[1]); return a" in bodies("a, b = x.shape; return a", run)


def test_dicts_are_read_by_position():
    run = Call(({"b": np.zeros(2), "a": np.ones(2)}, {"b": 1, "a": 2}))
    made = bodies("return x['a'] + y['a']", run)
    assert "x = dict(zip(['b', 'a'], x.values()))\n    return x['a'] + y['a']" in made
    assert "y = dict(zip(x, y.values()))\n    return x['a'] + y['a']" in made


def test_mutants_differ_are_named_apart_and_can_be_read_by_python():
    for unit in UNITS.values():
        for name, found in unit.text.exercises.items():
            made = mutants_of(found)
            trees = {ast.dump(ast.parse(mutant.source)) for mutant in made}
            assert len(trees) == len({mutant.name for mutant in made}) == len(made) > 5, name
            assert ast.dump(ast.parse(found.reference)) not in trees


def test_only_what_students_write_is_changed():
    found = UNITS["attention"].text.exercises["MultiHeadAttention"]
    written, lines = written_lines(found), found.reference.splitlines()
    assert "def split(x):" in lines[written[0] - 1 + next(k for k, n in enumerate(written) if "def split" in lines[n - 1])]
    for mutant in mutants_of(found):
        given, changed = found.reference.partition("    def call(")[0], mutant.source.partition("    def call(")[0]
        assert given == changed
        assert mutant.source.partition("    def compute_mask(")[2] == found.reference.partition("    def compute_mask(")[2]


def test_text_that_is_not_ascii_is_replaced_where_it_stands():
    code = Code('def answer(x):\n    """√"""\n    return "é" + x * 2  # ×\n')
    (two,) = [node for node in code.written() if isinstance(node, ast.Constant) and node.value == 2]
    assert code.changed([code.swap(two, "3")]) == code.source.replace("2", "3")
    assert code.changed([Change(0, 3, "async def")]).startswith("async def answer")


# --- broad inputs ---


@pytest.mark.parametrize("unit", ["mlp", "attention"])
def test_broad_inputs_are_drawn_by_the_seed_and_are_of_many_sizes(unit):
    for name in ("softmax", "affine") if unit == "mlp" else ("split_heads",):
        check = UNITS[unit].check(name)
        runs = [widened(check.draw(np.random.default_rng(seed))[0].run, np.random.default_rng(seed)) for seed in range(200)]
        assert len({np.shape(run.args[0]) for run in runs}) > 3
        again = widened(check.draw(np.random.default_rng(3))[0].run, np.random.default_rng(3))
        assert all(np.array_equal(one, two) for one, two in zip(runs[3].args, again.args, strict=True))


def test_sizes_change_together_and_kinds_stay():
    run = LayerCall(
        (np.ones((4, 3), "float32"),), {"mask": np.array([[True, False]])}, init={"units": 3}, weights={"k": np.ones((3, 2))}
    )
    for seed in range(200):
        new = widened(run, np.random.default_rng(seed))
        assert type(new) is LayerCall
        assert new.args[0].dtype == np.float32
        assert new.args[0].min() >= 0
        assert new.kwargs.get("mask", np.ones((1, 1))).any(axis=-1).all()
    model = ModelCall((3,), inputs={"x": np.ones((2, 3))}, weights=(np.ones((3, 1)),))
    assert all(set(widened(model, np.random.default_rng(seed)).inputs) == {"x"} for seed in range(20))


def test_rounding_is_no_difference_and_nan_and_shapes_are():
    one = {"result": np.array([1.0, 1000.0])}
    assert same({"result": np.array([1.0 + 1e-3, 1000.0])}, one)
    assert not same({"result": np.array([1.0, 1001.0])}, one)
    assert not same({"result": np.array([np.nan, 1000.0])}, one)
    assert not same({"result": np.array([[1.0, 1000.0]])}, one)
    assert not same({}, one)


def test_where_the_reference_raises_or_gives_nan_nothing_is_compared():
    check = UNITS["mlp"].check("relu")
    assert list(Broad(check, lambda z: 1 / 0, 5)) == []
    assert list(Broad(check, lambda z: np.full(3, np.nan), 5)) == []
    broad = Broad(check, lambda z: np.maximum(z, 0), 20)
    assert len(list(broad)) == 20
    assert next(iter(broad)) is next(iter(broad))
    assert broad.difference(lambda z: np.maximum(0, z)) is None
    assert broad.difference(lambda z: np.abs(z)) is not None
    assert broad.difference(lambda z: 1 / 0) is not None


# --- what becomes of them ---


def mutant(source, name="a mutant"):
    return Mutant(name, 1, "", "", source)


def test_a_mutant_is_killed_survives_is_none_or_raises():
    trial = Trial(UNITS["mlp"], "count_params", draws=40)
    right = "def count_params(sizes):\n    return sum(a * b + b for a, b in zip(sizes, sizes[1:]))"
    assert trial.fate(mutant(right)).end == EQUIVALENT
    killed = trial.fate(mutant(right.replace("+ b", "")))
    assert (killed.end, killed.passed, killed.named) == (KILLED, 0, True)
    assert trial.fate(mutant("def count_params(sizes):\n    return 1 / 0")).end == STILLBORN
    assert trial.fate(mutant("def something_else(sizes):\n    return 1")).end == STILLBORN
    only_small = right.replace("return ", "return -1 if max(sizes) > 10**6 and len(sizes) == 1 else ")
    assert trial.fate(mutant(only_small)).end == EQUIVALENT


def test_a_mutant_that_never_ends_is_killed(monkeypatch):
    from grader.proving import mutants

    monkeypatch.setattr(mutants, "SECONDS", 0.2)
    fate = Trial(UNITS["mlp"], "count_params", draws=10).fate(mutant("def count_params(sizes):\n    while True:\n        pass"))
    assert (fate.end, fate.sentence) == (KILLED, "takes too long")


def test_reasons_are_read_and_faults_in_them_named(tmp_path):
    file = tmp_path / "softmax.survivors"
    assert read_reasons(file) == {}
    file.write_text("`1` → `2` in `x = 1`\n    Because\n    it is so.\n\nanother\n    Why not.\n")
    assert read_reasons(file) == {"`1` → `2` in `x = 1`": "Because it is so.", "another": "Why not."}
    for text, said in (
        ("  alone\n", "expected a mutant's name"),
        ("a\n", "expected a reason"),
        ("a\n b\na\n c\n", "there twice"),
    ):
        file.write_text(text)
        with pytest.raises(CheckError, match=said):
            read_reasons(file)


def test_a_survivor_needs_a_reason_and_a_reason_a_survivor(tmp_path):
    init.begin(tmp_path, [], [], ["tiny"], [])
    unit = Home.in_folder(tmp_path).get("tiny")
    (name, *_) = unit.text.exercises
    fates = [Fate(mutant("", "lives"), SURVIVOR, 4, 4), Fate(mutant("", "dies"), KILLED, 0, 4)]
    assert [line.splitlines()[0] for line in unexplained(unit, name, fates)] == ["survivor, all points on 4 of 4: lives"]
    file_of(unit, name).write_text("lives\n    It may.\n")
    assert unexplained(unit, name, fates) == []
    file_of(unit, name).write_text("lives\n    It may.\ndies\n    It may.\n")
    assert unexplained(unit, name, fates) == ["explained, but no survivor: dies"]


def test_a_task_that_its_process_dies_with_gives_none_and_the_others_go_on():
    assert dict(each(math.sqrt, [4.0, 9.0], "jax", 2)) == {4.0: 2.0, 9.0: 3.0}
    assert list(each(os._exit, [1], "jax", 1)) == [(1, None)]


@pytest.mark.slow
def test_mutants_are_judged_in_processes_of_an_own_unit_too(tmp_path):
    from rich.console import Console

    init.begin(tmp_path, [], [], ["tiny"], [])
    unit = find_unit(tmp_path, "tiny")
    (name, *_) = unit.text.exercises
    judged = judge_mutants(tmp_path, [unit], name, "tensorflow", 20, 1, False, Console(quiet=True))
    fates = judged["tiny", name]
    assert len(fates) == len(Trial(unit, name).mutants())
    assert sum(fate.end in (KILLED, STILLBORN) for fate in fates) > len(fates) / 2
    assert table(judged).row_count == 1
