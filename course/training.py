"""What every training cell needs: a seed, one line on where the code runs, and one line of progress."""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from course import _quiet

with _quiet():
    import keras


class _TensorFlowIfThere:
    """TensorFlow to Keras's `set_random_seed`, which with any backend would import it, for seconds, to set its seed."""

    @property
    def available(self) -> bool:
        return "tensorflow" in sys.modules

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules["tensorflow"], name)


with contextlib.suppress(ImportError):  # a later Keras may keep it elsewhere: then it takes the seconds
    from keras.src.utils import rng_utils

    rng_utils.tf = _TensorFlowIfThere()


def set_seed(seed: int) -> None:
    """Make what follows repeatable: initial weights, shuffling and dropout, with whichever backend Keras uses.

    The same seed gives the same numbers again on the same machine, backend and versions. It does not make two backends
    agree with each other, and a GPU may still add in another order from run to run.

    Args:
        seed: Any integer of at least 0; NumPy integers are fine.
    """
    with _quiet():
        keras.utils.set_random_seed(int(seed))


def report() -> None:
    """Print one line: the version of Keras, the backend and its version, and the device that computes."""
    backend = keras.backend.backend()
    version = getattr(importlib.import_module(backend), "__version__", "of unknown version")
    print(f"Keras {keras.__version__} · {backend} {version} · {device()}")


def device() -> str:
    """The device that computes, such as "CPU" or "GPU (NVIDIA H100 80GB HBM3)".

    Keras has no call that gives a device's name with every backend, so this is the one place that asks the backend itself.
    """
    name = None
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow

            if gpus := tensorflow.config.list_physical_devices("GPU"):
                name = tensorflow.config.experimental.get_device_details(gpus[0]).get("device_name", "unnamed")
        case "jax":
            import jax

            first = jax.devices()[0]
            if first.platform != "cpu":
                name = first.device_kind
        case "torch":
            import torch

            if torch.cuda.is_available():
                name = torch.cuda.get_device_name(0)
    return f"GPU ({name})" if name else "CPU"


class Progress(keras.callbacks.Callback):
    """One line that follows a training run, for `model.fit(..., verbose=0, callbacks=[Progress()])`.

    It shows the epoch, the loss and the metrics, and the loss so far as a curve of small bars, and is rewritten at most ten
    times a second, so that a notebook with many epochs stays short. A run of a single epoch is followed step by step.
    """

    PAUSE = 0.1
    """Seconds between two updates."""
    BARS = "▁▂▃▄▅▆▇█"
    LENGTH = 20
    """Bars of the curve; each is the mean of the losses that it stands for."""

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras once, before the first epoch."""
        self._begun = time.monotonic()
        self._shown = float("-inf")
        self._width = 0
        self._line = ""
        self._losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras after each step with the averages, over the epoch so far, of loss and metrics."""
        if self.params.get("epochs") == 1:
            self._follow(f"step {batch + 1}/{self.params.get('steps') or '?'}", logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras after each epoch with the averages of loss and metrics."""
        self._follow(f"epoch {epoch + 1}/{self.params.get('epochs', '?')}", logs)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras once, after the last epoch."""
        self._show(f"{self._line} · {time.monotonic() - self._begun:.1f} s")
        print()

    def _follow(self, place: str, logs: Mapping[str, float] | None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        self._losses.append(values.get("loss", math.nan))
        told = " · ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._line = f"{place} · {told} · {self._curve()}"
        if time.monotonic() - self._shown >= self.PAUSE:
            self._show(self._line)

    def _curve(self) -> str:
        parts = np.array_split(self._losses, min(self.LENGTH, len(self._losses)))
        heights = [part.mean() for part in parts]
        finite = [height for height in heights if math.isfinite(height)]
        low, span = min(finite, default=0), max(finite, default=0) - min(finite, default=0) or 1
        top = len(self.BARS) - 1
        return "".join(self.BARS[round((h - low) / span * top)] if math.isfinite(h) else "×" for h in heights)

    def _show(self, line: str) -> None:
        # Spaces hide what is left of a longer line; "\r" goes back to the start of the line.
        print("\r" + line.ljust(self._width), end="", flush=True)
        self._width = len(line)
        self._shown = time.monotonic()
