"""A unit: one notebook's text, the solutions that it asks for, and their checks."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import numpy as np

from grader.errors import BuildError, CheckError
from grader.files import files_in
from grader.judging import Check
from grader.units.text import Head, UnitText, read_head, read_text
from grader.units.variants import vary

LAST = float("inf")


@dataclass(frozen=True)
class Unit:
    """Where the parts of a unit stand, and what they say when they are asked for.

    Args:
        name: Of the unit, its notebook and its modules.
        text_file: The text, py:percent.
        solution_file: The reference implementations.
        checks_folder: A module per exercise, and what was measured.
        package: What that folder is called where it is imported.
        own: Whether it is of the instructor's course directory.
    """

    name: str
    text_file: Path
    solution_file: Path
    checks_folder: Path
    package: str
    own: bool

    @cached_property
    def head(self) -> Head:
        """What its first cell says of the unit.

        Raises:
            BuildError: If that is wrong.
        """
        return read_head(self.text_file)

    @cached_property
    def text(self) -> UnitText:
        """The text, joined with the solutions.

        Raises:
            BuildError: If anything in them is wrong; the message names the file and the line.
        """
        return read_text(self.name, self.text_file, self.solution_file)

    @property
    def order(self) -> float:
        """Its place among the units; the last for one that does not say."""
        try:
            return self.head.order
        except BuildError:  # whoever asks for this unit will be told
            return LAST

    @cached_property
    def exercises(self) -> list[str]:
        """The exercises that have a check, sorted by name; modules that begin with `_` are what checks share."""
        return sorted(m.name for m in pkgutil.iter_modules([str(self.checks_folder)]) if not m.name.startswith("_"))

    def check_file(self, exercise: str) -> Path:
        """Where the check of an exercise stands."""
        return self.checks_folder / f"{exercise}.py"

    def check(self, exercise: str) -> Check:
        """The check of an exercise.

        Raises:
            CheckError: If there is none, or its module cannot be imported or defines no `CHECK`.
        """
        path = self.check_file(exercise)
        if not path.is_file():
            raise CheckError(f"exercise {exercise!r} of {self.name!r} has no check: write {path}.")
        check = getattr(self.check_module(exercise), "CHECK", None)
        if not isinstance(check, Check):
            raise CheckError(f"{path}: expected CHECK = Check(…), found {'none' if check is None else type(check).__name__}.")
        return check

    def check_module(self, exercise: str) -> ModuleType:
        """The module of an exercise's check.

        Raises:
            CheckError: If it cannot be imported.
        """
        if self.own:
            _make_package(self.package, self.checks_folder)
        with self.naming(exercise):
            return importlib.import_module(f"{self.package}.{exercise}")

    def demand_working(self, exercise: str) -> None:
        """Demand what can be known of a check without an answer: cases are drawn, the oracle computes, all edits can be made.

        Raises:
            BuildError: If the reference cannot be read.
            CheckError: If something in the check fails; the message names the place.
        """
        check, reference = self.check(exercise), self.text.exercises[exercise].reference
        mistakes = check.mistakes.values()
        with self.naming(exercise), np.errstate(all="ignore"):
            for case in check.draw(np.random.default_rng(0)):
                if not isinstance(case.run.args, tuple):
                    raise TypeError(f"args of a call are a tuple, as in Call((x,)), found {type(case.run.args).__name__}")
                for switches in [{}, *(mistake.switches for mistake in mistakes)] if not case.accept else []:
                    check.expected(case, **switches)
            for variant in [*check.alternatives, *(mistake.edits for mistake in mistakes)]:
                vary(reference, variant)

    @contextmanager
    def naming(self, exercise: str) -> Iterator[None]:
        """Say of whatever an exercise's check raises where it did.

        Raises:
            CheckError: In place of anything else.
        """
        try:
            yield
        except Exception as error:
            raise CheckError(f"{_place(error, self.check_file(exercise))}: {type(error).__name__}: {error}") from error

    def checks(self) -> Mapping[str, Check]:
        """The checks by exercise."""
        return {exercise: self.check(exercise) for exercise in self.exercises}

    @property
    def files_folder(self) -> Path:
        """The folder of what lies beside the notebook, if there is any."""
        return self.text_file.with_suffix("")

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """What lies beside the notebook, by path: data, or a small module."""
        return files_in(self.files_folder)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Work where the notebook would: its files are in the working directory, and its modules can be imported."""
        if not self.files:
            yield
            return
        folder, known = str(self.files_folder), set(sys.modules)
        importlib.invalidate_caches()
        with chdir(folder):
            sys.path.insert(0, folder)
            try:
                yield
            finally:
                sys.path.remove(folder)
                for name in set(sys.modules) - known:  # another unit's module may have the same name
                    if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
                        del sys.modules[name]


def _make_package(name: str, folder: Path) -> None:
    """Let the modules in a folder be imported as those of a package, and import one another as `from ._shared import …`.

    When a file has changed they are imported anew: whoever writes a check need not start Jupyter again.
    """
    stamp = max((path.stat().st_mtime_ns for path in folder.glob("*.py")), default=0)
    if getattr(sys.modules.get(name), "stamp", None) == stamp:
        return
    for module in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()
    sys.modules.setdefault(name.rpartition(".")[0], _package(name.rpartition(".")[0], []))
    sys.modules[name] = _package(name, [str(folder)])
    sys.modules[name].stamp = stamp  # type: ignore[attr-defined]


def _package(name: str, places: list[str]) -> ModuleType:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = places
    return module_from_spec(spec)


def _place(error: Exception, file: Path) -> str:
    """Where in a check's folder an error came up."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == file.parent]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(file)
