"""The demo data: procedural selfie videos of invented people, live and re-captured, with their labels.

Every live clip has a spoof twin of the same person: the two share frame size, rate, length, compression and
the brightness, colour and sharpness that the camera settles on, so that none of these tells them apart and
only the traces of re-capturing do. Scene, clothes and light differ between twins.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from loky import ProcessPoolExecutor, as_completed
from numpy.typing import NDArray
from tqdm import tqdm

from liveness import recapture
from liveness.errors import InputError
from liveness.outputs import whole
from liveness.recapture import Image, Plane, Wave, draw_wave

COLUMNS = ("fname", "liveness_score", "group", "attack")
SIZES = ((256, 456), (270, 480), (288, 512), (324, 576))  # width, height: even, as yuv420p asks
RATES = (15, 18, 20, 24)
# Most names are plain; these hold what breaks careless path handling. Keyed by position in the split.
ODD_NAMES = {1: "clip {:03d}.mp4", 2: "o'clip_{:03d}.mp4", 3: "vidéo_{:03d}.mp4", 4: "more/clip_{:03d}.mp4"}
GRAIN_MARGIN = 64  # pixels by which the tile of noise exceeds the frame
SPRITE = (384, 288)  # height, width of the painted head; the face's centre is the sprite's

Colour = tuple[float, float, float]
Sprite = NDArray[Any]  # uint8 (H, W, 4) RGB and alpha, premultiplied


def _colour(rng: np.random.Generator, low: float, high: float, spread: float = 0.1) -> Colour:
    red, green, blue = np.clip(rng.uniform(low, high) + rng.uniform(-spread, spread, size=3), 0.02, 0.98)
    return float(red), float(green), float(blue)


def _noise(rng: np.random.Generator, height: int, width: int, cells: Sequence[int]) -> Plane:
    """Return smooth noise of about unit deviation: the sum of random grids with `cells` cells across."""
    total = np.zeros((height, width), np.float32)
    for n in cells:
        grid = rng.standard_normal((max(2, n * height // width), n), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total / np.float32(math.sqrt(len(cells)))


@dataclass(frozen=True)
class Person:
    """What stays the same in all clips of one invented person."""

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
    """Draw one person; lengths are factors of the average face's."""
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
    """A float32 picture that soft shapes are painted on; `alpha` gathers what is covered."""

    def __init__(self, height: int, width: int) -> None:
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    def mask(self, points: NDArray[np.floating], soft: float = 0.7) -> Plane:
        """Return the cover (0..1) of the polygon `points` (x, y), its edge blurred by `soft` pixels."""
        plane = np.zeros(self.alpha.shape, np.uint8)
        # Four bits of sub-pixel position: shapes must not snap to whole pixels.
        cv2.fillPoly(plane, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return cv2.GaussianBlur(plane.astype(np.float32) / np.float32(255), (0, 0), soft)

    def paint(self, cover: Plane, colour: Colour | NDArray[np.float32], strength: float = 1.0) -> None:
        box = self._box(cover)
        cover = cover[box] * np.float32(strength)
        light = np.asarray(colour, np.float32)
        self.rgb[box] += cover[:, :, None] * ((light if light.ndim == 1 else light[box]) - self.rgb[box])
        self.alpha[box] = np.maximum(self.alpha[box], cover)

    def shade(self, cover: Plane, gain: float) -> None:
        """Multiply the covered light by `gain`, which leaves `alpha` as it is."""
        box = self._box(cover)
        self.rgb[box] *= (1 + cover[box] * np.float32(gain - 1))[:, :, None]

    @staticmethod
    def _box(cover: Plane) -> tuple[slice, slice]:
        """Return the rows and columns that are covered at all: most shapes are small."""
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
    """Paint head, hair and neck with eyes open by `openness` (0..1), lit from the side `light` (-1..1).

    The sprite has the shape (384, 288, 4). Hair and pores are the same at every openness.
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
    """Paint what is behind the person: a wall with window, pictures, shelves; uint8 (height, width, 3)."""
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


def _over(view: Image, sprite: Sprite, matrix: NDArray[np.float64]) -> Image:
    """Lay `sprite` over `view`, placed by the 2x3 `matrix`."""
    height, width = view.shape[:2]
    placed = cv2.warpAffine(sprite, matrix, (width, height), flags=cv2.INTER_LINEAR)
    clear = cv2.merge([cv2.bitwise_not(placed[:, :, 3])] * 3)
    return cv2.add(cv2.multiply(view, clear, scale=1 / 255), np.ascontiguousarray(placed[:, :, :3]))


def _place(
    scale: float, angle: float, source: tuple[float, float], target: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the 2x3 matrix that scales and turns about `source` and takes it to `target`."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array(
        [
            [c, -s, target[0] - c * source[0] + s * source[1]],
            [s, c, target[1] - s * source[0] - c * source[1]],
        ]
    )


@dataclass(frozen=True)
class Scene:
    """One selfie in the making: painted layers from far to near, and how head and hand move.

    `heads` are the painted heads with eyes shut, half open and open.
    """

    room: Image
    body: Sprite
    heads: tuple[Sprite, ...]
    relief: Plane
    head_scale: float
    head_at: tuple[float, float]
    yaw: tuple[Wave, Wave]
    pitch: Wave
    roll: Wave
    nod: Wave
    shake_x: tuple[Wave, Wave]
    shake_y: tuple[Wave, Wave]
    blinks: tuple[float, ...]

    def view(self, height: int, width: int, t: float) -> Image:
        """Return what the camera's lens shows at `t` seconds, uint8 (height, width, 3)."""
        dx, dy = (width * sum(wave.at(t) for wave in waves) for waves in (self.shake_x, self.shake_y))
        room_height, room_width = self.room.shape[:2]
        # Parallax: the camera's shake moves the near layers further than the far ones.
        scale = 1.16 * max(width / room_width, height / room_height)
        seen = cv2.warpAffine(
            self.room,
            _place(
                scale, 0.0, (room_width / 2, room_height / 2), (width / 2 + 0.5 * dx, height / 2 + 0.5 * dy)
            ),
            (width, height),
            borderMode=cv2.BORDER_REFLECT,
        )
        x, y = self.head_at[0] * width + dx, self.head_at[1] * height + dy
        head_scale = self.head_scale * width / SPRITE[1]
        body_height, body_width = self.body.shape[:2]
        seen = _over(
            seen,
            self.body,
            _place(
                1.35 * width / body_width,
                0.3 * self.roll.at(t),
                (body_width / 2, body_height / 2),
                (x, y + 150 * head_scale),
            ),
        )
        yaw, pitch = sum(wave.at(t) for wave in self.yaw), self.pitch.at(t)
        grid_x = np.arange(SPRITE[1], dtype=np.float32)[None, :] - np.float32(yaw) * self.relief
        grid_y = np.arange(SPRITE[0], dtype=np.float32)[:, None] - np.float32(pitch) * self.relief
        head = cv2.remap(self.heads[self._lids(t)], grid_x, grid_y, cv2.INTER_LINEAR)
        place = _place(
            head_scale, self.roll.at(t), (SPRITE[1] / 2, SPRITE[0] / 2), (x, y + self.nod.at(t) * height)
        )
        return _over(seen, head, place)

    def _lids(self, t: float) -> int:
        """A blink closes within 0.08 s and is over after 0.2 s."""
        nearest = min((abs(t - blink) for blink in self.blinks), default=1.0)
        return 0 if nearest < 0.06 else 1 if nearest < 0.11 else 2


def draw_scene(rng: np.random.Generator, person: Person, seconds: float) -> Scene:
    """Draw a scene of `person` for a clip of `seconds`: other clothes, room, light and movement each time."""
    light, masked = float(rng.uniform(-1, 1)), bool(rng.random() < 0.15)
    height, width = SPRITE
    x = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / (90 * person.width)
    y = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / (118 * person.height)
    nose = np.exp(-((x / 0.16) ** 2) - ((y - 0.2) / 0.2) ** 2)
    relief = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)) + 0.35 * nose
    return Scene(
        room=paint_room(rng, 560, 330),
        body=paint_body(rng, 420, 360),
        heads=tuple(paint_head(person, light, masked, openness) for openness in (0.0, 0.5, 1.0)),
        relief=cv2.GaussianBlur(relief, (0, 0), 4).astype(np.float32),
        head_scale=float(rng.uniform(0.85, 1.1)),
        head_at=(float(rng.uniform(0.44, 0.56)), float(rng.uniform(0.4, 0.5))),
        yaw=(draw_wave(rng, 16, (0.2, 0.6)), draw_wave(rng, 4, (0.6, 1.2))),
        pitch=draw_wave(rng, 9, (0.2, 0.7)),
        roll=draw_wave(rng, 0.06, (0.2, 0.6)),
        nod=draw_wave(rng, 0.01, (0.2, 0.7)),
        shake_x=(draw_wave(rng, 0.02, (0.2, 0.8)), draw_wave(rng, 0.006, (1.5, 4))),
        shake_y=(draw_wave(rng, 0.02, (0.2, 0.8)), draw_wave(rng, 0.006, (1.5, 4))),
        blinks=tuple(float(b) for b in rng.uniform(0.2, seconds - 0.2, size=rng.integers(1, 3))),
    )


@dataclass(frozen=True)
class Look:
    """What the camera's automatics settle on, and how the clip is stored: the part that twins share.

    `mean` is per channel and `deviation` the mean of the channels', over a clip, 0..255; `sharpness` is the
    variance of the Laplacian of grey frames; `noise` is the sensor's deviation, 0..255; `crf` is x264's.
    """

    size: tuple[int, int]
    rate: int
    frames: int
    mean: Colour
    deviation: float
    sharpness: float
    noise: float
    crf: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def draw_look(rng: np.random.Generator) -> Look:
    """Draw the look that two twins share."""
    rate = int(rng.choice(RATES))
    mean = np.array([122, 110, 102]) * rng.uniform(0.8, 1.25) * rng.uniform(0.92, 1.08, size=3)
    return Look(
        size=SIZES[rng.integers(len(SIZES))],
        rate=rate,
        frames=int(np.ceil(rate * rng.uniform(2.05, 2.5))),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        deviation=float(rng.uniform(44, 62)),
        sharpness=float(np.exp(rng.normal(math.log(280), 0.5))),
        noise=float(rng.uniform(0.8, 3)),
        crf=int(rng.integers(19, 27)),
    )


@dataclass(frozen=True)
class Camera:
    """A camera whose tone and focus are settled.

    `focus` above 0 is a Gaussian defocus of that many pixels, below 0 an unsharp mask of that strength;
    `table` is the response, float32 (1, 256, 3); `grain` is a tile of sensor noise, cut anew for each frame.
    """

    focus: float
    table: Plane
    grain: Plane

    def take(self, view: Image, rng: np.random.Generator) -> Image:
        """Return the frame that is stored for `view`, uint8 of the same shape."""
        height, width = view.shape[:2]
        x, y = rng.integers(0, GRAIN_MARGIN, size=2)
        light = cv2.LUT(_focus(view, self.focus), self.table)
        return cv2.add(light, self.grain[y : y + height, x : x + width], dtype=cv2.CV_8U)


def _focus(view: Image, focus: float) -> Image:
    if focus > 0:
        return cv2.GaussianBlur(view, (0, 0), focus)
    return cv2.addWeighted(view, 1 - focus, cv2.GaussianBlur(view, (0, 0), 1.0), focus, 0)


def _response(look: Look, views: Sequence[Image]) -> Plane:
    """Return the table that gives `views` the look's mean and deviation."""
    sample = np.stack([view[::4, ::4] for view in views]).reshape(-1, 3).astype(np.float32)
    aim_mean, aim_deviation = np.array(look.mean), look.deviation
    ratio = sample.std(axis=0) / np.maximum(sample.mean(axis=0), 1)
    for _ in range(4):  # clipping moves the moments, so that one step is not enough
        # White balance is a gain per channel and brightness one offset for all, so that shadows stay neutral.
        offset = ((aim_mean * ratio).mean() - aim_deviation) / ratio.mean()
        gain = np.maximum(aim_mean - offset, 10) / np.maximum(sample.mean(axis=0), 1)
        seen = np.clip(sample * gain + offset, 0, 255)
        aim_mean = aim_mean + look.mean - seen.mean(axis=0)
        aim_deviation = aim_deviation * look.deviation / max(float(seen.std(axis=0).mean()), 1)
    # Twins would differ in saturation still: go half of the way to equal contrast in each channel.
    stretch = np.sqrt(look.deviation / np.maximum(seen.std(axis=0), 1))
    gain, offset = gain * stretch, offset * stretch + np.array(look.mean) * (1 - stretch)
    return (np.arange(256)[None, :, None] * gain + offset).astype(np.float32)


def sharpness(image: Image) -> float:
    """Return the variance of the Laplacian of the grey picture of uint8 (H, W, 3) RGB."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def _stored(frame: Image, look: Look) -> Image:
    """Return about what compression leaves of a frame: it takes faint texture away and spares bold moire."""
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 100 - 2 * look.crf])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def settle(look: Look, views: Sequence[Image], rng: np.random.Generator) -> Camera:
    """Return the camera that gives `views` the look's tone and sharpness, as a phone's automatics do."""
    height, width = views[0].shape[:2]
    noise = rng.standard_normal((height + GRAIN_MARGIN, width + GRAIN_MARGIN, 3), dtype=np.float32)
    grain = np.float32(look.noise) * noise
    sharp, soft = -4.0, 3.0
    for _ in range(6):  # bisection: sharpness falls with focus
        focus = (sharp + soft) / 2
        # Blur takes contrast away, which the response gives back: the two are settled together.
        camera = Camera(focus, _response(look, [_focus(view, focus) for view in views]), grain)
        if np.mean([sharpness(_stored(camera.take(view, rng), look)) for view in views]) > look.sharpness:
            sharp = focus
        else:
            soft = focus
    return camera


@dataclass(frozen=True)
class Clip:
    """One row of the labels, and what is needed to film it; `attack` is '' for a live clip."""

    fname: str
    group: str
    attack: str
    person_seed: tuple[int, ...]
    look_seed: tuple[int, ...]
    seed: tuple[int, ...]


def film(clip: Clip) -> tuple[Look, Iterator[Image]]:
    """Return the clip's look and its frames, uint8 (H, W, 3) RGB, as the camera stores them."""
    rng = np.random.default_rng(clip.seed)
    look = draw_look(np.random.default_rng(clip.look_seed))
    width, height = look.size
    scene = draw_scene(rng, draw_person(np.random.default_rng(clip.person_seed)), look.seconds)
    session = recapture.draw(rng, clip.attack) if clip.attack else None
    still = scene.view(height, width, rng.uniform(0.5, 1)) if clip.attack == "print" else None

    def view(t: float) -> Image:
        shown = scene.view(height, width, t) if still is None else still
        return shown if session is None else session.apply(shown, t)

    camera = settle(look, [view(look.seconds * part) for part in (0.25, 0.75)], rng)
    return look, (camera.take(view(k / look.rate), rng) for k in range(look.frames))


def encode(path: Path, frames: Iterator[Image], look: Look) -> None:
    """Write `frames` to `path` as H.264 in mp4, whole or not at all."""
    with whole(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=look.rate)
        stream.width, stream.height = look.size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(look.crf), "preset": "superfast", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def cast(people: Sequence[int], pairs: int, seed: int) -> list[Clip]:
    """List the clips of a split: `pairs` of a live clip and its spoof twin for each of `people`, shuffled.

    A person's number and `seed` decide who it is, so that splits with disjoint numbers show other people.
    """
    rows = []
    for turn, (person, pair) in enumerate((person, pair) for person in people for pair in range(pairs)):
        attack = recapture.KINDS[turn % len(recapture.KINDS)]
        rows += [(person, pair, ""), (person, pair, attack)]
    order = np.random.default_rng((seed, *people)).permutation(len(rows))
    return [
        Clip(
            fname=ODD_NAMES.get(place, "clip_{:03d}.mp4").format(place),
            group=f"person_{person:02d}",
            attack=attack,
            # numpy ignores trailing zeros of a seed: ending on other numbers keeps the streams apart.
            person_seed=(seed, person, 1),
            look_seed=(seed, person, pair, 2),
            seed=(seed, person, pair, 4 if attack else 3),
        )
        for place, (person, pair, attack) in enumerate(rows[i] for i in order)
    ]


def _shoot(videos: Path, clip: Clip) -> None:
    cv2.setNumThreads(1)  # the processes already fill the cores
    look, frames = film(clip)
    encode(videos / clip.fname, frames, look)


def make_split(
    videos: Path, labels: Path, people: Sequence[int], pairs: int, seed: int, workers: int
) -> None:
    """Film one split in `workers` processes: mp4 files below the folder `videos`, then the table `labels`.

    `labels` gets the columns `COLUMNS`; `attack` is empty for live clips. The bytes of the videos depend on
    `people`, `pairs` and `seed` only. Raises InputError where there is nothing to film.
    """
    if not people or pairs < 1 or workers < 1:
        raise InputError(
            f"{labels}: cannot film {len(people)} people, {pairs} pairs of clips each, in {workers} workers; "
            "expected at least 1 of each, so raise the number that is smaller"
        )
    clips = cast(people, pairs, seed)
    with ProcessPoolExecutor(max_workers=min(workers, len(clips))) as pool:
        jobs = [pool.submit(_shoot, videos, clip) for clip in clips]
        for job in tqdm(as_completed(jobs), total=len(jobs), desc=f"filming {labels.stem}", unit="clip"):
            job.result()
    with whole(labels) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((clip.fname, 0 if clip.attack else 1, clip.group, clip.attack) for clip in clips)
