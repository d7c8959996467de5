"""Wrong answers that no list has: the sentence says how they differ from what is right, and nothing of what is right."""

import re

import numpy as np
import pytest

from course.probe import encode
from grader.judging.diagnosis import diagnose
from grader.judging.judge import RIGHT, judge, runs_of
from grader.judging.vocabulary import Call, Case, Check
from harness import UNITS, grade, reference

ANSWERS = [
    ("mlp", "affine", "return 2 * (x @ kernel + bias)", "All values are 2 times what is right"),
    ("mlp", "affine", "return -(x @ kernel + bias)", "Every sign is the wrong way round."),
    ("mlp", "affine", "return x @ kernel + bias[0]", "as if the third argument were its first entry along axis 0, everywhere."),
    ("mlp", "affine", "return ops.transpose(x @ kernel + bias)", "the axes are in another order."),
    ("mlp", "relu", "return ops.maximum(z, 0.0) + 1", "All values are too large by 1."),
    ("mlp", "relu", "return -ops.minimum(z, 0.0)", "as if the first argument were of the other sign."),
    ("mlp", "sigmoid", "return ops.round(1 / (1 + ops.exp(-z)))", "Each number is rounded to a whole one."),
    ("mlp", "sgd_step", "return {n: v - learning_rate * grads[n] / 2 for n, v in params.items()}", "were half as large."),
    (
        "mlp",
        "momentum_step",
        "v = {n: momentum * velocity[n] - learning_rate * grads[n] for n in grads}\n"
        "    return v, {n: params[n] + v[n] for n in v}",
        "what should be `params` is `velocity`, and the other way round.",
    ),
    ("mlp", "count_params", "return sum(a * b + b for a, b in zip(sizes, sizes[1:])) + 1", "The number is too large by 1."),
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
        (lambda x, y: x * y, "The shapes are as expected, the values are not."),
    ],
)
def test_relations(answer, sentence):
    assert sentence in said(answer)
