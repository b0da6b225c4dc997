"""Simulated recapture: frames as a camera sees them on a screen or a print.

A session is drawn once (`draw`) and applied to every frame of a clip, so that geometry, moire and
lighting are constant while the hand that holds the camera moves. All lengths are fractions of the
picture, so that a session looks the same at every resolution. Sessions are stateless.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# OpenCV's stubs do not distinguish dtypes, so these aliases serve as documentation only.
Image = NDArray[Any]  # uint8 (H, W, 3) RGB
Plane = NDArray[Any]  # float32 (H, W)
# float32 (3, H, W) in 0..1, changed in place: numpy is slow if the last axis has only three entries
Light = NDArray[Any]

KINDS = ("replay_phone", "replay_monitor", "print")


@dataclass(frozen=True)
class Wave:
    """A sinusoidal component of a hand-held movement."""

    amplitude: float
    hertz: float
    phase: float

    def at(self, t: float) -> float:
        return self.amplitude * math.sin(2 * math.pi * self.hertz * t + self.phase)


def draw_wave(rng: np.random.Generator, amplitude: float, hertz: tuple[float, float]) -> Wave:
    """Draw a wave with 0.5 to 1 times `amplitude` and a frequency in the range `hertz`."""
    return Wave(
        float(rng.uniform(0.5, 1) * amplitude), float(rng.uniform(*hertz)), float(rng.uniform(0, 2 * math.pi))
    )


@dataclass(frozen=True)
class Pose:
    """Position of the flat medium in the view, and its movement by the hand.

    `corners` are the (x, y) of the picture's top-left, top-right, bottom-right and bottom-left
    corners as fractions of the view; outside 0..1 they are not visible.
    """

    corners: tuple[tuple[float, float], ...]
    shift_x: Wave
    shift_y: Wave
    roll: Wave
    zoom: Wave

    def locate(self, height: int, width: int, t: float) -> tuple[Plane, Plane]:
        """Map pixels to positions on the medium: float32 (H, W) u and v, 0..1 in the picture."""
        size = np.array([width, height])
        centred = (np.array(self.corners) - 0.5) * size
        angle, scale = self.roll.at(t), 1 + self.zoom.at(t)
        turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shift = np.array([self.shift_x.at(t), self.shift_y.at(t)]) * min(height, width)
        seen = (centred @ turn.T + shift + size / 2).astype(np.float32)
        unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        h = cv2.getPerspectiveTransform(seen, unit).astype(np.float32)
        x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
        y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
        depth = h[2, 0] * x + h[2, 1] * y + h[2, 2]
        return (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / depth, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / depth

    @property
    def span(self) -> tuple[float, float]:
        """The mean width and height of the picture as fractions of the view."""
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (bx - ax + cx - dx) / 2, (dy - ay + cy - by) / 2


@dataclass(frozen=True)
class Screen:
    """A display: its sub-pixel grid beats with the sensor's, its refresh with the rolling shutter.

    `fringes` are the numbers of moire fringes of columns and rows across the view's short side. The
    grid has one cycle per sensor pixel plus these, so that the moire is true aliasing and bends
    with perspective.
    """

    fringes: tuple[float, float]
    colour_depth: float
    row_depth: float
    bands: float
    band_depth: float
    band_hertz: float

    def faint(self, share: float) -> "Screen":
        """Return a copy with the contrast of moire and bands multiplied by `share`."""
        return replace(
            self,
            colour_depth=share * self.colour_depth,
            row_depth=share * self.row_depth,
            band_depth=share * self.band_depth,
        )

    def bend(self, u: Plane, v: Plane) -> tuple[Plane, Plane]:
        """Return the coordinates unchanged: a screen is flat."""
        return u, v

    def mark(self, picture: Light, u: Plane, v: Plane, span: tuple[float, float], t: float) -> None:
        """Multiply the picture by the sampled pixel grid and the refresh bands."""
        height, width = u.shape
        short = min(height, width)
        columns = (2 * math.pi * width * span[0] * (1 + self.fringes[0] / short)) * u
        rows = (2 * math.pi * height * span[1] * (1 + self.fringes[1] / short)) * v
        line = (2 * math.pi * self.bands / height) * np.arange(height, dtype=np.float32) - (
            2 * math.pi * self.band_hertz * t
        )
        light = (1 + self.row_depth * np.cos(rows)) * (1 + self.band_depth * np.cos(line))[:, None]
        # The red, green and blue stripes are a third of a pixel apart, which colours the fringes.
        for c, channel in enumerate(picture):
            channel *= (1 + self.colour_depth * np.cos(columns + 2 * math.pi * c / 3)) * light


@dataclass(frozen=True)
class Paper:
    """A print with halftone dots, on a sheet that curls and is shaded by its curl.

    `dots` is the number of halftone cells across the view's short side. `curl` is the displacement,
    as a fraction of the sheet, of a wave with `curl_cycles` cycles over the sheet in direction
    `curl_angle`.
    """

    dots: float
    dot_depth: float
    curl: float
    curl_cycles: float
    curl_angle: float
    curl_phase: float
    shade: float

    def faint(self, share: float) -> "Paper":
        """Return a copy with the contrast of the dots multiplied by `share`."""
        return replace(self, dot_depth=share * self.dot_depth)

    def _along(self, u: Plane, v: Plane) -> Plane:
        across = math.cos(self.curl_angle) * (u - 0.5) + math.sin(self.curl_angle) * (v - 0.5)
        return 2 * math.pi * self.curl_cycles * across + self.curl_phase

    def bend(self, u: Plane, v: Plane) -> tuple[Plane, Plane]:
        """Move the flat sheet's coordinates along the curl."""
        lift = self.curl * np.sin(self._along(u, v))
        # the curl displaces the sheet sideways where it runs across it, else foreshortens it
        return u + lift * math.sin(self.curl_angle), v + lift * math.cos(self.curl_angle)

    def mark(self, picture: Light, u: Plane, v: Plane, span: tuple[float, float], t: float) -> None:
        """Halftone the picture, with a different screen angle per ink, and shade it by the curl."""
        height, width = u.shape
        scale = self.dots / min(height, width)
        x, y = u * (width * span[0] * scale), v * (height * span[1] * scale)
        light = 1 + self.shade * np.cos(self._along(u, v))
        for ink, degrees in zip(picture, (15, 75, 45), strict=True):
            c, s = (
                2 * math.pi * math.cos(math.radians(degrees)),
                2 * math.pi * math.sin(math.radians(degrees)),
            )
            spot = np.cos(c * x + s * y)
            spot += np.cos(c * y - s * x)
            # soft threshold: dots grow with the ink's density and vanish in pure white and black
            spot *= 0.25 + ink * (1 - ink)
            spot += ink
            dotted = np.clip(spot, 0, 1, out=spot)
            dotted -= ink
            ink += self.dot_depth * dotted
            ink *= light


@dataclass(frozen=True)
class Tone:
    """Tone curve per channel, from the original's value to the medium's, both in 0..1."""

    gamma: float
    gains: tuple[float, float, float]
    black: float

    def table(self) -> Image:
        """Return the look-up table, uint8 (1, 256, 3)."""
        value = np.linspace(0, 1, 256)[None, :, None] ** self.gamma * np.array(self.gains)
        return np.round(255 * np.clip(self.black + (1 - self.black) * value, 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Glare:
    """An elliptical reflection: of a soft lamp (`order` 1) or of a window with sharp edges (3)."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    angle: float
    order: int
    strength: float

    def light(self, height: int, width: int, dx: float, dy: float) -> Plane:
        """Return the fraction of white to mix in, float32 (H, W), shifted by (dx, dy)."""
        short = min(height, width)
        x = (np.arange(width, dtype=np.float32)[None, :] - (self.centre[0] + dx) * width) / short
        y = (np.arange(height, dtype=np.float32)[:, None] - (self.centre[1] + dy) * height) / short
        c, s = math.cos(self.angle), math.sin(self.angle)
        square = ((c * x + s * y) / self.radii[0]) ** 2 + ((c * y - s * x) / self.radii[1]) ** 2
        return np.float32(self.strength) * np.exp(-(square**self.order))


@dataclass(frozen=True)
class Surround:
    """Surroundings of the picture: a margin (bezel or white paper) and the room; colours: 0..1."""

    margin: float
    margin_colour: tuple[float, float, float]
    room: tuple[tuple[float, float, float], tuple[float, float, float]]
    room_angle: float

    def frame(self, picture: Light, u: Plane, v: Plane, span: tuple[float, float]) -> None:
        """Paint margin and room outside the unit square, which contains the picture."""
        height, width = u.shape
        # signed distance to the picture's edge in pixels of the view, positive inside
        inside = np.minimum(
            np.minimum(u, 1 - u) * np.float32(width * span[0]),
            np.minimum(v, 1 - v) * np.float32(height * span[1]),
        )
        edge = inside < 1  # the rest, most of the view, shows only the picture
        inside = inside[edge]
        c, s = 3 * math.cos(self.room_angle), 3 * math.sin(self.room_angle)
        mix = 0.5 + 0.5 * np.tanh(c * (u[edge] - 0.5) + s * (v[edge] - 0.5))
        medium = np.clip(inside + np.float32(self.margin * min(height, width) + 0.5), 0, 1)
        shown = np.clip(inside + np.float32(0.5), 0, 1)
        colours = np.array([*self.room, self.margin_colour], np.float32).T
        for plane, (near, far, margin) in zip(picture, colours, strict=True):
            around = near + (far - near) * mix
            around += (margin - around) * medium
            plane[edge] = around + (plane[edge] - around) * shown


@dataclass(frozen=True)
class Recapture:
    """A recapture session, drawn by `draw` and constant for a clip."""

    pose: Pose
    medium: Screen | Paper
    tone: Tone
    glares: tuple[Glare, ...]
    surround: Surround

    def faint(self, share: float) -> "Recapture":
        """Return a copy with the contrast of the medium's fine pattern multiplied by `share`."""
        return replace(self, medium=self.medium.faint(share))

    def apply(self, image: Image, t: float) -> Image:
        """Return the recaptured `image`, uint8 (H, W, 3) RGB of the same shape, at `t` seconds.

        Raises ValueError unless `image` is a non-empty uint8 (H, W, 3) array.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"expected a non-empty uint8 (H, W, 3) image, got {image.dtype} {image.shape}")
        height, width = image.shape[:2]
        u, v = self.medium.bend(*self.pose.locate(height, width, t))
        shown = cv2.remap(
            cv2.LUT(image, self.tone.table()),
            u * np.float32(width) - np.float32(0.5),
            v * np.float32(height) - np.float32(0.5),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        span = self.pose.span
        light = np.array(cv2.split(shown), np.float32)
        light *= np.float32(1 / 255)
        self.medium.mark(light, u, v, span, t)
        self.surround.frame(light, u, v, span)
        for glare in self.glares:
            # a reflection moves opposite to the surface that shows it
            white = glare.light(height, width, -self.pose.shift_x.at(t), -self.pose.shift_y.at(t))
            for plane in light:
                plane += white * (1 - plane)
        return cv2.merge([cv2.convertScaleAbs(plane, alpha=255) for plane in light])


def draw(rng: np.random.Generator, kind: str) -> Recapture:
    """Draw a session of `kind`, one of `KINDS`; raise ValueError for any other."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of recapture {kind!r}; expected one of {', '.join(KINDS)}")
    edges_seen = rng.random() < {"replay_phone": 0.6, "replay_monitor": 0.4, "print": 0.6}[kind]
    return Recapture(
        pose=_draw_pose(rng, edges_seen),
        medium=_draw_paper(rng) if kind == "print" else _draw_screen(rng, coarse=kind == "replay_monitor"),
        tone=_draw_tone(rng),
        glares=tuple(_draw_glare(rng) for _ in range(rng.choice(3, p=(0.3, 0.5, 0.2)))),
        surround=_draw_surround(rng, kind),
    )


def _draw_pose(rng: np.random.Generator, edges_seen: bool) -> Pose:
    inset = rng.uniform(0.03, 0.09) if edges_seen else rng.uniform(-0.12, -0.05)
    # a shift of the whole medium shows one or two of its edges rather than all four equally
    aside = rng.uniform(-0.05, 0.05, size=2) if edges_seen else np.zeros(2)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (1 - 2 * inset) + inset + aside
    corners = square + rng.uniform(-0.035, 0.035, size=(4, 2))
    return Pose(
        corners=tuple((float(x), float(y)) for x, y in corners),
        shift_x=draw_wave(rng, 0.018, (0.3, 1.2)),
        shift_y=draw_wave(rng, 0.018, (0.3, 1.2)),
        roll=draw_wave(rng, 0.02, (0.2, 0.8)),
        zoom=draw_wave(rng, 0.012, (0.2, 0.8)),
    )


def _draw_screen(rng: np.random.Generator, *, coarse: bool) -> Screen:
    depth = rng.uniform(0.10, 0.22) if coarse else rng.uniform(0.07, 0.16)
    low, high = (5, 14) if coarse else (9, 24)
    signs = rng.choice((-1, 1), size=2)
    return Screen(
        fringes=(float(signs[0] * rng.uniform(low, high)), float(signs[1] * rng.uniform(low, high))),
        colour_depth=float(depth),
        row_depth=float(depth * rng.uniform(0.4, 1)),
        bands=float(rng.uniform(1.5, 5)),
        band_depth=float(rng.uniform(0.03, 0.14)),
        band_hertz=float(rng.uniform(-1.5, 1.5)),
    )


def _draw_paper(rng: np.random.Generator) -> Paper:
    return Paper(
        dots=float(rng.uniform(38, 70)),
        dot_depth=float(rng.uniform(0.3, 0.6)),
        curl=float(rng.uniform(0.008, 0.03)),
        curl_cycles=float(rng.uniform(0.4, 1.1)),
        curl_angle=float(rng.uniform(0, math.pi)),
        curl_phase=float(rng.uniform(0, 2 * math.pi)),
        shade=float(rng.uniform(0.06, 0.2)),
    )


def _draw_tone(rng: np.random.Generator) -> Tone:
    red, green, blue = rng.uniform(0.88, 1.06, size=3)
    return Tone(
        gamma=float(np.exp(rng.uniform(-0.3, 0.3))),
        gains=(float(red), float(green), float(blue)),
        black=float(rng.uniform(0.0, 0.12)),
    )


def _draw_glare(rng: np.random.Generator) -> Glare:
    return Glare(
        centre=(float(rng.uniform(0, 1)), float(rng.uniform(0, 1))),
        radii=(float(rng.uniform(0.06, 0.3)), float(rng.uniform(0.06, 0.3))),
        angle=float(rng.uniform(0, math.pi)),
        order=int(rng.choice((1, 3))),
        strength=float(rng.uniform(0.2, 0.65)),
    )


def _draw_surround(rng: np.random.Generator, kind: str) -> Surround:
    value = (
        rng.uniform(0.8, 0.97)
        if kind == "print"
        else rng.choice((rng.uniform(0.02, 0.1), rng.uniform(0.75, 0.9)), p=(0.8, 0.2))
    )
    red, green, blue = np.clip(value + rng.uniform(-0.02, 0.02, size=3), 0, 1)
    near, far = rng.uniform(0.15, 0.85, size=(2, 1)) + rng.uniform(-0.1, 0.1, size=(2, 3))
    return Surround(
        margin=float(rng.uniform(0.02, 0.08)),
        margin_colour=(float(red), float(green), float(blue)),
        room=(
            (float(near[0]), float(near[1]), float(near[2])),
            (float(far[0]), float(far[1]), float(far[2])),
        ),
        room_angle=float(rng.uniform(0, 2 * math.pi)),
    )
