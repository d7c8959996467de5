"""Matchers and inputs that several checks use."""

from collections.abc import Callable
from typing import Any

import numpy as np

from grader.judging.vocabulary import Array, Case, Judged

NO_NUMBERS: Array = np.zeros(0)


def got(judged: Judged, part: str, name: str = "result") -> Array:
    """The evidence of a part as floats; empty where there is none."""
    return np.asarray(judged.received.get(part, {}).get(name, NO_NUMBERS), dtype=float)


def shows(*parts: str, of: str = "", **switches: Any) -> Callable[[Judged], bool]:
    """A matcher: of these parts at least one failed, and each that did shows what the oracle gives with these switches.

    For mistakes that cannot be computed in all parts, or come out in more than one way there, such as NaN.

    Args:
        parts: Those that are looked at.
        of: The only name of the evidence that is looked at; "" for all.
        switches: Of the oracle.
    """

    def match(judged: Judged) -> bool:
        failed = [case for case in judged.cases if case.part in judged.failed and case.part in parts]
        return bool(failed) and all(case.part in judged.received and like(judged, case) for case in failed)

    def like(judged: Judged, case: Case) -> bool:
        expected = judged.check.expected(case, **switches)
        return judged.check.close(judged.received[case.part], {of: expected[of]} if of else expected)

    return match


def has_shape(part: str, **switches: Any) -> Callable[[Judged], bool]:
    """A matcher: this part has the wrong shape, that of what the oracle gives with these switches.

    Evidence of a wrong shape is never decoded, so its shape is all that is known of it.
    """

    def match(judged: Judged) -> bool:
        (expected,) = judged.check.expected(named(judged, part), **switches).values()
        return judged.errors.get(part, "").endswith(f"received {expected.shape}.")

    return match


def right(judged: Judged, part: str, name: str = "result") -> Array:
    """What a part should give."""
    return judged.check.expected(named(judged, part))[name]


def named(judged: Judged, part: str) -> Case:
    """The case of a part."""
    return next(case for case in judged.cases if case.part == part)


def not_finite(judged: Judged, part: str, name: str = "result") -> bool:
    """Whether the evidence of a part holds NaN or infinity."""
    return not np.isfinite(got(judged, part, name)).all()


def only(*parts: str) -> Callable[[Judged], bool]:
    """A matcher: these parts failed and no others."""
    return lambda judged: judged.failed == set(parts)


def apart(rng: np.random.Generator, shape: tuple[int, ...], low: float = 0.2, high: float = 2.0) -> Array:
    """Numbers of both signs, none near zero, about as many of each sign."""
    size = int(np.prod(shape))
    signs = rng.permutation(np.where(np.arange(size) % 2, -1.0, 1.0))
    return (signs * rng.uniform(low, high, size=size)).reshape(shape)
