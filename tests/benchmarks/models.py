"""One training step and one inference step of the solutions' models, against peers of the same size: ratios, in one run.

Mini-BERT runs against KerasHub's BERT, the LSTM step and multi-head attention against Keras's own layers, the CNN against the
same model written down in plain Keras layers. Each backend runs in a process of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

BACKENDS = ("tensorflow", "jax", "torch")
ROUNDS, STEPS = 7, 5
"""Rounds in which ours and the peer take turns, and steps per round; what counts is the median round."""


def models():
    """By name: our model, the peer, inputs, and targets."""
    import keras
    import keras_hub
    import numpy as np
    from keras import layers, ops

    from solutions import attention, bert, cnn, rnn

    rng = np.random.default_rng(0)
    vocabulary, length, dim, heads, hidden, blocks = 1000, 32, 64, 4, 256, 2

    def hub_bert():
        backbone = keras_hub.models.BertBackbone(
            vocabulary_size=vocabulary,
            num_layers=blocks,
            num_heads=heads,
            hidden_dim=dim,
            intermediate_dim=hidden,
            dropout=0.0,
            max_sequence_length=length,
        )
        ids = layers.Input((length,), dtype="int32")
        given = {"token_ids": ids, "segment_ids": ops.zeros_like(ids), "padding_mask": ops.ones_like(ids)}
        return keras.Model(ids, layers.Dense(vocabulary)(backbone(given)["sequence_output"]))

    class Unrolled(layers.Layer):
        """The LSTM of the unit `rnn`, one step after the other."""

        def build(self, shape):
            self.cell = layers.LSTMCell(64)  # for its weights alone
            self.cell.build((None, shape[-1]))

        def call(self, xs):
            hidden = memory = ops.zeros((ops.shape(xs)[0], 64))
            for step in range(xs.shape[1]):
                hidden, memory = rnn.lstm_step(
                    xs[:, step], hidden, memory, self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias
                )
            return hidden

    def around(layer, shape):
        inputs = layers.Input(shape)
        return keras.Model(inputs, layers.Dense(10)(layer(inputs)))

    def plain_cnn():
        return keras.Sequential(
            [
                layers.Input((28, 28, 1)),
                *(layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)),
                *(layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)),
                *(layers.GlobalAveragePooling2D(), layers.Dense(10)),
            ]
        )

    ids = rng.integers(vocabulary, size=(64, length)).astype("int32")
    sequences, words = (rng.normal(size=(64, steps, 64)).astype("float32") for steps in (20, 64))
    images = rng.normal(size=(64, 28, 28, 1)).astype("float32")
    classes, tags = rng.integers(10, size=64), rng.integers(10, size=(64, 64))
    mini = bert.build_mini_bert(vocabulary, length, dim, heads, hidden, blocks)
    mini = keras.Model(mini.input, mini.output["words"])
    return {
        "mini-BERT : KerasHub": (mini, hub_bert(), ids, ids),
        "LSTM : Keras": (around(Unrolled(), (20, 64)), around(layers.LSTM(64), (20, 64)), sequences, classes),
        "attention : Keras": (
            around(lambda x: attention.MultiHeadAttention(4, 16)(x, x), (64, 64)),
            around(lambda x: layers.MultiHeadAttention(4, 16)(x, x), (64, 64)),
            words,
            tags,
        ),
        "CNN : plain Keras": (cnn.build_cnn(28, 1, 32, 10), plain_cnn(), images, classes),
    }


def measure():
    """Print, as JSON, the seconds of ours and of the peer, by model and kind of step."""
    import keras

    results = {}
    for name, (ours, peer, x, y) in models().items():
        for model in (ours, peer):
            model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        for kind in ("training", "inference"):
            rounds = {"ours": [], "peer": []}
            for attempt in range(ROUNDS + 1):  # the first one compiles
                for label, model in (("ours", ours), ("peer", peer)):
                    begun = time.perf_counter()
                    for _ in range(STEPS):
                        if kind == "training":
                            model.train_on_batch(x, y)
                        else:
                            model.predict_on_batch(x)
                    if attempt:
                        rounds[label].append((time.perf_counter() - begun) / STEPS)
            results[f"{name}, {kind}"] = {label: statistics.median(seconds) for label, seconds in rounds.items()}
    print(json.dumps(results))


def main():
    console = Console()
    table = Table(title="Models: the peer's time per step divided by ours, 1.0 or more is as fast or faster")
    table.add_column("model and step")
    found = {}
    for backend in BACKENDS:
        table.add_column(backend, justify="right")
        with console.status(backend):
            run = subprocess.run(
                [sys.executable, __file__, "measure"],
                env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
                cwd=Path(__file__).parents[2],
                check=True,
                capture_output=True,
                text=True,
            )
        found[backend] = json.loads(run.stdout.splitlines()[-1])
    for name in found[BACKENDS[0]]:
        cells = [found[backend][name] for backend in BACKENDS]
        table.add_row(name, *(f"{c['peer'] / c['ours']:.2f} ({c['ours'] * 1e3:.1f} ms)" for c in cells))
    console.print(table)


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        measure()
    else:
        main()
