"""Moved images: each by its own number of pixels, in all four directions, and one over the border altogether."""

import numpy as np

from grader.judging import Array, Call, Case, Check, Mistake
from grader.judging.contracts import KEPT
from grader.judging.matching import apart, only

VALUES, STILL, OUT = "values", "an image that stays", "over the border"


def cases(rng: np.random.Generator) -> list[Case]:
    def run(shape: tuple[int, ...], shifts: Array) -> Call:
        return Call((apart(rng, shape), shifts), numpy=True)

    down, right = rng.permutation([1, -2, 3, -1]), rng.permutation([2, -1, 1, -3])
    some = rng.permutation(np.stack([[*down, 9], [*right, 1]], axis=1))  # one leaves its frame
    one, other = rng.permutation([2, 3])
    return [
        Case(VALUES, run((5, 6, 7, 2), some), weight=3),
        Case("all alike", run((2, 5, 4, 1), np.array([[one, -1], [one, -1]]))),
        Case(STILL, run((3, 5, 6, 1), np.array([[0, 0], [0, int(other)], [-int(one), 0]]))),
        Case(OUT, run((3, 4, 5, 3), rng.permutation(np.array([[4, 1], [-1, 2], [-2, -30]]))), weight=0.5),
    ]


def oracle(
    images: Array,
    shifts: Array,
    border: str = "zeros",
    sign: int = 1,
    order: str = "right",
    whose: str = "own",
    reach: str = "all",
) -> Array:
    moved = np.zeros_like(images)
    height, width = images.shape[1:3]
    for n in range(len(images)):
        down, right = sign * shifts[0 if whose == "the first's" else n]
        if order == "swapped":
            down, right = right, down
        if reach == "down":
            right = 0
        rows, columns = np.arange(height) - down, np.arange(width) - right
        if border == "zeros":
            inside = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
            moved[n][inside] = images[n][rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)][inside]
        elif border == "around":
            moved[n] = images[n][(rows % height)[:, None], columns % width]
        else:
            moved[n] = images[n][rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)]
    return moved


CORNER = "top, left = reach - down, reach - right"
LOOP = "for n, (down, right) in enumerate(shifts):"
PAD = "padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))"

CHECK = Check(
    cases,
    oracle,
    mistakes={
        "What leaves on one side comes in on the other: zeros come in. `np.roll` turns around.": Mistake(
            (PAD, PAD.replace("(0, 0)))", '(0, 0)), mode="wrap")')), border="around"
        ),
        "The border's pixels are repeated: zeros come in.": Mistake(
            (PAD, PAD.replace("(0, 0)))", '(0, 0)), mode="edge")')), border="repeated"
        ),
        "All images move the wrong way: positive numbers move them down and to the right.": Mistake(
            (CORNER, "top, left = reach + down, reach + right"), sign=-1
        ),
        "Down and to the right are swapped: the first number moves an image down.": Mistake(
            (LOOP, "for n, (right, down) in enumerate(shifts):"), order="swapped"
        ),
        "All images move as the first one does: each has its own shift.": Mistake(
            (LOOP, "for n, (down, right) in enumerate(shifts[:1].repeat(len(images), axis=0)):"), whose="the first's"
        ),
        "Images move down or up, but never to a side.": Mistake((CORNER, "top, left = reach - down, reach"), reach="down"),
        "An image that leaves its frame altogether comes out wrong: nothing but zeros is left of it.": Mistake(
            ("reach = np.abs(shifts).max()", "shifts = np.clip(shifts, -3, 3)\n    reach = 3"), matches=only(VALUES, OUT)
        ),
    },
    alternatives=(
        """
def shift_images(images, shifts):
    moved = np.zeros_like(images)
    height, width = images.shape[1], images.shape[2]
    for n in range(len(images)):
        for row in range(height):
            for column in range(width):
                r, c = row - shifts[n, 0], column - shifts[n, 1]
                if 0 <= r < height and 0 <= c < width:
                    moved[n, row, column] = images[n, r, c]
    return moved
""",
        """
def shift_images(images, shifts):
    result = np.roll(images, 0)
    for image, (down, right) in zip(result, shifts):
        image[:] = np.roll(image, (down, right), axis=(0, 1))
        rows, columns = np.arange(len(image)), np.arange(image.shape[1])
        image[(rows < down) | (rows >= len(image) + down)] = 0
        image[:, (columns < right) | (columns >= image.shape[1] + right)] = 0
    return result
""",
        """
def shift_images(images, shifts):
    height, width = images.shape[1:3]
    rows = np.arange(height)[None, :, None] - shifts[:, 0, None, None]
    columns = np.arange(width)[None, None, :] - shifts[:, 1, None, None]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    picked = images[np.arange(len(images))[:, None, None], rows % height, columns % width]
    return picked * inside[..., None]
""",
    ),
    # Nothing is computed.
    atol=1e-6,
    rtol=0.0,
    contracts=(KEPT,),
)
