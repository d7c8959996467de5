"""Visible checks: what they need, what they catch, and which of them are refused."""

import shutil
from pathlib import Path

import pytest

from grader.proving.laws import VISIBLE, Seen, laws_of
from grader.proving.visible import VisibleCheck
from grader.units.shelf import find_unit
from harness import UNITS, reference

VALUES = "assert np.allclose(scaled, "
SHAPE = "assert scaled.shape == (3, 2)"


@pytest.fixture
def seen(tiny, tmp_path):
    """Gives what is seen of the small unit's visible check after edits of files."""

    def see(*edits):
        course = Path(shutil.copytree(tiny, tmp_path / "c"))
        for file, old, new in edits:
            path = course / file
            text = path.read_text()
            assert text.count(old) == 1, old
            path.write_text(text.replace(old, new))
        return laws_of(find_unit(course, "tiny"), "rescale")[VISIBLE].seen(1)

    return see


def test_how_many_mistakes_are_caught_is_told(seen):
    assert seen() == Seen(True, "catches 4 of 4 mistakes")


def test_a_check_that_catches_too_little_is_refused_with_the_mistakes_that_it_lets_through(seen):
    found = seen(("units/tiny.py", VALUES, f"{VALUES}scaled) or np.allclose(scaled, "))
    assert found == Seen(False, "catches 0 of 4 mistakes, not 1, 2, 3, 4")


@pytest.mark.parametrize(("limit", "holds"), [(0.3, True), (0.6, False)])
def test_two_thirds_are_enough(seen, limit, holds):
    """The first row is 0 and 0; where the whole table has one range, .275 and 0; where nothing was moved, .5 and -.25."""
    found = seen(("units/tiny.py", VALUES, f"assert (abs(scaled[0]) < {limit}).all() or np.allclose(scaled, "))
    assert found.holds == holds, found.verdict


def test_a_check_that_rejects_an_alternative_is_refused(seen):
    found = seen(("units/tiny.py", SHAPE, f"assert not isinstance(rescale(np.eye(2)), list), 'a list'\n{SHAPE}"))
    assert found == Seen(False, "rejects alternative 2: AssertionError: a list")


def test_a_check_that_rejects_a_right_held_out_answer_is_refused(seen, tiny, tmp_path):
    course = Path(shutil.copytree(tiny, tmp_path / "held"))
    source = "def rescale(x):\n    raise ValueError('none of mine')"
    (course / "checks" / "tiny" / "rescale.answers").write_text(f"# %% right: is none\n{source}\n# %% wrong: is none\n{source}")
    found = laws_of(find_unit(course, "tiny"), "rescale")[VISIBLE].seen(1)
    assert found == Seen(False, "rejects held-out 1, right: ValueError: none of mine")


def test_an_edit_that_does_not_fit_any_more_is_told(seen):
    found = seen(("checks/tiny/rescale.py", '(LIMITS, "low, high = ops.min(x), ops.max(x)")', '("no such line", "")'))
    assert not found.holds and "'no such line'" in found.verdict


# --- what it needs ---


def test_only_what_a_check_uses_of_earlier_cells_stands_above_it():
    above = VisibleCheck.of(UNITS["rnn"], "gru_step").above
    assert above == "half, one = (ops.full((1, 4), 0.5), ops.ones((1, 1)))"
    assert VisibleCheck.of(UNITS["rnn"], "bptt").above == ""


def test_statements_that_others_need_stand_above_them():
    assert VisibleCheck.of(UNITS["rnn"], "train_sequence_classifier").above.splitlines() == [
        "(s_train, t_train), (s_test, t_test) = data.mnist1d()",
        "steps_train, steps_test = (s.reshape(len(s), 20, 2) for s in (s_train, s_test))",
    ]


@pytest.mark.parametrize("unit", UNITS)
def test_a_visible_check_says_what_is_wrong_and_is_silent_on_the_reference(unit):
    """One for each unit, as a student would see it; the law tries them all."""
    exercise = next(iter(UNITS[unit].text.exercises))
    check = VisibleCheck.of(UNITS[unit], exercise)
    assert check.says(reference(unit, exercise)) == ""
    said = check.says(f"def {exercise}(*args, **kwargs):\n    raise NotImplementedError('not yet')")
    assert said == "NotImplementedError: not yet"
