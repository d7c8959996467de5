"""What the notebooks of the course import. Whoever has chosen no Keras backend gets one that is installed.

After the import of `course`, whichever part of it comes first, Keras and TensorFlow are imported without a word. What was
imported before has logged already: the set-up cells import `course` first.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

BACKENDS = ("tensorflow", "jax", "torch")
LOUD = ("keras", "tensorflow")
"""Packages whose import starts C++ libraries that log. With another backend Keras imports TensorFlow later, if at all."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what C++ libraries write to stderr nowhere: TensorFlow logs there while it is imported, whatever its level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it logs later
    original, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(nowhere)


class _QuietFinder:
    """Finds the loud packages where Python does, and lets them be imported quietly, whoever does it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What `sys.meta_path` asks for; None for all others."""
        spec = PathFinder.find_spec(name, path, target) if name in LOUD else None
        if spec and spec.loader:
            spec.loader.exec_module = _quiet()(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _choose_backend() -> None:
    """Name an installed backend in `KERAS_BACKEND`, unless one is named there or Keras is at work already.

    Raises:
        ImportError: If none is installed.
    """
    if os.environ.get("KERAS_BACKEND") or "keras" in sys.modules:
        return
    installed = [name for name in (_configured(), *BACKENDS) if name in BACKENDS and find_spec(name)]
    if not installed:
        raise ImportError("Keras needs TensorFlow, JAX or PyTorch, and none is installed. `pip install jax` is the smallest.")
    os.environ["KERAS_BACKEND"] = installed[0]


def _configured() -> str:
    """The backend in Keras's own file, which names TensorFlow unless somebody has changed it, or ""."""
    file = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        return str(json.loads(file.read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


_choose_backend()
sys.meta_path.insert(0, _QuietFinder)
