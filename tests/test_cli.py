"""The commands' errors: what was wrong and what to do, and nothing overwritten."""

import logging
import stat

import pytest

from course import probe
from grader.classroom.coursedir import read_config, read_secret
from grader.classroom.records import Record, read_record, record_path, write_record
from grader.errors import CourseError
from grader.judging.judge import Verdict
from harness import call


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    call("secret", "--course", tmp_path)
    path = tmp_path / ".course-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = read_secret(tmp_path)
    assert "would give every submission other inputs" in call("secret", "--course", tmp_path, code=1)
    assert read_secret(tmp_path) == first
    assert len(first) == 64


def test_a_missing_or_short_secret_is_an_error(tmp_path):
    with pytest.raises(CourseError, match="is missing"):
        read_secret(tmp_path)
    (tmp_path / ".course-secret").write_text("abc")
    with pytest.raises(CourseError, match="holds 3 characters, expected at least 32"):
        read_secret(tmp_path)


def test_jupyters_own_configuration_counts_where_the_courses_says_nothing(tmp_path, monkeypatch):
    everywhere, course = tmp_path / "jupyter", tmp_path / "course"
    everywhere.mkdir()
    course.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(everywhere))
    (everywhere / "nbgrader_config.py").write_text("c.Limits.cell_seconds = 7\nc.Limits.memory = 1")
    (course / "nbgrader_config.py").write_text("c.Limits.memory = 2")
    (course / "nbgrader_config.json").write_text('{"Limits": {"disk": 3}}')
    assert read_config(course)["Limits"] == {"cell_seconds": 7, "memory": 2, "disk": 3}


def test_reading_a_configuration_closes_nobody_s_log(tmp_path):
    class Log(logging.StreamHandler):
        """As absl's, which closes what it writes to."""

        closed = False

        def close(self):
            self.closed = True

    log = Log()
    (tmp_path / "nbgrader_config.py").write_text('c.Application.log_level = "DEBUG"')
    read_config(tmp_path)
    assert not log.closed


def test_a_broken_configuration_is_an_error(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text("c.Limits.memory = ")
    with pytest.raises(SyntaxError):
        read_config(tmp_path)


def test_the_demo_overwrites_nothing(tmp_path):
    (tmp_path / "gradebook.db").write_text("precious")
    assert "is not empty" in call("demo", tmp_path, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["gradebook.db"]


def test_what_is_not_graded_cannot_be_shown(tmp_path):
    assert "run grader autograde mlp there first" in call("scores", "mlp", "--course", tmp_path, code=1)
    assert "nothing has been graded" in call("scores", "--course", tmp_path, code=1)
    assert "has not been graded" in call("explain", "someone", "softmax", "--course", tmp_path, code=1)
    assert "no unit has an exercise" in call("explain", "someone", "no_such", "--course", tmp_path, code=1)


def test_a_unit_that_is_not_there_is_named(tmp_path):
    assert "there is no unit 'nosuch'; expected some of mlp" in call("build", "nosuch", "--course", tmp_path, code=1)


def test_records_survive_a_round_trip(tmp_path):
    record = Record("d", {"f": Verdict(1.5, "So.", {"values": True}, "look")}, {"f": 2.0}, sandboxed=True)
    write_record(record_path(tmp_path, "mlp", "ada"), record)
    assert read_record(tmp_path, "mlp", "ada") == record
    assert [path.name for path in (tmp_path / "verdicts" / "mlp").iterdir()] == ["ada.json"]


def test_the_probe_alone_raises_and_with_a_judge_asks_it(monkeypatch):
    monkeypatch.delenv(probe.REQUEST_VARIABLE, raising=False)
    with pytest.raises(probe.ProbeError, match="nobody asked for evidence"):
        probe.probe(len)
    asked = []
    monkeypatch.setattr(probe, "judge", asked.append)
    probe.probe(len)
    assert asked == [len]


def test_the_extension_shows_a_verdict(capsys, monkeypatch):
    import grader

    monkeypatch.delenv(probe.REQUEST_VARIABLE, raising=False)
    grader.load_ipython_extension(None)
    try:

        def relu(z):
            return z

        probe.probe(relu)
    finally:
        grader.unload_ipython_extension(None)
    assert capsys.readouterr().out.startswith("relu: 0 %.")
    assert probe.judge is None
