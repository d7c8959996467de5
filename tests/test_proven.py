"""Every row of the proof files holds for what is there now, and a sample of those that train is seen again."""

import os

import keras
import pytest

from grader.proving.proofs import file_of, laws, read_rows, sample
from grader.proving.prove import faults, parts_of
from harness import UNITS
from tiers import commit

pytestmark = pytest.mark.all_backends
BACKEND = keras.backend.backend()
SECONDS = float(os.environ.get("SAMPLE_SECONDS", "160"))
"""Of the processor, for the sample on each backend."""


def trained():
    """The rows of laws that train, on this backend."""
    for unit in UNITS.values():
        for part in parts_of(unit):
            rows = read_rows(file_of(unit, part))
            for name, law in laws(unit, part).items():
                if law.trains and (name, BACKEND) in rows:
                    yield (unit.name, part, name), rows[name, BACKEND]


@pytest.mark.parametrize("unit", UNITS)
def test_everything_is_proven_as_it_is(unit):
    missing = [line for part in parts_of(UNITS[unit]) for line in faults(UNITS[unit], part, [BACKEND])]
    assert not missing, f"run `make prove UNIT={unit}` and commit what it writes: {missing}"


@pytest.mark.parametrize(("unit", "part", "law"), sample(trained(), commit(), SECONDS))
def test_a_row_of_the_sample_is_true(unit, part, law):
    row = read_rows(file_of(UNITS[unit], part))[law, BACKEND]
    with UNITS[unit].beside():
        seen = laws(UNITS[unit], part)[law].seen(row.draws)
    assert seen.holds == row.holds, seen.verdict
