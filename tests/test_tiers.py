"""Which tests the gate runs: all cheap ones, those of what has changed, and of the others a third, chosen by the commit."""

import ast
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


FILES = {str(path.relative_to(tiers.COURSE)): path.read_text() for path in (tiers.COURSE / "tests").rglob("test_*.py")}
COSTLY = [name for name, text in FILES.items() if re.search(r"pytest\.mark\.(slow|all_backends)", text)]


def test_every_file_that_costs_much_says_what_it_tests():
    assert {*COSTLY} == {*tiers.TESTED, *tiers.ALWAYS, *(f"tests/test_{unit}.py" for unit in UNITS)}
    for path in {path for paths in tiers.TESTED.values() for path in paths if "{" not in path}:
        assert (tiers.COURSE / path).exists(), path


@pytest.mark.parametrize("file", [name for name in COSTLY if name not in (*tiers.ALWAYS, "tests/test_checks.py")])
def test_what_a_file_imports_is_what_it_tests(file):
    covered = (*tiers.EVERYTHING, *tiers.TESTED.get(file, tiers.SOLUTIONS))
    covered = tuple(path.format(file=file.removeprefix("tests/test_").removesuffix(".py")) for path in covered)
    modules = set()
    for node in ast.walk(ast.parse(FILES[file])):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    places = {module.replace(".", "/") for module in modules if module.partition(".")[0] in ("grader", "course", "solutions")}
    paths = [f"{place}.py" for place in places if (tiers.COURSE / f"{place}.py").is_file()]
    assert [path for path in paths if not path.startswith(covered)] == []


def test_changed_is_what_was_changed_within_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(tiers, "COURSE", tmp_path)
    monkeypatch.setattr(tiers, "git", tiers.git.__wrapped__)
    changed = tiers.changed.__wrapped__
    assert changed() is None  # this is no repository

    def run(*arguments, date="2026-03-03T12:00:00+00:00"):
        environment = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment |= {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        subprocess.run(["git", *arguments], cwd=tmp_path, env=environment, check=True)

    def commit(path, date):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
        run("add", ".")
        run("commit", "-qm", "x", date=date)

    run("init", "-q", "-b", "main")
    commit("grader/cli.py", "2026-03-01T12:00:00+00:00")
    assert changed() is None  # nobody knows what was a day before
    run("checkout", "-qb", "other")
    commit("grader/shown.py", "2026-03-01T13:00:00+00:00")
    run("checkout", "-q", "main")
    commit("solutions/mlp.py", "2026-03-03T12:00:00+00:00")
    commit("tests/test_mlp.py", "2026-03-03T13:00:00+00:00")
    assert changed() == {"solutions/mlp.py", "tests/test_mlp.py"}
    run("mv", "grader/cli.py", "grader/moved.py")
    commit("README.md", "2026-03-04T12:30:00+00:00")
    assert changed() == {"tests/test_mlp.py", "README.md", "grader/cli.py", "grader/moved.py"}
    run("merge", "-q", "--no-edit", "other", date="2026-03-04T12:40:00+00:00")  # of a branch whose commits are older
    assert "grader/shown.py" in changed()
