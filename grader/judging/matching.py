"""Matchers and inputs that several checks use."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grader.judging.vocabulary import Array, Case, Judged

NO_NUMBERS: Array = np.zeros(0)


def got(judged: Judged, part: str, name: str = "result") -> Array:
    """The evidence of a part as floats; empty where there is none."""
    return np.asarray(judged.received.get(part, {}).get(name, NO_NUMBERS), dtype=float)


def shows(
    part: str, oracle: Callable[..., Any], name: str = "result", atol: float = 1e-5, **switches: Any
) -> Callable[[Judged], bool]:
    """A matcher: this part failed and shows what the oracle gives with these switches, whatever the other parts show.

    For mistakes that can be computed in one part only, such as a transposed kernel that does not fit elsewhere.
    """

    def match(judged: Judged) -> bool:
        if part not in judged.failed:
            return False
        case: Case = next(case for case in judged.cases if case.part == part)
        value = oracle(case.run, **switches)
        expected = np.asarray(value[name] if isinstance(value, Mapping) else value)
        received = got(judged, part, name)
        return received.shape == expected.shape and np.allclose(received, expected, atol=atol, rtol=1e-5)

    return match


def has_shape(part: str, oracle: Callable[..., Array], **switches: Any) -> Callable[[Judged], bool]:
    """A matcher: this part has the wrong shape, that of what the oracle gives with these switches.

    Evidence of a wrong shape is never decoded, so its shape is all that is known of it.
    """

    def match(judged: Judged) -> bool:
        run = next(case.run for case in judged.cases if case.part == part)
        return judged.errors.get(part, "").endswith(f"received {oracle(run, **switches).shape}.")

    return match


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
