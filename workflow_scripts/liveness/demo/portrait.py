"""Painting of invented people and rooms: the sprites that make up the demo's scenes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from liveness.augmentation.recapture import Image, Plane

SPRITE = (384, 288)  # height, width of the painted head, with the face at the centre

Colour = tuple[float, float, float]
Sprite = NDArray[Any]  # uint8 (H, W, 4) RGB and alpha, premultiplied


def _colour(rng: np.random.Generator, low: float, high: float, spread: float = 0.1) -> Colour:
    red, green, blue = np.clip(rng.uniform(low, high) + rng.uniform(-spread, spread, size=3), 0.02, 0.98)
    return float(red), float(green), float(blue)


def _noise(rng: np.random.Generator, height: int, width: int, cells: Sequence[int]) -> Plane:
    """Return smooth noise with a deviation of about 1: a sum of random grids of `cells` columns."""
    total = np.zeros((height, width), np.float32)
    for n in cells:
        grid = rng.standard_normal((max(2, n * height // width), n), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total / np.float32(math.sqrt(len(cells)))


@dataclass(frozen=True)
class Person:
    """The appearance of an invented person, the same in all clips."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    width: float
    height: float
    jaw: float
    eye_gap: float
    eye_size: float
    brow: float
    nose: float
    mouth: float
    hair_length: float
    fringe: float
    parting: float
    beard: float
    glasses: bool
    skin_seed: int


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person; lengths are relative to the average face."""
    tone = rng.uniform(0, 1)
    skin = np.array([0.93, 0.76, 0.66]) * (1 - tone) + np.array([0.46, 0.31, 0.23]) * tone
    skin = np.clip(skin + rng.uniform(-0.03, 0.03, size=3), 0, 1)
    hair = np.array([[0.08, 0.06, 0.05], [0.25, 0.15, 0.09], [0.62, 0.47, 0.28], [0.5, 0.49, 0.48]])[
        rng.choice(4, p=(0.45, 0.3, 0.15, 0.1))
    ] + rng.uniform(0, 0.06)
    iris = np.array([[0.22, 0.13, 0.07], [0.3, 0.42, 0.5], [0.33, 0.38, 0.2]])[
        rng.choice(3, p=(0.7, 0.15, 0.15))
    ]
    lips = skin * np.array([0.95, 0.68, 0.68])
    return Person(
        skin=(float(skin[0]), float(skin[1]), float(skin[2])),
        hair=(float(hair[0]), float(hair[1]), float(hair[2])),
        iris=(float(iris[0]), float(iris[1]), float(iris[2])),
        lips=(float(lips[0]), float(lips[1]), float(lips[2])),
        width=float(rng.uniform(0.9, 1.08)),
        height=float(rng.uniform(0.93, 1.06)),
        jaw=float(rng.uniform(0.62, 0.85)),
        eye_gap=float(rng.uniform(0.92, 1.1)),
        eye_size=float(rng.uniform(0.85, 1.15)),
        brow=float(rng.uniform(0.6, 1.5)),
        nose=float(rng.uniform(0.8, 1.25)),
        mouth=float(rng.uniform(0.85, 1.2)),
        hair_length=float(
            rng.choice((0.0, rng.uniform(0.1, 0.3), rng.uniform(0.7, 1.2)), p=(0.1, 0.45, 0.45))
        ),
        fringe=float(rng.uniform(0.62, 0.98)),
        parting=float(rng.uniform(-1, 1)),
        beard=float(rng.choice((0, rng.uniform(0.3, 0.9)), p=(0.7, 0.3))),
        glasses=bool(rng.random() < 0.25),
        skin_seed=int(rng.integers(2**31)),
    )


class _Canvas:
    """A float32 picture to paint soft shapes on; `alpha` accumulates their coverage."""

    def __init__(self, height: int, width: int) -> None:
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    def mask(self, points: NDArray[np.floating], soft: float = 0.7) -> Plane:
        """Return the coverage (0..1) by the polygon `points` (x, y), blurred by `soft` pixels."""
        plane = np.zeros(self.alpha.shape, np.uint8)
        # four bits of sub-pixel position, so that shapes do not snap to whole pixels
        cv2.fillPoly(plane, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return cv2.GaussianBlur(plane.astype(np.float32) / np.float32(255), (0, 0), soft)

    def paint(self, cover: Plane, colour: Colour | NDArray[np.float32], strength: float = 1.0) -> None:
        box = self._box(cover)
        cover = cover[box] * np.float32(strength)
        light = np.asarray(colour, np.float32)
        self.rgb[box] += cover[:, :, None] * ((light if light.ndim == 1 else light[box]) - self.rgb[box])
        self.alpha[box] = np.maximum(self.alpha[box], cover)

    def shade(self, cover: Plane, gain: float) -> None:
        """Multiply the covered light by `gain`; `alpha` is unchanged."""
        box = self._box(cover)
        self.rgb[box] *= (1 + cover[box] * np.float32(gain - 1))[:, :, None]

    @staticmethod
    def _box(cover: Plane) -> tuple[slice, slice]:
        """Return the bounding rows and columns of the coverage, since most shapes are small."""
        rows, columns = np.flatnonzero(cover.max(axis=1)), np.flatnonzero(cover.max(axis=0))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _oval(cx: float, cy: float, rx: float, ry: float, power: float = 2.0) -> NDArray[np.float64]:
    """Return the outline of a superellipse, (64, 2); `power` above 2 is boxier."""
    angle = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack(
        [cx + rx * np.sign(c) * np.abs(c) ** (2 / power), cy + ry * np.sign(s) * np.abs(s) ** (2 / power)],
        axis=1,
    )


def _face_outline(person: Person, cx: float, cy: float) -> NDArray[np.float64]:
    outline = _oval(cx, cy, 84 * person.width, 112 * person.height, 2.2)
    below = np.clip((outline[:, 1] - cy) / (112 * person.height), 0, 1)
    outline[:, 0] = cx + (outline[:, 0] - cx) * (1 - (1 - person.jaw) * below**1.5)
    return outline


def paint_head(person: Person, light: float, masked: bool, openness: float) -> Sprite:
    """Paint head, hair and neck, with eyes open by `openness` (0..1).

    `light` (-1..1) is the side that the light comes from. The sprite has the shape (384, 288, 4).
    Hair and pores are the same at every openness.
    """
    height, width = SPRITE
    cx, cy = width / 2, height / 2
    fx, fy = person.width, person.height
    rng = np.random.default_rng(person.skin_seed)
    canvas = _Canvas(height, width)
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    skin = np.array(person.skin, np.float32)

    strands = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 0.8, sigmaY=9)
    hair = np.clip(
        np.array(person.hair, np.float32)[None, None]
        * (1 + 2.2 * strands + 0.25 * _noise(rng, height, width, (5,)))[:, :, None],
        0,
        1,
    ).astype(np.float32)
    if person.hair_length > 0:
        drop = 70 * person.hair_length
        canvas.paint(canvas.mask(_oval(cx, cy - 22 + drop / 2, 97 * fx, 112 * fy + drop / 2, 2.6), 2), hair)
        canvas.shade(canvas.mask(_oval(cx, cy + 90, 80 * fx, 70, 2), 12), 0.6)
    neck = _oval(cx, cy + 110, 48 * fx, 72, 4)
    round_shade = (
        1 - 0.35 * np.clip(np.abs(x - cx) / (50 * fx), 0, 1) ** 2 - 0.3 * np.clip((cy + 150 - y) / 60, 0, 1)
    )
    canvas.paint(canvas.mask(neck, 1.5), skin * round_shade[:, :, None] * np.float32(0.85))
    for side in (-1, 1):
        canvas.paint(canvas.mask(_oval(cx + side * 84 * fx, cy + 2, 11, 22), 1), tuple(skin * 0.85))

    pores = _noise(rng, height, width, (140, 70))
    blotches = _noise(rng, height, width, (6, 14))
    face = canvas.mask(_face_outline(person, cx, cy), 1.2)
    nx, ny = (x - cx) / (92 * fx), (y - cy) / (120 * fy)
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.02, 1))
    lambert = np.clip(0.62 + 0.5 * (light * nx - 0.35 * ny) * 0.8 + 0.36 * (nz - 0.6), 0.2, 1.4)
    texture = skin * (lambert * (1 + 0.025 * pores + 0.03 * blotches))[:, :, None] * 1.12
    canvas.paint(face, texture.astype(np.float32))

    eye_y, eye_dx = cy - 18 * fy, 35 * person.eye_gap * fx
    for side in (-1, 1):
        ex = cx + side * eye_dx
        canvas.shade(canvas.mask(_oval(ex, eye_y, 25, 15), 6), 0.78)
        canvas.paint(canvas.mask(_oval(cx + side * 46 * fx, cy + 34, 20, 16), 9), (0.85, 0.35, 0.3), 0.13)
        rx, ry = 16.5 * person.eye_size, 6.8 * person.eye_size * openness
        if openness > 0.1:
            white = canvas.mask(_oval(ex, eye_y, rx, ry), 0.7)
            canvas.paint(white, (0.86, 0.84, 0.82))
            for colour, radius in ((person.iris, 7.2), ((0.03, 0.03, 0.03), 3.4)):
                canvas.paint(white * canvas.mask(_oval(ex, eye_y - 0.5, radius, radius), 0.6), colour)
            canvas.paint(
                white * canvas.mask(_oval(ex + 2.5 * light, eye_y - 3, 1.8, 1.8), 0.5), (1, 1, 1), 0.9
            )
        lid = _oval(ex, eye_y - max(ry - 1, -2.5), rx + 1.5, 2.2)
        lid[:, 1] += (np.abs(lid[:, 0] - ex) / rx) ** 2 * ry * 0.9
        canvas.paint(canvas.mask(lid, 0.7), (0.1, 0.06, 0.05), 0.85)
        brow = _oval(ex + side * 2, eye_y - 22, 22, 3.4 * person.brow, 2.6)
        brow[:, 1] += (brow[:, 0] - ex) ** 2 * 0.012
        canvas.paint(canvas.mask(brow, 1.1) * np.clip(1 + 3 * strands, 0.3, 1), person.hair, 0.85)

    nose_y = cy + 34
    canvas.shade(canvas.mask(_oval(cx - 9 * np.sign(light), cy + 8, 6, 30), 4), 0.84)
    canvas.paint(canvas.mask(_oval(cx, cy + 6, 4, 28), 4), (1, 0.95, 0.9), 0.2)
    canvas.paint(canvas.mask(_oval(cx + 2 * light, nose_y - 3, 6, 5), 3), (1, 0.96, 0.92), 0.3)
    canvas.shade(canvas.mask(_oval(cx, nose_y + 7, 17 * person.nose, 6), 2.5), 0.75)
    for side in (-1, 1):
        canvas.paint(
            canvas.mask(_oval(cx + side * 7.5 * person.nose, nose_y + 6, 4, 2.4), 1), (0.16, 0.08, 0.07), 0.8
        )

    mouth_y = cy + 66 * fy
    if person.beard > 0:
        chin = canvas.mask(_oval(cx, cy + 82, 66 * fx, 44), 7) * face
        canvas.paint(chin * np.clip(0.6 + 2 * strands, 0, 1), person.hair, person.beard)
    lips = person.mouth * 29
    canvas.paint(canvas.mask(_oval(cx, mouth_y - 3, lips, 6), 1.2), tuple(np.array(person.lips) * 0.9))
    canvas.paint(canvas.mask(_oval(cx, mouth_y + 5, lips * 0.85, 7), 1.2), person.lips)
    canvas.paint(canvas.mask(_oval(cx, mouth_y, lips * 0.95, 1.5), 0.8), (0.2, 0.07, 0.07), 0.85)
    canvas.paint(canvas.mask(_oval(cx, mouth_y + 6, lips * 0.4, 2), 2), (1, 0.9, 0.88), 0.3)
    canvas.shade(canvas.mask(_oval(cx, mouth_y + 18, lips * 0.6, 4), 3), 0.84)

    if masked:
        cloth = np.clip(_noise(rng, height, width, (90,)) * 0.03 + 0.8 * lambert + 0.25, 0, 1)
        folds = 1 + 0.05 * np.sin((y - cy) / 4.5)
        cover = np.array(
            [
                [cx - 80 * fx, cy + 20],
                [cx, cy + 2],
                [cx + 80 * fx, cy + 20],
                [cx + 62 * fx, cy + 95],
                [cx, cy + 122],
                [cx - 62 * fx, cy + 95],
            ]
        )
        canvas.paint(
            canvas.mask(cover, 1.2),
            ((cloth * folds)[:, :, None] * np.array([0.66, 0.82, 0.92])).astype(np.float32),
        )
    if person.glasses:
        for side in (-1, 1):
            ring = canvas.mask(_oval(cx + side * eye_dx, eye_y + 2, 27, 20, 2.8), 0.7)
            hole = canvas.mask(_oval(cx + side * eye_dx, eye_y + 2, 24, 17, 2.8), 0.7)
            canvas.paint(np.clip(ring - hole, 0, 1), (0.07, 0.06, 0.06), 0.95)
            canvas.paint(
                hole * canvas.mask(_oval(cx + side * eye_dx - 8, eye_y - 4, 9, 4), 2), (1, 1, 1), 0.25
            )
        canvas.paint(canvas.mask(_oval(cx, eye_y, 9, 1.8), 0.7), (0.07, 0.06, 0.06))
    if person.hair_length > 0:
        top = canvas.mask(_oval(cx, cy - 40, 95 * fx, 92 * fy, 2.3), 2)
        brow_line = canvas.mask(
            _oval(cx + 26 * person.parting, cy + 40, 92 * fx, 145 * person.fringe * fy, 2.2), 4
        )
        canvas.paint(
            top * (1 - brow_line),
            (hair * np.clip(0.75 + 0.6 * lambert, 0, 1.4)[:, :, None]).astype(np.float32),
        )

    alpha = np.clip(canvas.alpha, 0, 1)
    rgba = np.dstack([np.clip(canvas.rgb, 0, 1) * alpha[:, :, None], alpha])
    return np.round(rgba * 255).astype(np.uint8)


def paint_room(rng: np.random.Generator, height: int, width: int) -> Image:
    """Paint the background: a wall with windows, pictures and shelves; uint8 (height, width, 3)."""
    canvas = _Canvas(height, width)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    wall = np.array(_colour(rng, 0.35, 0.85, 0.05), np.float32)
    shade = (
        1
        + rng.uniform(-0.3, 0.3) * (y - 0.5)
        + 0.05 * _noise(rng, height, width, (3, 7))
        + 0.02 * _noise(rng, height, width, (160,))
    )
    canvas.rgb[:] = wall * shade[:, :, None]
    if rng.random() < 0.3:  # tiles or panelling
        period = width / rng.uniform(4, 12)
        lines = (np.mod(np.arange(width), period) < 2)[None, :] | (np.mod(np.arange(height), period) < 2)[
            :, None
        ]
        canvas.shade(lines.astype(np.float32), 0.8)
    for _ in range(rng.integers(2, 5)):  # pictures, windows, doors
        left, top = rng.uniform(-0.1, 0.85) * width, rng.uniform(-0.1, 0.6) * height
        w, h = rng.uniform(0.15, 0.45) * width, rng.uniform(0.1, 0.5) * height
        box = np.array([[left, top], [left + w, top], [left + w, top + h], [left, top + h]])
        canvas.shade(canvas.mask(box + 5, 5), 0.7)
        canvas.paint(canvas.mask(box), _colour(rng, 0.1, 0.9, 0.06))
        inner = box + np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * rng.uniform(3, 9)
        inside = (
            np.array(_colour(rng, 0.1, 0.95, 0.06), np.float32)
            * (1 + 0.25 * _noise(rng, height, width, (4, 12, 30)))[:, :, None]
        )
        canvas.paint(canvas.mask(inner), inside.astype(np.float32))
    if rng.random() < 0.6:  # a shelf of books
        x, base = 0.0, rng.uniform(0.3, 0.95) * height
        while x < width:
            w, h = rng.uniform(0.03, 0.08) * width, rng.uniform(0.08, 0.16) * height
            book = np.array([[x, base - h], [x + w, base - h], [x + w, base], [x, base]])
            canvas.paint(canvas.mask(book), _colour(rng, 0.1, 0.8, 0.2))
            x += w + 1
        canvas.paint(
            canvas.mask(np.array([[0, base], [width, base], [width, base + 9], [0, base + 9]])),
            _colour(rng, 0.2, 0.6, 0.05),
        )
    return np.round(np.clip(cv2.GaussianBlur(canvas.rgb, (0, 0), rng.uniform(0.6, 1.6)), 0, 1) * 255).astype(
        np.uint8
    )


def paint_body(rng: np.random.Generator, height: int, width: int) -> Sprite:
    """Paint the shoulders, at half height, in a patterned garment."""
    canvas = _Canvas(height, width)
    middle, shoulder, span = width / 2, height * 0.5, width * rng.uniform(0.36, 0.44)
    outline = np.array(
        [
            [middle - span, height + 5],
            [middle - span * 0.93, shoulder + 0.12 * height],
            [middle - span * 0.62, shoulder + 0.045 * height],
            [middle - 0.14 * width, shoulder],
            [middle, shoulder + 0.05 * height],
            [middle + 0.14 * width, shoulder],
            [middle + span * 0.62, shoulder + 0.045 * height],
            [middle + span * 0.93, shoulder + 0.12 * height],
            [middle + span, height + 5],
        ]
    )
    base, other = np.array(_colour(rng, 0.08, 0.85, 0.2)), np.array(_colour(rng, 0.08, 0.85, 0.2))
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    period = rng.uniform(14, 40)
    pattern = {
        "plain": np.zeros((height, width)),
        "stripes": (np.sin(2 * np.pi * y / period) > 0.2) + 0 * x,
        "checks": 0.5 * ((np.sin(2 * np.pi * x / period) > 0) + (np.sin(2 * np.pi * y / period) > 0.0)),
    }[str(rng.choice(("plain", "stripes", "checks")))]
    weave = 1 + 0.07 * _noise(rng, height, width, (4, 9)) + 0.05 * _noise(rng, height, width, (150,))
    cloth = (base + (other - base) * pattern[:, :, None]) * weave[:, :, None]
    canvas.paint(canvas.mask(outline, 2), cloth.astype(np.float32))
    rgba = np.dstack([np.clip(canvas.rgb, 0, 1) * canvas.alpha[:, :, None], canvas.alpha])
    return np.round(rgba * 255).astype(np.uint8)
