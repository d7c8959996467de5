"""Which tests the gate runs: all cheap ones, those of what has changed, and of the others a third, chosen by the commit."""

import re
import subprocess
from types import SimpleNamespace

import conftest
import pytest

import tiers
from harness import UNITS

MARKS = {
    "tests/attacks/test_attacks.py::test_one": {"slow"},
    "tests/attacks/test_attacks.py::test_two": {"slow"},
    **{f"tests/test_kernels.py::test_{number}": {"slow"} for number in range(60)},
    "tests/test_checks.py::test_law[mlp-softmax-distance]": {"slow", "all_backends"},
    "tests/test_checks.py::test_law[mlp-relu-distance]": {"slow", "all_backends"},
    "tests/test_checks.py::test_law[mlp-softmax-reference]": {"all_backends"},
    "tests/test_mlp.py::test_softmax": {"all_backends"},
    "tests/test_end_to_end.py::test_class": {"slow"},
    "tests/test_proven.py::test_sample": {"all_backends"},
    "tests/test_judge.py::test_judge": set(),
}


def item(name):
    values = name.partition("[")[2].split("-")
    spec = SimpleNamespace(params=dict(zip(("unit", "exercise"), values, strict=False)))
    return SimpleNamespace(nodeid=name, get_closest_marker=MARKS[name].__contains__, callspec=spec)


@pytest.fixture
def gate(monkeypatch):
    """The names of the tests that run for a commit, some paths of which have changed."""

    def names(commit, *changed, backend="tensorflow"):
        monkeypatch.setenv("TESTS", "sampled")
        monkeypatch.setenv("KERAS_BACKEND", backend)
        monkeypatch.setattr(tiers, "commit", lambda: commit)
        monkeypatch.setattr(tiers, "changed", lambda: frozenset(changed))
        items = [item(name) for name in MARKS]
        config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
        conftest.pytest_collection_modifyitems(config, items)
        return {item.nodeid for item in items}

    return names


def always(runs):
    return set.intersection(*runs)


def test_a_third_of_what_costs_much_is_chosen_by_the_commit(gate):
    runs = [gate(f"commit {number}") for number in range(60)]
    costly = {name for name, marks in MARKS.items() if "slow" in marks and "end_to_end" not in name}
    assert always(runs) == MARKS.keys() - costly
    assert all(8 < sum(name in run for run in runs) < 35 for name in costly)
    assert {sum("attacks" in name for name in run) for run in runs} == {0, 2}  # one class is graded for both
    assert runs[0] == gate("commit 0")


def test_on_another_backend_all_that_computes_costs_much(gate):
    runs = [gate(f"commit {number}", backend="jax") for number in range(60)]
    kept = {"tests/test_end_to_end.py::test_class", "tests/test_proven.py::test_sample", "tests/test_judge.py::test_judge"}
    assert always(runs) == kept


@pytest.mark.parametrize(
    ("path", "due"),
    [
        ("grader/checks/mlp/softmax.csv", "test_law[mlp-softmax"),
        ("grader/running/jobs.py", "test_kernels.py"),
        ("course/probe.py", "test_attacks.py"),
        ("solutions/mlp.py", "test_mlp.py"),
        ("tests/test_mlp.py", "test_mlp.py"),
        ("constraints.txt", ""),
    ],
)
def test_what_has_changed_is_tested(gate, path, due):
    runs = [gate(f"commit {number}", path, backend="jax") for number in range(60)]
    assert {name for name in MARKS if due in name} <= always(runs)
    assert due == "" or len(always(runs)) < len(MARKS)


def test_all_run_where_nobody_asked_and_where_nobody_can_say_what_has_changed(gate, monkeypatch):
    names = gate("commit 0")
    monkeypatch.setattr(tiers, "changed", lambda: None)
    assert len(names) < len(MARKS) and not any(tiers.waits(item(name)) for name in MARKS)
    monkeypatch.delenv("TESTS")
    conftest.pytest_collection_modifyitems(None, [])


def test_every_file_that_costs_much_says_what_it_tests():
    files = {str(path.relative_to(tiers.COURSE)): path.read_text() for path in (tiers.COURSE / "tests").rglob("test_*.py")}
    costly = {name for name, text in files.items() if re.search(r"pytest\.mark\.(slow|all_backends)", text)}
    assert costly == {*tiers.TESTED, *tiers.ALWAYS, *(f"tests/test_{unit}.py" for unit in UNITS)}
    for path in {path for paths in tiers.TESTED.values() for path in paths if "{" not in path}:
        assert (tiers.COURSE / path).exists(), path


def test_changed_is_what_was_changed_within_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(tiers, "COURSE", tmp_path)
    monkeypatch.setattr(tiers, "git", tiers.git.__wrapped__)
    changed = tiers.changed.__wrapped__
    assert changed() is None  # this is no repository

    def commit(path, date):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(date)
        environment = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment |= {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        for command in (["add", "."], ["commit", "-qm", "x"]):
            subprocess.run(["git", *command], cwd=tmp_path, env=environment, check=True)

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit("grader/cli.py", "2026-03-01T12:00:00+00:00")
    assert changed() == {"grader/cli.py"}
    commit("solutions/mlp.py", "2026-03-03T12:00:00+00:00")
    commit("tests/test_mlp.py", "2026-03-03T13:00:00+00:00")
    assert changed() == {"solutions/mlp.py", "tests/test_mlp.py"}
