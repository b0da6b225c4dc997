"""The one definition of what happens to a frame between the decoder and the model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
# What simulated damage does to a decoded frame, uint8 RGB [H, W, 3], before anything else sees it.
Degrade = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class View:
    """One way of looking at a frame at test time: a part of it, mirrored or not.

    `box` is (left, top, right, bottom) in fractions of the frame.
    """

    box: Box = WHOLE
    hflip: bool = False
    vflip: bool = False


def views(names: Iterable[str], crop: float) -> list[View]:
    """The views that inference.views names, as `center+hflip`; parts keep the share `crop` of each side."""
    rest = 1 - crop
    corners = {
        "center": (rest / 2, rest / 2),
        "top_left": (0.0, 0.0),
        "top_right": (rest, 0.0),
        "bottom_left": (0.0, rest),
        "bottom_right": (rest, rest),
    }
    boxes = {name: (x, y, x + crop, y + crop) for name, (x, y) in corners.items()} | {"whole": WHOLE}
    parts = [name.split("+") for name in names]
    return [View(boxes[part], "hflip" in flips, "vflip" in flips) for part, *flips in parts]


def sample_times(duration: float, count: int, window: Sequence[float]) -> np.ndarray:
    """Return float64 [count]: the times in seconds at which a video of `duration` seconds is sampled.

    `window` holds the fractions (start, end) of the duration d: start*d + k*(end - start)*d/count for
    k = 0 ... count-1. Count 3 with window (0.2, 1.0) is the recipe of the winning solution of ZAC 2022.
    """
    start, end = window
    return duration * (start + (end - start) * np.arange(count) / count)


def canonical(image: np.ndarray, short_side: int) -> np.ndarray:
    """Shrink a uint8 RGB image [H, W, 3] so that its shorter side has `short_side` pixels; keep the aspect.

    This is the form in which frames are stored. A smaller image is returned as it is: enlarging it here would
    add bytes but no information, and `model_input` enlarges it anyway.
    """
    height, width = image.shape[:2]
    # exact halves first: OpenCV averages four pixels ten times as fast as any other area
    while min(height, width) >= 2 * short_side and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    scale = short_side / min(height, width)
    if scale >= 1:
        return image
    return cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def part(image: np.ndarray, box: Box) -> np.ndarray:
    """The part of a uint8 RGB image [H, W, 3] inside `box`, to the nearest pixel; not a copy."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    return image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]


def model_input(image: np.ndarray, size: int) -> np.ndarray:
    """Squash a whole uint8 RGB image [H, W, 3] to uint8 [size, size, 3].

    A side that shrinks is averaged over areas, a side that grows is interpolated linearly: OpenCV's area
    method would alias if one side shrank while the other grew, so the two are done one after the other.
    """
    height, width = image.shape[:2]
    shrunk = cv2.resize(image, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)
