"""The shared style of figures, and writing them to files."""

from pathlib import Path

import matplotlib
import pytest
from matplotlib.artist import Artist
from PIL import Image

from liveness.report.plot_style import (
    GREY,
    LIVE,
    PALETTE,
    SPOOF,
    STYLE,
    fill_style,
    line_style,
    panels,
    plain_ticks,
    styled,
    write_figure,
)


@styled
def plot():  # type: ignore[no-untyped-def]
    figure, axes = panels(1, 2, width=3, height=2)
    axes[0, 0].plot([1, 2], [3, 4], **line_style(1), label="$re$play")
    axes[0, 0].legend()
    axes[0, 1].bar([1], [2], **fill_style(1))
    return figure


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_figure(plot(), tmp_path / f"{name}.svg")
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_vector_graphics_bring_their_letters(tmp_path: Path) -> None:
    """Text is embedded as outlines, for readers without the font; there is no changing date."""
    write_figure(plot(), tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert "<text" not in text and "font-family" not in text
    assert "dc:date" not in text


def test_the_suffix_names_the_format_and_panels_the_size(tmp_path: Path) -> None:
    write_figure(plot(), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.format == "PNG"
        assert image.size == (2 * 3 * 100, 2 * 100)


class Broken(Artist):
    """Fails once the file is open: the layout is found by a drawing without a file."""

    draws = 0

    def draw(self, renderer: object) -> None:
        self.draws += 1
        if self.draws > 1:
            raise RuntimeError("cannot be drawn")


def test_a_figure_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    path.write_text("old")
    figure = plot()
    figure.add_artist(Broken())
    with pytest.raises(RuntimeError, match="cannot be drawn"):
        write_figure(figure, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_lines_and_areas_differ_in_more_than_colour() -> None:
    lines = [line_style(number) for number in range(len(PALETTE))]
    assert (
        len({line["color"] for line in lines})
        == len({str(line["linestyle"]) for line in lines})
        == len(lines)
    )
    assert lines[0] == {"color": "#000000", "linestyle": "-"}
    assert line_style(len(PALETTE)) == lines[0], "numbers go on forever"
    areas = [fill_style(number) for number in range(len(PALETTE) - 1)]
    assert len({area["facecolor"] for area in areas}) == len({area["hatch"] for area in areas}) == len(areas)
    assert "#000000" not in {area["facecolor"] for area in areas}, "hatching would not show on black"


def luminance(colour: str) -> float:
    """Return the relative luminance as defined in WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_grey_text_is_legible_and_the_classes_differ_in_grey_too() -> None:
    assert contrast(GREY, "#ffffff") >= 4.5  # WCAG 2.2, 1.4.3
    assert contrast(LIVE, "#ffffff") >= 4.5
    assert contrast(LIVE, SPOOF) >= 2


def test_names_with_dollar_signs_are_no_mathematics(tmp_path: Path) -> None:
    figure = plot()
    assert figure.axes[0].get_legend().get_texts()[0].get_parse_math() is False


def test_ticks_of_logarithmic_axes_are_plain_numbers() -> None:
    with matplotlib.rc_context(STYLE):
        figure, axes = panels()
        axes[0, 0].plot([1e-3, 10], [0, 1])
        axes[0, 0].set_xscale("log")
        plain_ticks(axes[0, 0].xaxis)
        figure.draw_without_rendering()
    labels = {label.get_text() for label in axes[0, 0].get_xticklabels()}
    assert {"0.001", "0.01", "0.1", "1", "10"} <= labels
