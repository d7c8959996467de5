"""One sliding window: images wider than they are high, kernels without symmetry, strides that leave pixels over."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.matching import apart, has_shape, shows
from grader.judging.off_limits import CONVOLUTION

SQUARE = "square kernel"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(image: tuple[int, int], kernel: tuple[int, int], **how: int) -> Call:
        return Call((apart(rng, image), apart(rng, kernel)), how, numpy=True)

    return [
        Case("values", run((5, 7), (3, 2)), weight=2),
        Case(SQUARE, run((5, 6), (3, 3))),
        Case("stride", run((6, 8), (3, 2), stride=2)),
        Case("padding", run((3, 5), (2, 3), padding=2)),
        Case("stride and padding", run((4, 9), (3, 2), stride=3, padding=1)),
    ]


def oracle(
    run: Call,
    kernel: str = "as it is",
    stride: str = "right",
    padding: str = "all sides",
    size: str = "right",
    sum: str = "sum",
) -> Array:
    image, weights = (np.asarray(value, dtype=float) for value in run.args)
    step, border = run.kwargs.get("stride", 1), run.kwargs.get("padding", 0)
    turned = {
        "as it is": weights,
        "turned around": weights[::-1, ::-1],
        "upside down": weights[::-1],
        "transposed": weights.T,
    }[kernel]
    around = {"all sides": (border, border), "none": (0, 0), "before": (border, 0)}[padding]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, [around, around]), turned.shape)
    sums = np.einsum("rchw,hw->rc", windows, turned)
    if sum == "mean":
        sums = sums / turned.size
    output = sums[:: 1 if stride == "ignored" else step, :: 1 if stride == "ignored" else step]
    rows, columns = output.shape
    if stride == "size only":
        output = sums[:rows, :columns]
    if size == "one short":
        output = output[:-1, :-1]
    return np.asarray(output[:, :rows] if size == "square" else output)


PAD = "image = np.pad(image, padding)"
WINDOW = "image[top : top + height, left : left + width] * kernel"
ROWS, COLUMNS = "(image.shape[0] - height) // stride + 1", "(image.shape[1] - width) // stride + 1"
SHAPE = "height, width = kernel.shape"

CHECK = Check(
    cases,
    oracle,
    mistakes=(
        Mistake(
            "The kernel is turned around: that is convolution in mathematics. Here it is laid on the image as it is.",
            edits=((WINDOW, f"{WINDOW}[::-1, ::-1]"),),
            switches={"kernel": "turned around"},
        ),
        Mistake(
            "The kernel is upside down: its first row belongs to the window's first row.",
            edits=((WINDOW, f"{WINDOW}[::-1]"),),
            switches={"kernel": "upside down"},
        ),
        Mistake(
            "The kernel is transposed: rows of the kernel belong to rows of the image.",
            edits=((WINDOW, f"{WINDOW}.T"),),
            matches=shows(SQUARE, oracle, kernel="transposed"),
        ),
        Mistake(
            "The stride is ignored: with a stride of 2 the window moves by two pixels, so there are fewer places.",
            edits=(
                (ROWS, ROWS.replace("stride", "1")),
                (COLUMNS, COLUMNS.replace("stride", "1")),
                ("row * stride, column * stride", "row, column"),
            ),
            matches=has_shape("stride", oracle, stride="ignored"),
        ),
        Mistake(
            "With a stride the result has the right size, but the wrong places: the window's corner moves by the stride.",
            edits=(("row * stride, column * stride", "row, column"),),
            switches={"stride": "size only"},
        ),
        Mistake(
            "The padding is ignored: with padding there are zeros around the image, so the result is larger.",
            edits=((PAD, "image = np.array(image)"),),
            matches=has_shape("padding", oracle, padding="none"),
        ),
        Mistake(
            "The padding is on one side only: zeros go above and below, left and right.",
            edits=((PAD, "image = np.pad(image, (padding, 0))"),),
            matches=has_shape("padding", oracle, padding="before"),
        ),
        Mistake(
            "The last row and the last column of places are missing: a kernel as large as the image still has one place.",
            edits=((ROWS, ROWS[:-4]), (COLUMNS, COLUMNS[:-4])),
            matches=has_shape("values", oracle, size="one short"),
        ),
        Mistake(
            "The result is cut off on the right: an image may be wider than it is high, so rows and columns are counted apart.",
            edits=((COLUMNS, "rows"),),
            matches=has_shape("values", oracle, size="square"),
        ),
        Mistake(
            "Every number is too small by the same factor: this is the window's average, not its sum.",
            edits=(("np.sum(", "np.mean("),),
            switches={"sum": "mean"},
        ),
    ),
    alternatives=(
        """
def conv2d_single(image, kernel, stride=1, padding=0):
    image = np.pad(image, ((padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.tensordot(windows, kernel, axes=2)
""",
        """
def conv2d_single(image, kernel, stride=1, padding=0):
    height, width = image.shape
    wide = [[0.0] * (width + 2 * padding) for _ in range(height + 2 * padding)]
    for i in range(height):
        for j in range(width):
            wide[i + padding][j + padding] = float(image[i, j])
    m, n = kernel.shape
    output = []
    for i in range(0, len(wide) - m + 1, stride):
        output.append([])
        for j in range(0, len(wide[0]) - n + 1, stride):
            output[-1].append(sum(wide[i + a][j + b] * kernel[a, b] for a in range(m) for b in range(n)))
    return output
""",
        """
def conv2d_single(image, kernel, stride=1, padding=0):
    image = ops.pad(ops.convert_to_tensor(image, "float32"), ((padding, padding), (padding, padding)))
    rows = (image.shape[0] - kernel.shape[0]) // stride + 1
    columns = (image.shape[1] - kernel.shape[1]) // stride + 1
    total = ops.zeros((rows, columns))
    for i, line in enumerate(kernel):
        for j, weight in enumerate(line):
            seen = image[i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride]
            total = total + seen * float(weight)
    return total
""",
    ),
    off_limits=CONVOLUTION,
)
