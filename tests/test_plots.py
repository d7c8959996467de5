"""Every picture is a PNG with a text alternative, and leaves no figure behind."""

from base64 import b64encode

import numpy as np
import pytest
from bs4 import BeautifulSoup
from IPython.core.formatters import DisplayFormatter
from matplotlib import colormaps
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course import plots
from course.plots import matrices, picture

RNG = np.random.default_rng(0)
SQUARE = RNG.random((4, 5))
SAMPLES, LABELS = RNG.random((30, 64)), np.arange(30) % 10
POINTS = RNG.normal(size=(30, 2))

CALLS = {
    "heatmap": (lambda: plots.heatmap(SQUARE, rows=list("abcd"), title="weights"), "Largest in each row: a:"),
    "heatmap of a large signed matrix": (lambda: plots.heatmap(RNG.normal(size=(40, 64))), "40 rows (query)"),
    "heatmap of lists": (lambda: plots.heatmap([[0.0, 1.0], [0.5, 0.5]]), "0: 1 (1)"),
    "heatmaps": (lambda: plots.heatmaps({"one": SQUARE, "two": SQUARE - 1}), "Heat map two: "),
    "mask": (lambda: plots.mask(np.tri(3), title="causal"), "0: 0; 1: 0, 1; 2: 0, 1, 2"),
    "empty mask": (lambda: plots.mask(np.zeros((2, 3))), "0: none; 1: none"),
    "positional_encoding": (lambda: plots.positional_encoding(SAMPLES), "30 rows (position)"),
    "curves": (
        lambda: plots.curves({"loss": [3.0, 2.0, 1.5]}, "epoch", "loss"),
        "Line chart: loss over epoch. loss: from 3 at 1 to 1.5 at 3",
    ),
    "bars": (lambda: plots.bars({"linear": 0.3, "MLP": 0.6}, "accuracy", reference=0.1), "linear 0.3, MLP 0.6"),
    "decision_boundary": (
        lambda: plots.decision_boundary(lambda x: (x[:, 0] > 0).astype(int), POINTS, POINTS[:, 0] > 0, "half"),
        "half: 100% of 30 samples",
    ),
    "decision_boundary of scores": (lambda: plots.decision_boundary(lambda x: x, POINTS, POINTS.argmax(axis=1)), "100%"),
    "vectors": (lambda: plots.vectors({"query": [3, 4], "key": [-4, 3]}), "key to (-4, 3)"),
    "points": (lambda: plots.points({"river": POINTS, "money": POINTS + 2}), "river: 30 points around"),
    "diagram": (
        lambda: plots.diagram(
            {"x": (0, 0), "$y$\n(2,)": (1, 0)}, {("x", "$y$\n(2,)"): "twice"}, {("$y$\n(2,)", "x"): ""}, "half"
        ),
        "Diagram half: x leads to y (2,) (twice); y (2,) leads to x.",
    ),
    "signals": (lambda: plots.signals(SAMPLES, LABELS), "each of 10 classes: signals of 64 values"),
    "feature maps": (lambda: plots.feature_maps(np.eye(4)[:, :, None] * np.ones(6)), "6 feature maps of 4 by 4"),
    "images": (lambda: plots.images(SAMPLES, LABELS), "images of 8 by 8 values"),
}


@pytest.fixture
def shown(monkeypatch):
    pictures = []
    monkeypatch.setattr(picture, "display", pictures.append)
    return pictures


@pytest.mark.parametrize("name", CALLS)
def test_shows_one_png_that_says_what_it_shows(name, shown):
    draw, expected = CALLS[name]
    assert draw() is None
    (picture,) = shown
    png, metadata = picture._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert expected in metadata["alt"]
    assert repr(picture) == metadata["alt"]


def test_text_alternative_reaches_a_page_that_nbconvert_makes(shown):
    plots.bars({"a": 1}, "value", alt='One "bar" < 2 & more.')
    data, metadata = DisplayFormatter().format(shown[0])
    data["image/png"] = b64encode(data["image/png"]).decode()  # as it travels from a kernel
    output = new_output("display_data", data, metadata=metadata)
    notebook = new_notebook(cells=[new_code_cell("", outputs=[output])])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (image,) = BeautifulSoup(page, "html.parser").select("img")
    assert image["alt"] == 'One "bar" < 2 & more.'


def test_caller_may_write_the_text_alternative(shown):
    plots.bars({"a": 1}, "value", alt="One bar.")
    assert repr(shown[0]) == "One bar."


def test_tensors_are_accepted(shown):
    from keras import ops

    plots.heatmap(ops.ones((2, 3)))
    assert "2 rows" in repr(shown[0])


def test_no_figure_stays_open(shown):
    from matplotlib import pyplot

    for draw, _ in CALLS.values():
        draw()
    assert pyplot.get_fignums() == []


def contrast(one, other):
    dark, bright = sorted((picture.luminance(one), picture.luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_colours_stand_out_from_the_paper_and_are_never_alone():
    assert contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)  # the grey that WCAG's own examples name
    assert min(contrast(colour, "white") for colour in picture.COLOURS) >= 3  # 1.4.11, graphics
    assert len(set(picture.COLOURS)) == len(set(picture.MARKERS)) == 10


def test_colours_of_a_heat_map_begin_at_0_and_say_what_they_tell(monkeypatch):
    figures = []
    monkeypatch.setattr(matrices, "show", lambda figure, alt: figures.append(figure))
    plots.heatmap([[0.3, 0.4]], zlabel="share")
    axis, scale = figures[0].axes
    assert axis.images[0].get_clim() == (0, 0.4)
    assert scale.get_ylabel() == "share"


def test_numbers_can_be_read_on_every_colour_of_a_heat_map():
    for name in ("PuOr", "viridis"):
        for colour in colormaps[name](np.linspace(0, 1, 256)):
            ink = "white" if picture.luminance(colour) < matrices.MIDDLE else "black"
            assert contrast(ink, colour) >= 4.5  # 1.4.3, text
