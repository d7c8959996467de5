"""Which tests the gate runs: all of them, or of the platform's slow ones a part, where nothing but units has changed."""

import subprocess
from types import SimpleNamespace

import conftest
import pytest

import harness

ITEMS = {
    "tests/attacks/test_attacks.py::test_one": {"slow"},
    "tests/attacks/test_attacks.py::test_two": {"slow"},
    **{f"tests/test_kernels.py::test_{number}": {"slow"} for number in range(60)},
    "tests/test_checks.py::test_law[distance]": {"slow", "all_backends"},
    "tests/test_end_to_end.py::test_class": {"slow"},
    "tests/test_judge.py::test_judge": set(),
}


def kept(monkeypatch, commit, changed=False):
    monkeypatch.setenv("SLOW", "sampled")
    monkeypatch.setattr(harness, "commit", lambda: commit)
    monkeypatch.setattr(harness, "platform_changed", lambda: changed)
    items = [
        SimpleNamespace(nodeid=name, get_closest_marker=marks.__contains__, path=harness.COURSE / name.partition("::")[0])
        for name, marks in ITEMS.items()
    ]
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
    conftest.pytest_collection_modifyitems(config, items)
    return [item.nodeid for item in items]


def test_a_third_of_what_tests_the_platform_is_chosen_by_the_commit(monkeypatch):
    runs = [kept(monkeypatch, f"commit {number}") for number in range(60)]
    for name, marks in ITEMS.items():
        times = sum(name in run for run in runs)
        assert 5 < times < 40 if marks == {"slow"} and "end_to_end" not in name else times == 60, name
    attacks = [[name for name in run if "attacks" in name] for run in runs]
    assert {len(names) for names in attacks} == {0, 2}  # one class is graded for both
    assert runs[0] == kept(monkeypatch, "commit 0")


def test_all_run_where_the_platform_has_changed_and_where_nobody_asked(monkeypatch):
    assert kept(monkeypatch, "commit 0", changed=True) == [*ITEMS]
    monkeypatch.setattr(harness, "platform_changed", lambda: pytest.fail("asked"))
    monkeypatch.delenv("SLOW")
    conftest.pytest_collection_modifyitems(None, [])


def test_a_unit_is_not_the_platform(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "COURSE", tmp_path)
    assert harness.platform_changed()  # nobody can say: this is no repository

    def commit(path, date):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(date)
        environment = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment |= {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        for command in (["add", "."], ["commit", "-qm", "x"]):
            subprocess.run(["git", *command], cwd=tmp_path, env=environment, check=True)

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit("grader/cli.py", "2026-03-01T12:00:00+00:00")
    assert harness.platform_changed()
    for path in ("course/units/mlp.py", "grader/checks/mlp/relu.py", "solutions/mlp.py", "README.md", "tests/test_mlp.py"):
        commit(path, "2026-03-03T12:00:00+00:00")
    assert not harness.platform_changed()
    commit("tests/test_judge.py", "2026-03-03T13:00:00+00:00")
    assert harness.platform_changed()
    commit("solutions/mlp.py", "2026-03-03T14:00:00+00:00")
    assert harness.platform_changed()  # within the day
