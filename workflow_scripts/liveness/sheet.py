"""Contact sheets: pictures with captions, side by side in one PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HEIGHT = 180
MARGIN = 8
TEXT = 13


@dataclass(frozen=True)
class Tile:
    """Pictures of one video, uint8 RGB [H, W, 3] of any sizes, and the lines below them."""

    pictures: Sequence[np.ndarray]
    caption: Sequence[str]


def contact_sheet(title: str, tiles: Sequence[Tile], columns: int) -> Image.Image:
    """All tiles in rows of `columns`; a caption that is too long for its pictures is cut.

    Without tiles the sheet says so.
    """
    # matplotlib's font: Pillow's own has no Vietnamese letters
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", TEXT)
    strips = [_strip(tile, font) for tile in tiles]
    rows = [strips[start : start + columns] for start in range(0, len(strips), columns)]
    cell = max((strip.width for strip in strips), default=0) + MARGIN
    heading = title if tiles else f"{title}: none"
    width = max(min(columns, len(strips)) * cell, round(font.getlength(heading)) + MARGIN) + MARGIN
    top = TEXT + 3 * MARGIN
    sheet = Image.new("RGB", (width, top + sum(max(s.height for s in row) + MARGIN for row in rows)), "white")
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), heading, fill="black", font=font)
    for row in rows:
        for column, strip in enumerate(row):
            sheet.paste(strip, (MARGIN + column * cell, top))
        top += max(strip.height for strip in row) + MARGIN
    return sheet


def _strip(tile: Tile, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One tile: its pictures at one height, its caption below."""
    pictures = [
        cv2.resize(p, (round(p.shape[1] * HEIGHT / p.shape[0]), HEIGHT), interpolation=cv2.INTER_AREA)
        for p in tile.pictures
    ]
    picture = Image.fromarray(np.concatenate(pictures, axis=1))
    line = TEXT + 4
    strip = Image.new("RGB", (picture.width, HEIGHT + line * len(tile.caption) + 2), "white")
    strip.paste(picture)
    draw = ImageDraw.Draw(strip)
    for number, text in enumerate(tile.caption):
        draw.text((0, HEIGHT + 2 + number * line), _cut(text, picture.width, font), fill="black", font=font)
    return strip


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """The text, or as much of its end as fits: names of files differ there."""
    kept = len(text)
    while kept and font.getlength("…" * (kept < len(text)) + text[-kept:]) > width:
        kept -= 1
    return "…" * (kept < len(text)) + text[len(text) - kept :]
