"""What the notebooks of the course import. Whoever has chosen no Keras backend gets one that is installed."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


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
