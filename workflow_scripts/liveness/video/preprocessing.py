"""Preprocessing of frames between decoder and model, shared by training and scoring."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
# a simulated degradation of a decoded frame, uint8 RGB [H, W, 3], applied before all other steps
Degrade = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class View:
    """A view for test-time augmentation: a part of the frame, possibly mirrored.

    `box` is (left, top, right, bottom) in fractions of the frame.
    """

    box: Box = WHOLE
    hflip: bool = False
    vflip: bool = False


def views(names: Iterable[str], crop: float) -> list[View]:
    """Parse view names such as `center+hflip`; a crop keeps the fraction `crop` of each side."""
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
    """Return the times, float64 [count] in seconds, to sample from a video of `duration` seconds.

    `window` is (start, end) in fractions of the duration d. The times are
    start*d + k*(end - start)*d/count for k = 0 ... count-1. Count 3 with window (0.2, 1.0) is the
    recipe of the winning solution of ZAC 2022.
    """
    start, end = window
    return duration * (start + (end - start) * np.arange(count) / count)


def canonical(image: np.ndarray, short_side: int) -> np.ndarray:
    """Shrink a uint8 RGB image [H, W, 3] to a shorter side of `short_side` pixels; keep the aspect.

    Frames are stored in this canonical form. A smaller image is returned unchanged: enlarging it
    here would add bytes but no information, and `model_input` enlarges it anyway.
    """
    height, width = image.shape[:2]
    # exact halves first: OpenCV averages 2 x 2 pixels ten times as fast as any other area
    while min(height, width) >= 2 * short_side and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    scale = short_side / min(height, width)
    if scale >= 1:
        return image
    return cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def part(image: np.ndarray, box: Box) -> np.ndarray:
    """Return a view of a uint8 RGB image [H, W, 3] inside `box`, rounded to the nearest pixel."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    return image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]


def model_input(image: np.ndarray, size: int) -> np.ndarray:
    """Resize a uint8 RGB image [H, W, 3] to uint8 [size, size, 3], ignoring the aspect ratio.

    Shrinking sides are averaged by area, growing sides are interpolated linearly. These are
    separate steps because OpenCV's area method aliases if one side shrinks while the other grows.
    """
    height, width = image.shape[:2]
    shrunk = cv2.resize(image, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)
