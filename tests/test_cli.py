"""The commands' errors: what was wrong and what to do, and nothing overwritten."""

import stat

import pytest
from typer.testing import CliRunner

from course import probe
from grader.cli import app
from grader.coursedir import Record, read_record, read_secret, record_path, write_record
from grader.errors import CourseError
from grader.judge import Verdict
from grader.off_limits import doubts, find


def call(*arguments, code=0):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


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


def test_the_demo_overwrites_nothing(tmp_path):
    (tmp_path / "gradebook.db").write_text("precious")
    assert "is not empty" in call("demo", tmp_path, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["gradebook.db"]


def test_what_is_not_graded_cannot_be_shown(tmp_path):
    assert "run nbgrader autograde mlp there first" in call("scores", "mlp", "--course", tmp_path, code=1)
    assert "has not been graded" in call("explain", "someone", "softmax", "--course", tmp_path, code=1)
    assert "in 0 units" in call("explain", "someone", "no_such", "--course", tmp_path, code=1)


def test_a_unit_that_is_not_there_is_named(tmp_path):
    assert "unit 'nosuch' needs it" in call("build", "nosuch", "--course", tmp_path, code=1)


def test_records_survive_a_round_trip(tmp_path):
    record = Record("d", {"f": None}, {"f": Verdict(1.5, "So.", {"values": True}, "look")}, {"f": 2.0}, sandboxed=True)
    write_record(record_path(tmp_path, "mlp", "ada"), record)
    assert read_record(tmp_path, "mlp", "ada") == record
    assert [path.name for path in (tmp_path / "evidence" / "mlp").iterdir()] == ["ada.json"]


BANNED = ("keras.ops.softmax", "keras.activations.softmax")


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["def softmax(x):\n    return ops.softmax(x)"], True),
        (["def softmax(x):\n    return scipy.special.softmax(x)"], True),
        (["from keras.ops import softmax as s", "def softmax(x):\n    return s(x)"], True),
        (["s = ops.softmax", "def softmax(x):\n    return s(x)"], True),
        (["softmax = ops.softmax"], True),
        (["def softmax(x):\n    return ops.exp(x) / ops.sum(ops.exp(x))"], False),
        (["def softmax(x):\n    return ops.exp(x)", "print(ops.softmax([1.0]) - softmax([1.0]))"], False),
        (["def softmax(x):\n    return softmax(x - 1) if x > 1 else x"], False),
        (["def attention(x):\n    return ops.softmax(x)", "def softmax(x):\n    return x"], False),
        (["def softmax(x:\n"], False),
        (["from keras.ops import softmax"], True),
        (["softmax: object = ops.softmax"], True),
        (["if True:\n    def softmax(x):\n        return ops.softmax(x)"], True),
        (["%%time\ndef softmax(x):\n    return ops.softmax(x)"], True),
        (["def softmax(x):\n    from keras.ops import softmax as s\n    return s(x)"], True),
        (
            ["from keras.ops import softmax as s", "def helper(z):\n    return s(z)", "def softmax(x):\n    return helper(x)"],
            True,
        ),
        (["def softmax(x):\n    return ops.softmax(x)", "def softmax(x):\n    return ops.exp(x)"], False),
        (["from keras.ops import softmax as theirs", "def softmax(x):\n    return ops.exp(x)", "theirs([1.0])"], False),
    ],
)
def test_off_limits_is_found_where_the_answer_is(sources, found):
    assert bool(find("softmax", sources, BANNED)) is found


OWN = "class softmax:\n    def softmax(self, x):\n        return x\n    def __call__(self, x):\n        return self.softmax(x)"


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["softmax, _ = ops.softmax, 1"], True),
        (["(softmax := ops.softmax)"], True),
        (["t = (ops.softmax,)", "def softmax(x):\n    return t[0](x)"], True),
        (["%matplotlib inline\nimport scipy\ndef softmax(x):\n    return scipy.special.softmax(x)"], True),
        (['def softmax(x):\n    return keras.activations.get("softmax")(x)'], True),
        ([OWN], False),
    ],
)
def test_off_limits_is_found_in_odd_places(sources, found):
    assert bool(find("softmax", sources, BANNED)) is found


@pytest.mark.parametrize(
    ("source", "doubted"),
    [
        ('softmax = getattr(ops, "soft" + "max")', "getattr"),
        ('def softmax(x):\n    return eval("ops.exp(x)")', "eval"),
        ("import course.probe as p\ndef softmax(x):\n    return x", "course.probe"),
        ("def softmax(x:\n", "could not be searched"),
        ("def softmax(x):\n    return ops.exp(x)", ""),
    ],
)
def test_what_hides_its_calls_is_for_a_person(source, doubted):
    found = doubts("softmax", [source])
    assert doubted in found if doubted else found == ""


def test_what_is_off_limits_is_named_as_it_was_written():
    assert find("softmax", ["def softmax(x):\n    return keras.ops.nn.softmax(x)"], BANNED) == "keras.ops.nn.softmax"


def test_an_off_limits_call_is_blocked_while_the_probe_runs():
    import keras

    original = keras.ops.softmax
    for answer in (lambda x: keras.ops.softmax(x), lambda x: keras.ops.nn.softmax(x)):
        evidence = probe.collect(answer, [probe.Call(([1.0, 2.0],))], BANNED)
        assert "`keras.ops.softmax` is off-limits" in evidence["runs"][0]["error"]
    assert keras.ops.softmax is original
    assert keras.ops.nn.softmax is original


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
