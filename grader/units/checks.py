"""The checks of a unit: found by name, loaded when asked for."""

from __future__ import annotations

import importlib
import pkgutil

from grader.errors import CheckError
from grader.judging.vocabulary import Check


def load(unit: str, exercise: str) -> Check:
    """The check of an exercise.

    Raises:
        CheckError: If there is none, or its module defines no `CHECK`.
    """
    name = f"grader.checks.{unit}.{exercise}"
    try:
        check = importlib.import_module(name).CHECK
    except ModuleNotFoundError as error:
        raise CheckError(f"no check {name}: write grader/checks/{unit}/{exercise}.py. ({error})") from error
    except AttributeError as error:
        raise CheckError(f"{name} defines no CHECK.") from error
    if not isinstance(check, Check):
        raise CheckError(f"{name}.CHECK: expected a Check, received {type(check).__name__}.")
    return check


def names(unit: str) -> list[str]:
    """The exercises of a unit that have a check, sorted by name; modules that start with `_` are shared parts."""
    package = importlib.import_module(f"grader.checks.{unit}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))
