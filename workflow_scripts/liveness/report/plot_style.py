"""One style for every figure: vector graphics, one font size, legible without colour.

A plot is a function under `styled` that takes plain arrays or tables and returns a Figure made by `panels`.
Lines differ in colour, dashes and marker at once (`line_style`), filled areas in colour and hatching
(`fill_style`).
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from liveness.runtime.atomic_write import atomic_write

# Okabe and Ito 2008, Color universal design: colour-blind people tell them apart. In grey some look alike,
# hence dashes, markers and hatching.
PALETTE = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = (
    "-",
    (0, (6, 2)),
    (0, (2, 1.5)),
    (0, (6, 2, 1.5, 2)),
    (0, (1, 3)),
    (0, (9, 3)),
    (0, (4, 1, 1, 1, 1, 1)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++")
GREY = "#767676"
# the classes, wherever they are shown
LIVE, SPOOF = "#0072B2", "#E69F00"

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    **{
        f"{part}size": "medium"
        for part in ("axes.title", "axes.label", "figure.title", "figure.label", "legend.font")
    },
    **{f"{axis}tick.labelsize": "medium" for axis in "xy"},
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    # names of attacks and folders may hold dollar signs
    "text.parse_math": False,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    # the same figure is the same file
    "svg.hashsalt": "liveness",
}

# decorates a plot; what a figure is drawn with is set when its parts are made
styled = matplotlib.rc_context(STYLE)


def panels(
    rows: int = 1, columns: int = 1, width: float = 6, height: float = 4.5, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes [rows, columns], each `width` x `height` inches; options of `subplots`."""
    figure = Figure(figsize=(width * columns, height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def plain_ticks(axis: Axis) -> None:
    """Numbers at the powers of ten of a logarithmic axis: matplotlib would write them as mathematics."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of the line of that number; the first is solid black."""
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": DASHES[number % len(DASHES)]}


def fill_style(number: int) -> dict[str, Any]:
    """Colour and hatching of the area of that number."""
    return {
        "facecolor": PALETTE[1:][number % (len(PALETTE) - 1)],
        "hatch": HATCHES[number % len(HATCHES)],
        "edgecolor": "white",
    }


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all, in the format that the suffix names; .svg brings its letters."""
    with matplotlib.rc_context(STYLE), atomic_write(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None} if temporary.suffix == ".svg" else None)
