"""A graded unit as one HTML page that needs nothing else, and as files of tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from grader.files import write_whole
from grader.reports.exports import no_formula
from grader.reports.tables import Tables
from grader.units.unit import Unit

INK, FULL, PARTIAL, NONE = "#010203", "#040506", "#070809", "#0a0b0c"
"""Colours that the page replaces by its own, of which it has a light and a dark set."""
IN_THE_PAGE = {INK: "currentColor", FULL: "var(--full)", PARTIAL: "var(--partial)", NONE: "var(--none)"}
BINS = 20
WIDTH = 5
"""Inches: so narrow that letters can be read when a phone shows all of a picture."""


def write_report(folder: Path, unit: Unit, tables: Tables) -> list[Path]:
    """Write the page, and each table as CSV and Parquet.

    Returns:
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "report.html"]
    write_whole(files[0], page(unit, tables))
    for name, table in tables.named().items():
        files += [folder / f"{name}.csv", folder / f"{name}.parquet"]
        table.map(no_formula).to_csv(files[-2], index=False)
        table.to_parquet(files[-1], index=False)
    return files


def page(unit: Unit, tables: Tables) -> str:
    """The page's HTML."""
    maximum = float(tables.exercises["maximum"].sum())
    environment = Environment(
        loader=PackageLoader("grader.reports", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(
        title=unit.head.title,
        unit=unit.name,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        maximum=maximum,
        points=tables.submissions["points"],
        waiting=int(tables.submissions["waits"].sum()),
        unsafe=list(tables.submissions.loc[~tables.submissions["sandboxed"], "student"]),
        distribution=_svg(_distribution(tables.submissions["points"], maximum)),
        shares=_svg(_shares(tables.exercises)),
        **{name: table.to_dict("records") for name, table in tables.named().items()},
        seconds=tables.submissions["seconds"].dropna(),
        megabytes=tables.submissions["megabytes"].dropna(),
        slowest=tables.submissions.nlargest(5, "seconds").to_dict("records"),
    )


def _distribution(points: pd.Series, maximum: float) -> Figure:
    figure = Figure(figsize=(WIDTH, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(
        points.clip(0, maximum), bins=np.linspace(0, maximum, BINS + 1).tolist(), color=FULL, edgecolor=INK, linewidth=0.5
    )
    axes.set_xlabel(f"points of {maximum:g}")
    axes.set_ylabel("students")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _shares(exercises: pd.DataFrame) -> Figure:
    names: Sequence[str] = list(exercises["exercise"])
    figure = Figure(figsize=(WIDTH, 0.9 + 0.25 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(names))
    parts = {"all points": (exercises["full"], FULL, ""), "some": (exercises["partial"], PARTIAL, "///")}
    parts["none"] = (1 - exercises["full"] - exercises["partial"], NONE, "")
    for label, (share, color, hatch) in parts.items():
        axes.barh(names, share, left=left, label=label, color=color, edgecolor=INK, linewidth=0.5, hatch=hatch)
        left = left + share.to_numpy()
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of students")
    figure.legend(loc="outside upper right", ncols=3, frameon=False, labelcolor=INK)
    return figure


def _svg(figure: Figure) -> Markup:
    """A drawing in the page's own colours and font; what it says stands beside it, for those who do not see it."""
    import matplotlib as mpl

    for axes in figure.axes:
        axes.patch.set_alpha(0)
        axes.tick_params(colors=INK)
        for spine in axes.spines.values():
            spine.set_color(INK)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(INK)
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "keras-course", "font.family": "sans-serif"}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    text = drawn.getvalue()[drawn.getvalue().index("<svg") :]
    for color, own in IN_THE_PAGE.items():
        text = text.replace(color, own)
    return Markup(text.replace("<svg ", '<svg aria-hidden="true" ', 1))
