"""Counting places: each of stride, padding and dilation on its own, then all of them, with pixels left over."""

import numpy as np

from grader.judging import Call, Case, Check, Mistake
from grader.judging.contracts import INTEGER


def cases(rng: np.random.Generator) -> list[Case]:
    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    def run(stride: int = 1, padding: int = 0, dilation: int = 1, kernel_size: int = 3, left: int = -1) -> Call:
        """With so many pixels left over; unless told, one too few for another place, so that every way of rounding shows."""
        places = draw(9, 40)
        size = stride * (places - 1) + (left % stride) + dilation * (kernel_size - 1) + 1 - 2 * padding
        return Call((size, kernel_size), {"stride": stride, "padding": padding, "dilation": dilation})

    kernel_size, exact = draw(3, 8), draw(2, 4)
    return [
        Case("size and kernel", Call((kernel_size + draw(10, 40), kernel_size))),
        Case("stride", run(stride=draw(2, 4), kernel_size=draw(2, 5))),
        Case("stride, nothing left over", run(stride=exact, kernel_size=exact + 1, left=0)),
        Case("padding", run(padding=draw(2, 4), kernel_size=draw(3, 7))),
        Case("dilation", run(dilation=draw(3, 5), kernel_size=draw(3, 5))),
        Case("all together", run(draw(2, 3), draw(3, 5), draw(2, 3), draw(4, 5))),
        Case(
            "padding that makes room", Call((draw(4, 6), draw(8, 9)), {"padding": draw(4, 6), "stride": draw(2, 3)}), weight=0.5
        ),
    ]


def oracle(size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1, way: str = "") -> float:
    sides = 1 if way == "one side" else 2
    reach = {"no dilation": kernel_size, "dilated weights": dilation * kernel_size}.get(way, (kernel_size - 1) * dilation + 1)
    room = size + sides * padding - reach
    if way == "no stride":
        return room + 1
    if way == "rounded up":
        return np.ceil(room / stride) + 1
    if way == "not rounded":
        return room / stride + 1
    if way == "same":
        return np.ceil(size / stride)
    places = sum(1 for _ in range(0, room + 1, stride))
    return places - 1 if way == "gaps" else places


RETURN = "return (size + 2 * padding - reach) // stride + 1"
REACH = "reach = dilation * (kernel_size - 1) + 1"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "One place is missing everywhere: a kernel as large as the image still has one place.": Mistake(
            (RETURN, RETURN[:-4]), way="gaps"
        ),
        "The padding counts once: it is added at both ends.": Mistake((RETURN, RETURN.replace("2 * ", "")), way="one side"),
        "There is a place too many with a stride: one that does not fit any more is dropped, so round down.": Mistake(
            (RETURN, "return -(-(size + 2 * padding - reach) // stride) + 1"), way="rounded up"
        ),
        "A number of places is whole: round the division down, `//` does.": Mistake(
            (RETURN, RETURN.replace("//", "/")), way="not rounded"
        ),
        "The stride is ignored: with a stride of 2 there are about half as many places.": Mistake(
            (RETURN, RETURN.replace(" // stride", "")), way="no stride"
        ),
        "The dilation is ignored: it spreads the kernel's weights, so that the kernel reaches further.": Mistake(
            (REACH, "reach = kernel_size"), way="no dilation"
        ),
        "The dilated kernel is too long: it has one gap less than it has weights.": Mistake(
            (REACH, "reach = dilation * kernel_size"), way="dilated weights"
        ),
        'This is the size for `padding="same"`, whatever the padding is: here its amount is given.': Mistake(
            (RETURN, "return -(-size // stride)"), way="same"
        ),
    },
    alternatives=(
        """
def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    return len(range(0, size + 2 * padding - dilation * (kernel_size - 1), stride))
""",
        """
def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    return int(np.floor((size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1))
""",
        """
def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    first, places = -padding, 0
    while first + dilation * (kernel_size - 1) < size + padding:
        first, places = first + stride, places + 1
    return places
""",
    ),
    # Whole numbers: nothing between right and wrong.
    atol=0.1,
    rtol=0.0,
    contracts=(INTEGER,),
)
