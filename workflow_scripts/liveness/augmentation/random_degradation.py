"""Random degradations of training frames: cameras and messengers that training has not seen.

Each takes a stored frame, uint8 RGB [H, W, 3], and returns a new one of the same shape. Strengths are drawn
anew for each frame; lengths are shares of the picture. `degradation` has the fixed damage that robustness is
measured with, and shares nothing with this module: a change of that measure must not retrain anything.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from liveness.video.jpeg import decode_jpeg, encode_jpeg
from liveness.video.preprocessing import part

# sides of what a zoom leaves of the frame
ZOOM = (0.7, 0.95)
# standard deviation of the blur, as a share of the short side: 1 to 2.6 pixels of 256
BLUR = (0.004, 0.01)
# saturation: 1 leaves it, 0 is grey
SATURATION = (0.5, 1.3)
# largest logarithm of the gains of red (blue gets the inverse) and green, and of gamma: 1.16, 1.05, 1.35
WARMTH, TINT, GAMMA = 0.15, 0.05, 0.3
# width and height of what is sent, as a share of the frame's
SHRINKAGE = (0.25, 0.5)
JPEG_QUALITY = (30, 60)


def zoom(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of the frame, anywhere in it, enlarged."""
    side = rng.uniform(*ZOOM)
    left, top = rng.uniform(0, 1 - side, size=2)
    height, width = frame.shape[:2]
    return _resized(part(frame, (left, top, left + side, top + side)), height, width)


def recolour(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another camera's saturation, white balance and gamma."""
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    saturation, warmth = rng.uniform(*SATURATION), rng.uniform(-WARMTH, WARMTH)
    gains = np.exp([warmth, rng.uniform(-TINT, TINT), -warmth])
    gamma = math.exp(rng.uniform(-GAMMA, GAMMA))
    value = np.linspace(0, 1, 256)[None, :, None] ** gamma * gains
    table = np.round(255 * np.clip(value, 0, 1)).astype(np.uint8)
    return cv2.LUT(cv2.addWeighted(frame, saturation, grey, 1 - saturation, 0), table)


def blur(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus: a Gaussian."""
    return cv2.GaussianBlur(frame, (0, 0), rng.uniform(*BLUR) * min(frame.shape[:2]))


def shrink(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sent small and enlarged again."""
    height, width = frame.shape[:2]
    scale = rng.uniform(*SHRINKAGE)
    small = (max(1, round(scale * width)), max(1, round(scale * height)))
    return _resized(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), height, width)


def compress(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG, with colours at half the resolution."""
    low, high = JPEG_QUALITY
    return decode_jpeg(encode_jpeg(frame, int(rng.integers(low, high, endpoint=True))))


# in the order in which they happen to a video: in the camera, then on its way
KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "zoom": zoom,
    "recolour": recolour,
    "blur": blur,
    "shrink": shrink,
    "compress": compress,
}


def degrade(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One or two degradations, one after the other."""
    for kind in sorted(rng.choice(len(KINDS), size=rng.integers(1, 3), replace=False)):
        frame = list(KINDS.values())[kind](frame, rng)
    return frame


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
