"""Generators of data that answers are judged on are for looking at data, in cells of one's own: an answer is given its data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from course import probe

Made = TypeVar("Made", bound=Callable[..., Any])


def for_looking(made: Made) -> Made:
    """Decorate a function, or a class, so that it raises a RuntimeError where an answer uses it while it is probed.

    However the answer came by it: what counts is who calls. An object of such a class that was made before cannot be used
    either. Everywhere else nothing changes.
    """
    if not isinstance(made, type):
        return _guarded(made, made.__name__)
    for name in ("__init__", "__getattribute__"):
        setattr(made, name, _guarded(getattr(made, name), made.__name__))
    return made


def _guarded(function: Any, name: str) -> Any:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if probe.answering():
            raise RuntimeError(f"course.data.{name} is for looking at data, not for answers: what one needs is handed to it.")
        return function(*args, **kwargs)

    # As by functools.wraps, which would leave the function itself within reach, too.
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(guarded, attribute, getattr(function, attribute, None))
    guarded.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return guarded
