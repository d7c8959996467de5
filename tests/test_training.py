"""Seeds repeat, the report is one line, progress is one line. Run once per backend."""

import keras
import numpy as np
import pytest

from course.training import Progress, device, report, set_seed

pytestmark = [
    pytest.mark.all_backends,
    # Keras 3.15 converts tensors of JAX and torch in a way that NumPy 2 warns about.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def trained_weights(seed, callbacks=()):
    set_seed(seed)
    model = keras.Sequential([keras.layers.Dense(5, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    x = np.linspace(-1, 1, 60 * 4, dtype="float32").reshape(60, 4)
    model.fit(x, np.arange(60) % 3, epochs=3, batch_size=7, verbose=0, callbacks=list(callbacks))
    # Not `get_weights`: with NumPy 2 it warns on JAX and torch, and warnings are errors here.
    return [keras.ops.convert_to_numpy(weight.value) for weight in model.weights]


def test_same_seed_trains_to_the_same_weights():
    first, again, other = trained_weights(1), trained_weights(np.int64(1)), trained_weights(2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_report_is_one_line_with_versions_and_device(capsys):
    report()
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert keras.__version__ in line
    assert keras.backend.backend() in line
    assert device() in line


def test_progress_keeps_to_one_line(capsys):
    trained_weights(1, [Progress()])
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    last = shown.strip().split("\r")[-1]
    assert last.startswith("epoch 3/3 · ")
    assert "loss" in last
    assert "accuracy" in last


def test_progress_updates_only_now_and_then(capsys):
    progress = Progress()
    progress.set_params({"epochs": 1000})
    progress.on_train_begin()
    for epoch in range(1000):
        progress.on_epoch_end(epoch, {"loss": 1.0})
    progress.on_train_end()
    shown = capsys.readouterr().out
    assert shown.count("\r") < 100
    assert "epoch 1000/1000 · loss 1 ·" in shown


def test_progress_draws_the_loss(capsys):
    def curve(losses, **params):
        progress = Progress()
        progress.set_params(params)
        progress.on_train_begin()
        for number, loss in enumerate(losses):
            if params["epochs"] == 1:
                progress.on_train_batch_end(number, {"loss": loss})
            else:
                progress.on_epoch_end(number, {"loss": loss})
        progress.on_train_end()
        place, *_, drawn, _ = capsys.readouterr().out.split("\r")[-1].split(" · ")
        return place, drawn

    assert curve([8, 4, 2, 1], epochs=4) == ("epoch 4/4", "█▄▂▁")
    assert curve([3, float("nan"), 1], epochs=3)[1] == "█×▁"
    assert curve([float("nan")], epochs=2)[1] == "×"
    assert curve(range(40, 0, -1), epochs=1, steps=40) == ("step 40/40", "██▇▇▇▆▆▅▅▅▄▄▄▃▃▂▂▂▁▁")
