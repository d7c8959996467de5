"""A text in windows: one with letters left over, one that fits exactly, one that lacks a single target, and a single stream."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT, indices

NAMES = ("x", "y")
LETTERS = 70_000
"""More than a text has, so that each letter tells where it stood, and more than a small integer holds."""


def cases(rng: np.random.Generator) -> list[Case]:
    def run(streams: int, windows: int, steps: int, left: int) -> Call:
        """A text that has `left` letters more than the windows and the last target."""
        ids = rng.choice(LETTERS, streams * windows * steps + 1 + left, replace=False)
        return Call((ids, streams, steps), returns=NAMES, numpy=True)

    values = run(3, 4, 5, left=int(rng.integers(4, 11)))
    return [
        Case("inputs", values, weight=2, of=("x",)),
        Case("targets", values, weight=2, of=("y",)),
        Case("nothing left over", run(4, 3, 4, left=0)),
        Case("a target too few", run(2, 3, 5, left=9)),
        Case("a single stream", run(1, 5, 3, left=1), weight=0.5),
        Case("one letter a window", run(3, 6, 1, left=2), weight=0.5),
    ]


def windows_of(ids: Array, streams: int, steps: int) -> tuple[int, int, int]:
    """The shape of what comes back."""
    return (len(ids) - 1) // (streams * steps), streams, steps


def oracle(
    ids: Array, streams: int, steps: int, order: str = "streams", ahead: int = 1, inside: bool = False
) -> tuple[Array, Array]:
    x = np.zeros(windows_of(ids, streams, steps), dtype=int)
    y, windows = np.zeros_like(x), len(x)
    for window, stream, step in np.ndindex(x.shape):
        place = {
            "streams": (stream * windows + window) * steps + step,
            "text": (window * streams + stream) * steps + step,
            "letters": (window * steps + step) * streams + stream,
        }[order]
        x[window, stream, step] = ids[place]
        y[window, stream, step] = ids[(place + ahead) % len(ids)]
    if inside:  # the target of a window's last letter is its first one
        y = np.roll(x, -1, axis=2)
    return x, y


SHIFTED = "ids[1 : used + 1]"
CUT = "text.reshape(streams, windows, steps).swapaxes(0, 1)"
RETURN = "return x, y"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "A row of one window does not go on in the same row of the next: cut the text into its streams first, and each of "
        "these into windows.": Mistake((CUT, "text.reshape(windows, streams, steps)"), order="text"),
        "Letters that stand side by side in the text lie in different rows: a row of a window is a piece of the text.": Mistake(
            (CUT, "text.reshape(windows, steps, streams).swapaxes(1, 2)"), order="letters"
        ),
        "The targets are the inputs themselves: the target of a letter is the one after it.": Mistake(
            (SHIFTED, "ids[:used]"), ahead=0
        ),
        "The targets are the letters before the inputs: they are the ones after them.": Mistake(
            (SHIFTED, "np.roll(ids, 1)[:used]"), ahead=-1
        ),
        "The target of a window's last letter is the window's first one: it is the next letter of the text, which the next "
        "window begins with.": Mistake((RETURN, "return x, np.roll(x, -1, axis=2)"), inside=True),
    },
    alternatives=(
        """
def cut_text(ids, streams, steps):
    windows = (len(ids) - 1) // (streams * steps)
    starts = np.arange(windows)[:, None] * steps + np.arange(streams) * windows * steps
    places = starts[..., None] + np.arange(steps)
    return ids[places], ids[places + 1]
""",
        """
def cut_text(ids, streams, steps):
    length = (len(ids) - 1) // (streams * steps) * steps
    xs, ys = [], []
    for start in range(0, length, steps):
        xs.append([ids[row * length + start : row * length + start + steps] for row in range(streams)])
        ys.append([ids[row * length + start + 1 : row * length + start + steps + 1] for row in range(streams)])
    return np.array(xs), np.array(ys)
""",
        """
def cut_text(ids, streams, steps):
    windows = (len(ids) - 1) // (streams * steps)
    pairs = np.stack([ids[:-1], ids[1:]])[:, : streams * windows * steps]
    pieces = ops.transpose(ops.reshape(pairs, (2, streams, windows, steps)), (0, 2, 1, 3))
    return pieces[0], pieces[1]
""",
    ),
    # Nothing is computed.
    atol=1e-6,
    rtol=0.0,
    contracts=(KEPT, indices("x", windows_of)),
)
