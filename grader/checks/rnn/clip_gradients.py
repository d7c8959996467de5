"""Gradients that are shortened: several at once, ones that are short enough, zeros, and a single one."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT, doubles
from grader.judging.matching import apart, not_finite, only, shows

VALUES, SHORT, ZEROS, ONE = "too long", "short enough", "nothing but zeros", "a single gradient"


def norm(arrays: dict[str, Array]) -> float:
    return float(np.linalg.norm(np.concatenate([array.ravel() for array in arrays.values()])))


def cases(rng: np.random.Generator) -> list[Case]:
    def run(times: float, **shapes: tuple[int, ...]) -> Call:
        """Gradients whose norm is so many times the limit."""
        gradients = {name: apart(rng, shape) for name, shape in shapes.items()}
        return Call((gradients, norm(gradients) / times), returns=tuple(shapes), numpy=True)

    zeros = {"kernel": np.zeros((2, 3)), "bias": np.zeros(3)}
    return [
        Case(VALUES, run(rng.uniform(1.5, 3), kernel=(3, 4), recurrent_kernel=(4, 4), bias=(4,), gain=()), weight=3),
        Case("just too long", run(1.1, kernel=(5, 2), bias=(2,))),
        Case(SHORT, run(rng.uniform(0.3, 0.9), recurrent_kernel=(3, 3), kernel=(2, 3))),
        Case(ZEROS, Call((zeros, rng.uniform(0.5, 2)), returns=tuple(zeros), numpy=True), weight=0.5, property=True),
        Case(ONE, run(rng.uniform(5, 9), kernel=(2, 3, 2)), weight=0.5),
    ]


def oracle(gradients: dict[str, Array], limit: float, way: str = "together", kind: str = "root") -> dict[str, Array]:
    flat = np.concatenate([gradient.ravel() for gradient in gradients.values()])
    size = {
        "root": np.sqrt(flat @ flat),
        "squared": flat @ flat,
        "absolute": np.abs(flat).sum(),
        "largest": np.abs(flat).max(),
        "mean": np.sqrt(np.mean(flat**2)),
    }[kind]

    def factor(length: float) -> float:
        if length <= limit:
            return 1.0
        return 1 / length if way == "to 1" else limit / length if length else np.nan

    if way == "each":
        return {name: gradient * factor(float(np.linalg.norm(gradient))) for name, gradient in gradients.items()}
    if way == "entries":
        return {name: np.clip(gradient, -limit, limit) for name, gradient in gradients.items()}
    return {name: gradient * factor(float(size)) for name, gradient in gradients.items()}


NORM = "norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))"
FACTOR = "limit / max(norm, limit)"
RETURN = f"return {{name: gradient * ({FACTOR}) for name, gradient in gradients.items()}}"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "Each gradient is shortened by itself: the norm is that of all of them together, and so is the factor.": Mistake(
            (NORM, ""),
            (RETURN, RETURN.replace("norm", "np.linalg.norm(gradient)")),
            way="each",
        ),
        "Each entry is clipped by itself, which turns the direction: multiply all gradients by one factor.": Mistake(
            (RETURN, "return {name: np.clip(gradient, -limit, limit) for name, gradient in gradients.items()}"), way="entries"
        ),
        "Gradients that are short enough are made longer: they stay as they are.": Mistake(
            (FACTOR, "limit / max(norm, 1e-12)"), matches=only(SHORT)
        ),
        "Of zeros it makes NaN, by dividing by a norm of 0: they stay zeros.": Mistake(
            (f"({FACTOR})", "(1 / norm) * min(norm, limit)"),
            matches=lambda judged: only(ZEROS)(judged) and not_finite(judged, ZEROS, "bias"),
        ),
        "The root is missing: the norm is the root of the sum of squares.": Mistake(
            (NORM, NORM.replace("np.sqrt", "")), matches=shows(VALUES, "just too long", ONE, kind="squared")
        ),
        "The sizes of the entries are added up: the norm is the root of the sum of their squares.": Mistake(
            (NORM, NORM.replace("np.sqrt", "").replace("gradient**2", "np.abs(gradient)")),
            matches=shows(VALUES, "just too long", ONE, kind="absolute"),
        ),
        "Gradients that are too long get the norm 1, and not that of the limit.": Mistake(
            (FACTOR, "1 / norm if norm > limit else 1"), way="to 1"
        ),
    },
    alternatives=(
        """
def clip_gradients(gradients, limit):
    norm = np.linalg.norm(np.concatenate([np.ravel(gradient) for gradient in gradients.values()]))
    if norm <= limit:
        return {name: gradient.copy() for name, gradient in gradients.items()}
    return {name: limit * gradient / norm for name, gradient in gradients.items()}
""",
        """
def clip_gradients(gradients, limit):
    total = 0.0
    for gradient in gradients.values():
        for entry in gradient.flat:
            total += float(entry) ** 2
    clipped = dict(gradients)
    if total > limit**2:
        for name in gradients:
            clipped[name] = gradients[name] * limit / total**0.5
    return clipped
""",
        """
def clip_gradients(gradients, limit):
    norms = [np.linalg.norm(gradient) for gradient in gradients.values()]
    factor = min(1.0, limit / (np.hypot.reduce(norms) + 1e-300))
    return {name: np.multiply(gradient, factor) for name, gradient in sorted(gradients.items())}
""",
    ),
    atol=1e-9,
    rtol=1e-9,
    contracts=(KEPT, doubles(lambda gradients, limit: {name: value.shape for name, value in gradients.items()})),
)
