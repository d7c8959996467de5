"""Wrong answers that no list has: the sentence says how they differ from what is right, and nothing of what is right."""

import re

import numpy as np
import pytest

from course.probe import encode
from grader.judging.diagnosis import diagnose
from grader.judging.judge import RIGHT, judge, runs_of
from grader.judging.vocabulary import Call, Case, Check
from grader.proving.held_out import read_answers
from grader.proving.mutants import mutants_of
from harness import UNITS, grade, reference

ANSWERS = [
    ("mlp", "affine", "return 2 * (x @ kernel + bias)", "All values are 2 times what is right"),
    ("mlp", "affine", "return -(x @ kernel + bias)", "Every sign is the wrong way round."),
    ("mlp", "affine", "return x @ kernel + bias[0]", "as if the third argument were its first entry along axis 0, everywhere."),
    ("mlp", "affine", "return ops.transpose(x @ kernel + bias)", "the axes are in another order."),
    ("mlp", "relu", "return ops.maximum(z, 0.0) + 1", "All values are too large by 1."),
    ("mlp", "relu", "return -ops.minimum(z, 0.0)", "as if the first argument were of the other sign."),
    ("mlp", "sigmoid", "return ops.round(1 / (1 + ops.exp(-z)))", "Each number is rounded to a whole one."),
    (
        "mlp",
        "momentum_step",
        "v = {n: momentum * velocity[n] - learning_rate * grads[n] / 2 for n in grads}\n"
        "    return {n: params[n] + v[n] for n in v}, v",
        "were half as large.",
    ),
    (
        "mlp",
        "momentum_step",
        "v = {n: momentum * velocity[n] - learning_rate * grads[n] for n in grads}\n"
        "    return v, {n: params[n] + v[n] for n in v}",
        "what should be `params` is `velocity`, and the other way round.",
    ),
    ("mlp", "count_params", "return sum(a * b + b for a, b in zip(sizes, sizes[1:])) + 1", "All values are too large by 1."),
    ("mlp", "build_mlp", "return keras.Sequential([layers.Dense(n_classes)]), 1", "Expected a Keras model, received 2 values."),
    ("attention", "causal_mask", "return np.tri(length)[::-1]", "The first axis runs backwards."),
    ("rnn", "gru_step", "return state", "What comes out is the second argument, as it was."),
    ("bert", "best_span", "return 1, 0", ""),
]


def given(unit, exercise, body):
    signature = reference(unit, exercise).partition("\n")[0]
    return grade(unit, exercise, f"{signature}\n    {body}\n", seed=5)


@pytest.mark.all_backends
@pytest.mark.parametrize(("unit", "exercise", "body", "sentence"), ANSWERS)
def test_what_nobody_listed_is_said_as_it_is(unit, exercise, body, sentence):
    verdict, _ = given(unit, exercise, body)
    assert verdict.points < 100 and sentence in verdict.sentence, verdict.sentence
    assert "ProbeError" not in verdict.sentence


@pytest.mark.parametrize(("unit", "exercise", "body", "sentence"), ANSWERS)
def test_no_sentence_tells_a_number_of_what_is_right(unit, exercise, body, sentence):
    verdict, judged = given(unit, exercise, body)
    told = {float(number) for number in re.findall(r"\d+\.?\d*", diagnose(judged))}
    assert told <= set(range(11)), verdict.sentence


def numbers_in(value):
    """All numbers of what an answer is handed or should give, as they would be written."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return {number for item in value for number in numbers_in(item)}
    return {f"{number:.6g}" for number in np.ravel(value).astype(float)} if np.asarray(value).dtype.kind in "iuf" else set()


SEARCHED = [
    ("mlp", "affine"),
    ("mlp", "count_params"),
    ("mlp", "momentum_step"),
    ("mlp", "softmax"),
    ("attention", "count_attention_params"),
    ("attention", "causal_mask"),
    ("attention", "dot_scores"),
]


@pytest.mark.parametrize(("unit", "exercise"), SEARCHED)
def test_no_number_that_was_drawn_or_is_right_stands_in_a_sentence(unit, exercise):
    found = UNITS[unit]
    check = found.check(exercise)
    run = check.draw(np.random.default_rng(0))[0].run
    sources = [answer.source for answer in read_answers(found, exercise) if answer.kind == "wrong"]
    sources += [mutant.source for mutant in mutants_of(found.text.exercises[exercise], run)]
    for source in sources:
        try:
            verdict, judged = grade(unit, exercise, source, seed=2)
        except Exception:  # what defines no answer is told nothing
            continue
        secret = {n for case in judged.cases if not case.accept for n in numbers_in([*case.run.args, check.expected(case)])}
        told = re.sub(
            r"\([\d, ]*\)|\[[\d, ]*\]|raised .*? It was called|of \d+ bits", "", verdict.sentence
        )  # shapes, and types
        told = {f"{float(number):.6g}" for number in re.findall(r"\d+\.?\d*", told)} - {str(n) for n in range(11)}
        assert not told & secret, verdict.sentence


def test_pairs_are_named_by_their_shapes_too():
    body = "s = ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)), -1); return s, ops.matmul(s, value)"
    verdict, _ = given("attention", "scaled_dot_product_attention", body)
    assert "are `output` and `weights` in the wrong order?" in verdict.sentence


@pytest.mark.parametrize("unit", UNITS)
def test_of_what_is_right_nothing_is_said(unit):
    for exercise in ("affine", "dot_scores", "conv2d_single", "rnn_step", "mlm_loss"):
        if exercise in UNITS[unit].exercises:
            verdict, judged = grade(unit, exercise, reference(unit, exercise))
            assert (verdict.sentence, diagnose(judged)) == (RIGHT, "")


# --- relations, on a check of one sum ---


def draw(rng):
    return [
        Case("sums", Call((rng.normal(size=(4, 5)), rng.normal(size=5)))),
        Case("more", Call((rng.normal(size=(3, 3)),) * 2)),
    ]


def total(x, y):
    return x + y


CHECK = Check(draw, total, mistakes={}, alternatives=())


def said(answer):
    cases = CHECK.draw(np.random.default_rng(1))
    arrays = [{"arrays": {"result": encode(answer(*(value.astype(float) for value in run.args)))}} for run in runs_of(cases)]
    return judge(CHECK, cases, {"runs": arrays}, 1).sentence


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda x, y: x, "What comes out is the first argument, as it was."),
        (lambda x, y: x - y, "What comes out is as if the second argument were of the other sign."),
        (lambda x, y: (x + y) * len(x), "the size of the first argument along axis 0"),
        (lambda x, y: (x + y) / x.shape[1], "the size of the first argument along axis 1"),
        (lambda x, y: (x + y) * 0, "Everything that comes out is 0."),
        (lambda x, y: np.abs(x + y), "these are the absolute values of what is right."),
        (lambda x, y: np.maximum(x + y, 0), "is there a ReLU where none belongs?"),
        (lambda x, y: np.roll(x + y, 1, -1), "one place too late along the last axis."),
        (lambda x, y: (x + y) * 0.37, "one and the same multiple of what is right"),
        (lambda x, y: 0.5 - 3 * (x + y), "a multiple of what is right and a number more"),
        (lambda x, y: x + y + 0.37, "All values are too large by one and the same number."),
        (lambda x, y: np.concatenate([(x + y)[:-1], x[-1:]]), "All is right but for the last row."),
        (lambda x, y: (x + y).sum(axis=1), "Axis 1 is missing"),
        (lambda x, y: (x + y)[:, :-1], "Along axis 1 there is one entry too few."),
        (lambda x, y: (x + y)[None], "There is an axis of size 1 too many."),
        (lambda x, y: (x + y).sum(), "A single number came back"),
        (lambda x, y: x + y + np.nan, "All that comes out there is NaN."),
        (lambda x, y: np.where(x > 0, x + y, np.inf), "Infinity comes out there, in some places."),
        (lambda x, y: (x + y).astype("float16"), "Nearly right, to about three digits"),
        (lambda x, y: np.round(x + y, 1), "Each number is rounded, to 1 decimal"),
        (lambda x, y: np.trunc(x + y), "What stands behind the point is cut off"),
        (lambda x, y: np.clip(x + y, -1, 1), "nothing larger or smaller than a certain number comes out: is it clipped?"),
        (lambda x, y: np.full_like(x, 0.3), "Everything that comes out is one and the same number."),
        (lambda x, y: (x + y).ravel()[::-1].reshape(x.shape), "The right numbers come out in other places"),
        (lambda x, y: np.sort(x + y, axis=-1), "Each row holds the right numbers, but in another order."),
        (lambda x, y: (x + y) * np.arange(1, len(x) + 1)[:, None], "Each row is a multiple of the right one, another one in"),
        (lambda x, y: x + y + np.arange(len(x))[:, None] ** 2, "Each row is right but for a number that is added to all of it"),
        (lambda x, y: (x + y) * np.abs(x).sum(), "In each part all values are one multiple of what is right"),
        (lambda x, y: x + 3 * y, "as if the second argument were multiplied by a number, the same in each run"),
        (
            lambda x, y: x + y * x.shape[1],
            "as if the second argument were multiplied by the size of the first argument along axis 1.",
        ),
        (
            lambda x, y: x + y / len(x) ** 0.5,
            "the second argument were divided by the root of the size of the first argument along",
        ),
        (
            lambda x, y: x * (np.arange(x.shape[1]) < 2) + y,
            "as if the first argument were 0 but for its first 2 entries along axis 1.",
        ),
        (lambda x, y: np.trunc(x) + y, "as if the first argument were cut to whole numbers."),
        (lambda x, y: np.concatenate([(x + y)[:2], (x * y)[2:]]), "Only the first 2 rows are right throughout."),
        (lambda x, y: np.concatenate([(x + y)[:1], (x * y)[1:2], (x + y)[2:]]), "All is right but for one row."),
        (lambda x, y: np.where(x + y < 0, x * y - 9, x + y), "Only what should be negative is wrong: it is too small."),
        (lambda x, y: x + y + np.abs(x), "All values are too large."),
        (lambda x, y: (x + y) * np.exp(x), "Every sign is right, the sizes are not."),
        (lambda x, y: np.arctan(x + y) + 0.3, "The larger a number should be, the larger it comes out, and yet it is wrong"),
        (lambda x, y: x + y if len(x) == 4 else x * y, "differs from what is right in this: the first argument is square"),
        (
            lambda x, y: (x + y) * (np.nan if len(x) == 4 else 2),
            "All that comes out in “sums” is NaN. Elsewhere, all values are 2",
        ),
        (lambda x, y: x * y, "The shapes are as expected, the values are not."),
    ],
)
def test_relations(answer, sentence):
    assert sentence in said(answer)


def test_one_entry_alone_tells_nothing_of_its_row():
    assert "row" not in said(lambda x, y: x + y + (x == x.max()))


def test_what_was_raised_is_said_with_what_the_answer_was_called_with():
    cases = CHECK.draw(np.random.default_rng(1))
    error = "InvalidArgumentError: Exception encountered when calling A.call(). {{function_node x}} no [Op:Y] name: "
    sentence = judge(CHECK, cases, {"runs": [{"error": error}] * 2}, 1).sentence
    called = "It was called with an array of shape (4, 5) and an array of shape (5,)."
    assert sentence == f"Not right yet. Your code raised InvalidArgumentError: no. {called}"


def test_an_error_of_keras_s_own_is_no_missing_answer():
    cases = CHECK.draw(np.random.default_rng(1))
    error = "NotImplementedError: iterating a symbolic tensor"
    assert "iterating a symbolic tensor" in judge(CHECK, cases, {"runs": [{"error": error}] * 2}, 1).sentence


# --- counts ---

PRODUCT = Check(
    lambda rng: [Case(str(k), Call(tuple(int(n) for n in rng.integers(2000, 9000, size=2)))) for k in range(4)],
    lambda a, b: np.asarray(a * b),
    mistakes={},
    alternatives=(),
    atol=0.1,
    rtol=0.0,
)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda a, b: a * b - 1, "All values are too small by 1."),
        (lambda a, b: a * b + 2 * a, "The number is too large by 2 times the first argument."),
        (lambda a, b: a * b - a - b, "The number is too small by the first argument and the second argument."),
        (lambda a, b: a * b - a + 3, "The number is too small by the first argument, and too large by 3."),
        (lambda a, b: a * 7, "What comes out is as if the second argument were 7."),
        (lambda a, b: a * b % 65536, "off by what integers of 16 bits cannot hold: did they overflow?"),
        (lambda a, b: a * b + b % 3 + 1, "Right but for the last digits"),
        (lambda a, b: a * b + a / b, "What comes out is no whole number"),
    ],
)
def test_by_how_much_counts_are_wrong(answer, sentence):
    cases = PRODUCT.draw(np.random.default_rng(1))
    arrays = [{"arrays": {"result": encode(np.asarray(answer(*run.args)))}} for run in runs_of(cases)]
    assert sentence in judge(PRODUCT, cases, {"runs": arrays}, 1).sentence


# --- values with names, masks, models ---

STEP = "def momentum_step(params, grads, velocity, learning_rate, momentum):\n    v = {}\n    return {}, v\n"
NAMED = [
    (
        "{n: momentum * velocity[n] - learning_rate * grads[n] for n in grads}",
        "params",
        "`params` alone is wrong: what comes out is",
    ),
    (
        "{n: 0.9 * velocity[n] - learning_rate * grads[n] for n in grads}",
        "",
        "fifth argument were one and the same number in all runs",
    ),
    (
        "{n: momentum * velocity[n] - (1 - momentum) * grads[n] for n in grads}",
        "",
        "fourth argument were 1 minus the fifth argument.",
    ),
    ("{n: momentum * velocity[n] - learning_rate for n in grads}", "", "as if the second argument were all ones."),
    ("{n: momentum * velocity[n] - learning_rate * grads[n] for n in list(grads)[1:]}", "{}", "came back without"),
]


@pytest.mark.parametrize(("velocity", "params", "sentence"), NAMED)
def test_values_with_names(velocity, params, sentence):
    params = params or "{n: params[n] + v[n] for n in v}"
    verdict, _ = grade(
        "mlp", "momentum_step", STEP.replace("v = {}", f"v = {velocity}").replace("return {}", f"return {params}")
    )
    assert sentence in verdict.sentence


def test_masks_are_wrong_one_way_or_both():
    body = "i = ops.arange(length); d = i[:, None] - i; return "
    one, _ = given("attention", "causal_mask", f"{body}(d >= 0) & (d < 3)")
    both, _ = given("attention", "causal_mask", f"{body}(d >= 0) & (d < 3) | (d == -2)")
    assert "Some entries are False that should be True, and none is wrong the other way round." in one.sentence
    assert "Some entries are True that should be False, and others the other way round." in both.sentence


def test_a_layer_that_stands_for_another_is_named():
    source = reference("attention", "MultiHeadAttention").replace(
        "split(self.query_dense(query))", "split(self.value_dense(query))"
    )
    verdict, _ = grade("attention", "MultiHeadAttention", source)
    assert "What comes out is as if `value_dense` stood in the place of `query_dense`." in verdict.sentence


def test_of_a_model_whose_weights_fit_the_rest_is_wrong():
    source = reference("mlp", "build_mlp").replace('"relu"', '"gelu"')
    assert "so what differs lies between them" in grade("mlp", "build_mlp", source)[0].sentence
