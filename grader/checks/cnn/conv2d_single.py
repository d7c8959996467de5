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
        Case("stride and padding", run((4, 9), (5, 2), stride=3, padding=2)),  # too large without the padding
    ]


def oracle(
    image: Array,
    weights: Array,
    stride: int = 1,
    padding: int = 0,
    kernel: str = "as it is",
    steps: str = "right",
    border: str = "all sides",
    size: str = "right",
    sum: str = "sum",
) -> Array:
    turned = {
        "as it is": weights,
        "turned around": weights[::-1, ::-1],
        "upside down": weights[::-1],
        "transposed": weights.T,
    }[kernel]
    around = {"all sides": (padding, padding), "none": (0, 0), "before": (padding, 0)}[border]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, [around, around]), turned.shape)
    sums = np.einsum("rchw,hw->rc", windows, turned)
    if sum == "mean":
        sums = sums / turned.size
    step = 1 if steps == "ignored" else stride
    output = sums[::step, ::step]
    rows, columns = output.shape
    if steps == "size only":
        output = sums[:rows, :columns]
    if size == "one short":
        output = output[:-1, :-1]
    return output[:, :rows] if size == "square" else output


PAD = "image = np.pad(image, padding)"
WINDOW = "image[top : top + height, left : left + width] * kernel"
ROWS, COLUMNS = "(image.shape[0] - height) // stride + 1", "(image.shape[1] - width) // stride + 1"
SHAPE = "height, width = kernel.shape"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "The kernel is turned around: that is convolution in mathematics. Here it is laid on the image as it is.": Mistake(
            (WINDOW, f"{WINDOW}[::-1, ::-1]"), kernel="turned around"
        ),
        "The kernel is upside down: its first row belongs to the window's first row.": Mistake(
            (WINDOW, f"{WINDOW}[::-1]"), kernel="upside down"
        ),
        "The kernel is transposed: rows of the kernel belong to rows of the image.": Mistake(
            (WINDOW, f"{WINDOW}.T"), matches=shows(SQUARE, kernel="transposed")
        ),
        "The stride is ignored: with a stride of 2 the window moves by two pixels, so there are fewer places.": Mistake(
            (ROWS, ROWS.replace("stride", "1")),
            (COLUMNS, COLUMNS.replace("stride", "1")),
            ("row * stride, column * stride", "row, column"),
            matches=has_shape("stride", steps="ignored"),
        ),
        "With a stride the result has the right size, but the wrong places: the window's corner moves by the stride.": Mistake(
            ("row * stride, column * stride", "row, column"), steps="size only"
        ),
        "The padding is ignored: with padding there are zeros around the image, so the result is larger.": Mistake(
            (PAD, "image = np.array(image)"), matches=has_shape("padding", border="none")
        ),
        "The padding is on one side only: zeros go above and below, left and right.": Mistake(
            (PAD, "image = np.pad(image, (padding, 0))"), matches=has_shape("padding", border="before")
        ),
        "The last row and the last column of places are missing: a kernel as large as the image still has one place.": Mistake(
            (ROWS, ROWS[:-4]), (COLUMNS, COLUMNS[:-4]), matches=has_shape("values", size="one short")
        ),
        "The result is cut off on the right: an image may be wider than it is high, so rows and columns are "
        "counted apart.": Mistake((COLUMNS, "rows"), matches=has_shape("values", size="square")),
        "Every number is too small by the same factor: this is the window's average, not its sum.": Mistake(
            ("np.sum(", "np.mean("), sum="mean"
        ),
    },
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
