"""One style for all figures: vector graphics, one font size, readable without colour.

Plot functions are decorated with `styled`, take plain arrays or tables, and return a Figure created
by `panels`. Lines differ in colour, dashes and markers (`line_style`), filled areas in colour and
hatching (`fill_style`).
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from liveness.runtime.atomic_write import atomic_write

# Okabe and Ito 2008, Color universal design: distinguishable for colour-blind readers. Some look
# alike in grey, hence dashes, markers and hatching.
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
# colours of the classes in all figures
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
    # names of attacks and folders may contain dollar signs
    "text.parse_math": False,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    # identical figures give identical files
    "svg.hashsalt": "liveness",
}

# Decorator for plot functions: matplotlib reads most settings when a figure's parts are created.
styled = matplotlib.rc_context(STYLE)


def panels(
    rows: int = 1, columns: int = 1, width: float = 6, height: float = 4.5, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Create a figure and its axes [rows, columns], each `width` x `height` inches.

    `options` are passed to `subplots`.
    """
    figure = Figure(figsize=(width * columns, height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def plain_ticks(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers instead of powers of ten in math notation."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def line_style(number: int) -> dict[str, Any]:
    """Return the colour and dashes of line `number`; the first is solid black."""
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": DASHES[number % len(DASHES)]}


def fill_style(number: int) -> dict[str, Any]:
    """Return the colour and hatching of area `number`."""
    return {
        "facecolor": PALETTE[1:][number % (len(PALETTE) - 1)],
        "hatch": HATCHES[number % len(HATCHES)],
        "edgecolor": "white",
    }


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure atomically in the format of the suffix; .svg files embed text as outlines."""
    with matplotlib.rc_context(STYLE), atomic_write(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None} if temporary.suffix == ".svg" else None)
