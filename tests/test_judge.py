"""The judge with evidence that nobody vouches for: whatever it is, there is a verdict, and it earns nothing."""

import base64
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest

from course import probe
from grader.errors import CheckError
from grader.judging.judge import RIGHT, UNANSWERED, judge, rng_for, runs_of
from grader.judging.vocabulary import Call, Case, Check, Mistake
from harness import UNITS


def oracle(x, factor=2.0):
    return factor * x


def draw(rng):
    return [
        Case("values", Call((rng.normal(size=(2, 3)),)), weight=3),
        Case("large", Call((rng.normal(size=(4, 5)) * 1000,)), weight=1),
    ]


TRIPLED = "It is three times as large."
CHECK = Check(draw, oracle, mistakes={TRIPLED: Mistake(("2", "3"), factor=3.0)}, alternatives=())
CASES = CHECK.draw(np.random.default_rng(0))
RIGHT_ARRAYS = [2 * case.run.args[0] for case in CASES]


def npy(array):
    return probe.encode(np.asarray(array))


def evidence(*results):
    return {"runs": [{"arrays": {"result": result}} for result in results]}


def verdict(given):
    return judge(CHECK, CASES, given, 8)


def header(dtype, shape, data=b""):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data
    return {"$npy": base64.b64encode(raw).decode()}


def pickled():
    buffer = io.BytesIO()
    np.save(buffer, np.array([[{"a": 1}] * 3] * 2, dtype=object), allow_pickle=True)
    return {"$npy": base64.b64encode(buffer.getvalue()).decode()}


def test_right_evidence_earns_all_and_half_right_its_share():
    good = [npy(array) for array in RIGHT_ARRAYS]
    assert verdict(evidence(*good)).points == 8
    assert verdict(evidence(*good)).sentence == RIGHT
    half = verdict(evidence(good[0], npy(np.zeros((4, 5)))))
    assert (half.points, half.passed) == (6, {"values": True, "large": False})


def test_fortran_order_lists_and_other_precisions_are_read():
    arrays = [np.asfortranarray(RIGHT_ARRAYS[0]), RIGHT_ARRAYS[1].astype("float32")]
    assert verdict(evidence(*map(npy, arrays))).points == 8


def test_a_known_mistake_is_named_only_if_every_part_shows_it():
    tripled = [npy(1.5 * array) for array in RIGHT_ARRAYS]
    assert verdict(evidence(*tripled)).sentence == TRIPLED
    assert verdict(evidence(tripled[0], npy(RIGHT_ARRAYS[1]))).sentence != TRIPLED
    assert verdict(evidence(tripled[0], npy(np.zeros((4, 5))))).sentence != TRIPLED


def test_properties_pay_only_beside_a_value():
    run = Call((np.ones(3),))
    cases = [
        Case("values", run, weight=1),
        Case("sum", run, weight=1, property=True, accept=lambda a: True, shapes={"result": (3,)}),
    ]
    wrong = {"runs": [{"arrays": {"result": npy(np.zeros(3))}}]}
    assert judge(CHECK, cases, wrong, 2).points == 0
    right = {"runs": [{"arrays": {"result": npy(np.full(3, 2.0))}}]}
    assert judge(CHECK, cases, right, 2).points == 2


DEEP = b"\x93NUMPY\x01\x00" + struct.pack("<H", 900) + b"(" * 450 + b")" * 450
HOSTILE = {
    "nothing": None,
    "text": "full marks",
    "a number": 1.0,
    "only true": True,
    "a list": [1, 2, 3],
    "empty": {},
    "no runs": {"runs": []},
    "runs of text": {"runs": ["a", "b"]},
    "runs as dict": {"runs": {"0": 1}},
    "one run only": {"runs": [{"arrays": {"result": npy(np.zeros((2, 3)))}}]},
    "arrays of text": {"runs": [{"arrays": "x"}] * 2},
    "no such name": {"runs": [{"arrays": {"other": npy(RIGHT_ARRAYS[0])}}] * 2},
    "error as list": {"runs": [{"error": ["a"]}] * 2},
    "not base64": evidence({"$npy": "%%%"}, {"$npy": "%%%"}),
    "not ascii": evidence({"$npy": "ü" * 40}, {"$npy": "\ud800"}),
    "npy is a list": evidence({"$npy": [1]}, {"$npy": [1]}),
    "not npy": evidence({"$npy": base64.b64encode(b"hello").decode()}, {"$npy": ""}),
    "pickle": evidence(pickled(), pickled()),
    "NaN": evidence(npy(np.full((2, 3), np.nan)), npy(np.full((4, 5), np.nan))),
    "infinities": evidence(npy(np.full((2, 3), np.inf)), npy(np.full((4, 5), -np.inf))),
    "zeros": evidence(npy(np.zeros((2, 3))), npy(np.zeros((4, 5)))),
    "wrong shapes": evidence(npy(RIGHT_ARRAYS[0].T), npy(RIGHT_ARRAYS[1].ravel())),
    "one that broadcasts": evidence(npy(RIGHT_ARRAYS[0][:1]), npy(RIGHT_ARRAYS[1][:1])),
    "70 GB": evidence(header("<f8", (2, 4_375_000_000)), header("<f8", (100_000, 87_500))),
    "70 GB item": evidence(header("|V70000000000", (2, 3)), header("<U17500000000", (2, 3))),
    "negative shape": evidence(header("<f8", (-2, -3)), header("<f8", (-1,))),
    "header is no mapping": evidence(
        header((), (2, 3)), {"$npy": base64.b64encode(b"\x93NUMPY\x01\x00\x0b\x00{'descr': (").decode()}
    ),
    "header calls": evidence(header("__import__('os')", (2, 3)), header("<f8", "__import__('os')")),
    "short data": evidence(header("<f8", (2, 3), b"\0" * 8), header("<f8", (4, 5), b"")),
    "long data": evidence(header("<f8", (2, 3), b"\0" * 800), header("<f8", (4, 5), b"\0" * 8000)),
    "text array": evidence(npy(np.full((2, 3), "a")), npy(np.full((4, 5), "a"))),
    "dates": evidence(npy(np.zeros((2, 3), "datetime64[s]")), npy(np.zeros((4, 5), "timedelta64[s]"))),
    "complex": evidence(npy(RIGHT_ARRAYS[0] + 0j), npy(RIGHT_ARRAYS[1] + 1j)),
    "records": evidence(npy(np.zeros((2, 3), [("a", "<f8")])), npy(np.zeros((4, 5), [("a", "<f8")]))),
    "a run too many": {"runs": [{"arrays": {"result": npy(array)}} for array in [*RIGHT_ARRAYS, RIGHT_ARRAYS[0]]]},
    "the second run first": evidence(*map(npy, reversed(RIGHT_ARRAYS))),
    "an error beside arrays": {"runs": [{"error": "", "arrays": {"result": npy(array)}} for array in RIGHT_ARRAYS]},
    "runs of numbers": {"runs": [1e400, 10**5000]},
    "numbers instead of arrays": evidence(RIGHT_ARRAYS[0].tolist(), RIGHT_ARRAYS[1].tolist()),
    "arrays as list": {"runs": [{"arrays": [["result", npy(array)]]} for array in RIGHT_ARRAYS]},
    "nested deeply": json.loads('{"runs": ' + "[" * 900 + "]" * 900 + "}"),
    "names doubled": json.loads('{"runs": [1, 2], "runs": [{"arrays": {"result": 1, "result": 2}}]}'),
    "largest numbers": evidence(npy(np.full((2, 3), 1.7e308)), npy(np.full((4, 5), -1.7e308))),
    "all kinds of numbers": evidence(npy(np.resize([np.inf, np.nan, -1e308], (2, 3))), npy(np.full((4, 5), 5e-324))),
    "smallest integers": evidence(npy(np.full((2, 3), -(2**63))), npy(np.full((4, 5), 2**64 - 1, "uint64"))),
    "true": evidence(npy(np.ones((2, 3), bool)), npy(np.ones((4, 5), bool))),
    "shape of fractions": evidence(header("<f8", (2.0, 3.0), b"\0" * 48), header("<f8", (True, 5), b"\0" * 160)),
    "huge number in the shape": evidence(header("<f8", (10**800,)), header("<f8", (1,) * 300)),
    "header nested deeply": evidence(header((), 1, b""), {"$npy": base64.b64encode(DEEP).decode()}),
    "arrays in arrays": evidence(header(("<f8", (3,)), (2,), b"\0" * 48), header([("a", "<f8")], (4, 5), b"\0" * 160)),
    "long double": evidence(npy(RIGHT_ARRAYS[0].astype("longdouble")), npy(RIGHT_ARRAYS[1].astype("longdouble"))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_evidence_earns_nothing(name):
    given = verdict(HOSTILE[name])
    assert given.points == 0
    assert given.sentence not in ("", RIGHT)
    assert given.passed == {"values": False, "large": False}


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.7e308, -(2**63), True, 0.1])
@pytest.mark.parametrize("unit", UNITS)
def test_one_number_everywhere_earns_nothing_in_any_exercise(unit, value):
    """Also where a check judges by a rule of its own, without a warning of NumPy's."""
    for exercise in UNITS[unit].exercises:
        check = UNITS[unit].check(exercise)
        cases = check.draw(np.random.default_rng(1))
        shapes = {case.part: case.shapes if case.accept else _shapes(check, case) for case in cases}
        runs = [
            {name: npy(np.full(shape, value)) for case in cases if case.run is run for name, shape in shapes[case.part].items()}
            for run in runs_of(cases)
        ]
        assert judge(check, cases, {"runs": [{"arrays": arrays} for arrays in runs]}, 8).points == 0, exercise


def _shapes(check, case):
    return {name: value.shape for name, value in check.expected(case).items()}


def test_a_forged_header_allocates_nothing():
    tracemalloc.start()
    verdict(HOSTILE["70 GB"])
    verdict(evidence({"$npy": "A" * 40_000_000}, {"$npy": "A" * 40_000_000}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 90_000_000  # the two texts themselves, and no copy of them


def test_an_error_is_told_on_one_printable_line():
    run = {"error": "ValueError: a\nb\x1b[31m" + "c" * 10}
    sentence = verdict({"runs": [run, run]}).sentence
    assert "ValueError: a b" in sentence
    assert "\x1b" not in sentence and "\n" not in sentence


def test_an_untouched_stub_is_said_to_be_unanswered():
    run = {"error": "NotImplementedError: "}
    assert verdict({"runs": [run, run]}).sentence == UNANSWERED


def test_inputs_depend_on_secret_unit_exercise_and_file_alone():
    def draws(*of):
        return rng_for(*of).normal(size=3).tolist()

    base = (b"s" * 32, "mlp", "softmax", "d1")
    assert draws(*base) == draws(*base)
    for other in ((b"t" * 32, *base[1:]), (base[0], "cnn", *base[2:]), (*base[:2], "relu", "d1"), (*base[:3], "d2")):
        assert draws(*other) != draws(*base)


def test_a_missing_check_names_the_file_to_write():
    with pytest.raises(CheckError, match=r"grader/checks/mlp/no_such\.py"):
        UNITS["mlp"].check("no_such")


def test_encode_and_decode_are_inverse():
    value = {"a": (1, [2.5, None, "x"]), "b": np.arange(6, dtype="int32").reshape(2, 3), "c": Call((1,), {"k": True})}
    again = probe.decode(json.loads(json.dumps(probe.encode(value))))
    assert again["a"] == value["a"]
    assert again["b"].dtype == "int32" and (again["b"] == value["b"]).all()
    assert again["c"] == value["c"]


def test_a_language_model_that_knows_the_hidden_words_is_too_good():
    from course.data import MASK, Grammar
    from grader.checks.bert import train_mini_bert

    grammar = Grammar()
    rng = np.random.default_rng(0)
    labels, _ = grammar.sample(2000, rng)
    hidden = np.argwhere((rng.random(labels.shape) < 0.15) & (labels >= 4))
    answers, fresh = labels[tuple(hidden.T)], labels.copy()
    fresh[tuple(hidden.T)] = MASK
    best = train_mini_bert.log(grammar.best_prediction(fresh)[tuple(hidden.T)])
    frequent = train_mini_bert.log(grammar.tables.mean(axis=0)[hidden[:, 1]])
    assert train_mini_bert.gain_of(frequent, answers, best, frequent) == pytest.approx(0)
    assert train_mini_bert.gain_of(best, answers, best, frequent) == pytest.approx(1)
    # A model that mixes a tenth of what it cannot know into the best possible prediction is over the bound already.
    leak = np.log(0.9 * np.exp(best) + 0.1 * np.eye(len(grammar.words))[answers])
    assert train_mini_bert.gain_of(leak, answers, best, frequent) > train_mini_bert.MOST_GAIN
