"""A trained forecaster, on cycles drawn for this submission, whose best forecast is known exactly.

Period and damping are secret and other for every submission. Measured is how much of what separates the naive forecast ("as
it is now") from the best possible one has been gained: 0 is naive, 1 the optimum. Forecasts are asked for after every step of
whole series, so a model that looks at later steps knows the answers. It does better than is possible, and that is how it shows.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from course import data
from grader.judging import Array, Arrays, Case, Check, Edits, Judged, Mistake, ModelCall
from grader.judging.bars import Bar
from grader.judging.contracts import LEARNED, PAST, SAME_SEED

LEAST_GAIN = 0.9
MOST_GAIN = 1.02
"""Chance alone never carries a forecast that knows the past only past this: the noise of 4,600 steps is what it is."""
SERIES, STEPS, LONGER = 400, 25, 40
JUDGED = 200 * 23
SCORED = slice(2, None)
"""The best forecast needs two values before it."""


def cases(rng: np.random.Generator) -> list[Case]:
    process = {"period": rng.uniform(7, 13), "damping": rng.uniform(0.93, 0.96)}
    series, _ = data.cycles(SERIES, STEPS, rng, **process)
    fresh, best = data.cycles(200, STEPS, rng, **process)
    longer, best_longer = data.cycles(200, LONGER, rng, **process)
    inputs = {"fresh": fresh[:, :-1, None], "longer": longer[:, :-1, None]}
    run = ModelCall((series, int(rng.integers(2**31))), numpy=True, inputs=inputs)

    def gain(arrays: Arrays, name: str = "fresh", values: Array = fresh, optimum: Array = best) -> float:
        forecasts = arrays[name].astype(float)[:, 1:, 0]
        now, then = values[:, 1:-1].astype(float), values[:, SCORED].astype(float)
        naive, possible, reached = (float(np.mean((f - then) ** 2)) for f in (now, optimum[:, SCORED], forecasts))
        return (naive - reached) / (naive - possible)

    def honest(arrays: Arrays) -> bool:
        return gain(arrays) <= MOST_GAIN

    def keeps_on(arrays: Arrays) -> bool:
        return LEAST_GAIN <= gain(arrays, "longer", longer, best_longer) <= MOST_GAIN

    shape, long_shape = {"fresh": (200, STEPS - 1, 1)}, {"longer": (200, LONGER - 1, 1)}

    def gain_if_honest(arrays: Arrays) -> float:
        return gain(arrays) if honest(arrays) else 0.0

    return [
        Case("gain over the naive forecast", run, weight=4, accept=Bar(LEAST_GAIN, gain_if_honest, JUDGED), shapes=shape),
        Case("no better than possible", run, weight=1, accept=honest, shapes=shape, property=True),
        Case("longer series", run, weight=1, accept=keeps_on, shapes=long_shape, property=True),
    ]


def forecasts(judged: Judged) -> tuple[Array, Array] | None:
    """What the model forecasts for the fresh series after each step, and what it saw there; `None` where it gives nothing."""
    case = judged.cases[0]
    if case.part not in judged.failed or "fresh" not in judged.received.get(case.part, {}):
        return None
    received = np.asarray(judged.received[case.part]["fresh"], dtype=float)[:, :, 0]
    seen = cast(ModelCall, case.run).inputs["fresh"][:, :, 0].astype(float)
    return (received, seen) if np.isfinite(received).all() else None


def naive(judged: Judged) -> bool:
    """Whether the forecasts are nothing but the value of now. The best that follow from it alone differ by 0.014 or more."""
    found = forecasts(judged)
    return found is not None and bool(np.mean((found[0] - found[1]) ** 2) < 0.005)


def clairvoyant(judged: Judged) -> bool:
    return "no better than possible" in judged.failed and forecasts(judged) is not None


def squeezed(judged: Judged) -> bool:
    """Whether no forecast is negative, or none is larger than 1: a last layer with softmax, sigmoid or ReLU."""
    found = forecasts(judged)
    return found is not None and bool(found[0].min() >= 0) and not naive(judged)


def forgetful(judged: Judged) -> bool:
    """Whether the forecast follows from the value of now alone: the same value, the same forecast, wherever it stands."""
    found = forecasts(judged)
    if found is None or naive(judged) or squeezed(judged) or np.ptp(found[0]) < 1e-3:
        return False
    order = np.argsort(found[1], axis=None)
    sorted_forecasts = found[0].ravel()[order]
    return bool(np.abs(np.diff(sorted_forecasts)).mean() < 0.004)


LAYER, OUTPUT = "layers.GRU(16, return_sequences=True)", "layers.Dense(1)"
FIT = "model.fit(series[:, :-1, None], series[:, 1:, None], batch_size=batch_size, epochs=epochs, verbose=0)"

MEMORYLESS: Edits = ((LAYER, 'layers.Dense(16, activation="tanh")'),)
SAME: Edits = ((FIT, FIT.replace("series[:, 1:, None]", "series[:, :-1, None]")),)
UNTRAINED: Edits = ((FIT, "pass"),)

BASELINES = {
    "no memory": MEMORYLESS,
    "untrained": UNTRAINED,
    "naive": SAME,
    "one epoch": (("epochs, batch_size = 15, 32", "epochs, batch_size = 1, 32"),),
}

CHECK = Check(
    cases,
    mistakes={
        "Too good to be true: these forecasts are better than any that know the past only. Does a layer read the series "
        "backwards, too, or look at the whole of it? Then it has seen the next value.": Mistake(
            (LAYER, "layers.Bidirectional(layers.GRU(16, return_sequences=True))"), matches=clairvoyant
        ),
        "The forecast is the value of now: what should come out after a step is the value of the next one.": Mistake(
            *SAME, matches=naive
        ),
        "No forecast is ever negative, and half of the values are: the last layer of a forecast has no activation.": Mistake(
            (OUTPUT, 'layers.Dense(1, activation="sigmoid")'), matches=squeezed
        ),
        "The forecast depends on the value of now alone: whether a cycle goes up or down, only the values "
        "before it tell.": Mistake(*MEMORYLESS, matches=forgetful),
    },
    alternatives=(
        """
def train_forecaster(series, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, 1))
    states = layers.LSTM(20, return_sequences=True)(inputs)
    model = keras.Model(inputs, layers.TimeDistributed(layers.Dense(1))(states))
    model.compile(keras.optimizers.Adam(0.02), keras.losses.MeanSquaredError())
    model.fit(series[:, :-1, None], series[:, 1:, None], batch_size=25, epochs=18, verbose=0)
    return model
""",
        """
def train_forecaster(series, seed):
    keras.utils.set_random_seed(seed)

    class Forecaster(keras.Model):
        def __init__(self):
            super().__init__()
            self.read = layers.SimpleRNN(24, return_sequences=True)
            self.change = layers.Dense(1)

        def call(self, x):
            return x + self.change(self.read(x))  # by how much the next value differs

    model = Forecaster()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(series[:, :-1, None], series[:, 1:, None], batch_size=20, epochs=25, verbose=0)
    return model
""",
        """
def train_forecaster(series, seed):
    keras.utils.set_random_seed(seed)
    # A causal convolution that sees eight steps knows all that matters here.
    model = keras.Sequential(
        [
            layers.Input((None, 1)),
            layers.Conv1D(16, 8, padding="causal", activation="tanh"),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(series[:, :-1, None], series[:, 1:, None], batch_size=16, epochs=25, verbose=0)
    return model
""",
    ),
    contracts=(LEARNED, PAST, SAME_SEED),
)
