"""Sinusoidal positions of drawn length and width, sine and cosine interleaved."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake


def cases(rng: np.random.Generator) -> list[Case]:
    # Few sizes: some backends compile anew for each.
    length, dim = int(rng.choice([70, 75, 81])), int(rng.choice([26, 32, 40]))
    longer, narrow = int(rng.choice([25, 30, 39])), int(rng.choice([6, 10, 14]))
    far = Call((int(rng.choice([260, 300])), 6))
    return [Case("values", Call((length, dim))), Case("other sizes", Call((longer, narrow))), Case("long", far, weight=0.5)]


def oracle(
    length: int, dim: int, exponent: str = "2i", order: str = "interleaved", first: int = 0, base: float = 10000.0
) -> Array:
    positions = first + np.arange(length)
    table = np.zeros((length, dim))
    for pair in range(dim // 2):
        even = {"4i": 4 * pair, "i": pair}.get(exponent, 2 * pair)
        odd = even + {"column": 1, "next": 2}.get(exponent, 0)
        left, right = (pair, dim // 2 + pair) if order == "halves" else (2 * pair, 2 * pair + 1)
        if order == "cosine first":
            left, right = right, left
        table[:, left] = np.sin(positions / base ** (even / dim))
        table[:, right] = np.cos(positions / base ** (odd / dim))
    return table


SINE_COSINE = "[ops.sin(angles), ops.cos(angles)]"
STACK = f"ops.stack({SINE_COSINE}, axis=-1)"
POWER = "ops.power(10000.0, doubled / dim)"


def _own_power_for_cosine(shift: int) -> tuple[str, str]:
    shifted = f"positions / ops.power(10000.0, (doubled + {shift}) / dim)"
    return (SINE_COSINE, f"[ops.sin(angles), ops.cos({shifted})]")


CHECK = Check(
    cases,
    oracle,
    mistakes={
        "All sines come first and all cosines after them: here they alternate, column by column. "
        "(Some libraries use halves; then every part of a model has to.)": Mistake(
            (STACK, f"ops.concatenate({SINE_COSINE}, axis=-1)"), order="halves"
        ),
        "The cosine has an angle of its own, so the vectors differ in length: both columns of a pair use the "
        "even index.": Mistake(_own_power_for_cosine(1), exponent="column"),
        "The cosine has the next pair's angle, so the vectors differ in length: the two columns of a pair "
        "share one angle.": Mistake(_own_power_for_cosine(2), exponent="next"),
        "The frequencies fall too fast: the index was doubled twice; counting in steps of 2 already gives 2i.": Mistake(
            (POWER, "ops.power(10000.0, 2 * doubled / dim)"), exponent="4i"
        ),
        "The frequencies fall too slowly: the exponent is 2i / dim, and the 2 is missing.": Mistake(
            (POWER, "ops.power(10000.0, doubled / 2 / dim)"), exponent="i"
        ),
        "Sine and cosine have changed places: even columns are sines, so that position 0 starts with a 0.": Mistake(
            (SINE_COSINE, "[ops.cos(angles), ops.sin(angles)]"), order="cosine first"
        ),
        "Every row is one position ahead: the first position is 0, not 1.": Mistake(
            ('ops.arange(length, dtype="float32")[:, None]', 'ops.arange(1, length + 1, dtype="float32")[:, None]'), first=1
        ),
        "The frequencies fall too slowly: check the base, it is ten thousand.": Mistake(
            (POWER, "ops.power(1000.0, doubled / dim)"), base=1000.0
        ),
    },
    alternatives=(
        ((POWER, "ops.exp(doubled * (np.log(10000.0) / dim))"),),
        ((f"positions / {POWER}", "positions * 10000.0 ** (-doubled / dim)"),),
        """
def positional_encoding(length, dim):
    table = np.zeros((length, dim))
    angles = np.arange(length)[:, None] / 10000 ** (2 * (np.arange(dim // 2)) / dim)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)
    return ops.convert_to_tensor(table, dtype="float32")
""",
        """
def positional_encoding(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] / np.power(10000.0, (columns - columns % 2) / dim)
    return np.sin(angles + columns % 2 * np.pi / 2).tolist()
""",
    ),
    # In float32 the frequencies are off by about 1e-7 of themselves, and positions up to 39 multiply that.
    atol=5e-5,
    off_limits=("keras_hub.layers.SinePositionEncoding",),
)
