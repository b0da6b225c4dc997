"""Random degradations of training frames that simulate unseen cameras and messengers.

Each function takes a stored frame, uint8 RGB [H, W, 3], and returns a new one of the same shape.
Strengths are drawn for each frame; lengths are fractions of the frame. The fixed degradations of
the robustness tests, in `fixed_degradation`, share no code with this module, so that changing them
does not trigger retraining.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from liveness.video.jpeg import decode_jpeg, encode_jpeg
from liveness.video.preprocessing import part

# fraction of each side that a zoom keeps
ZOOM = (0.7, 0.95)
# standard deviation of the blur, as a fraction of the short side: 1 to 2.6 pixels of 256
BLUR = (0.004, 0.01)
# saturation: 1 is unchanged, 0 is grey
SATURATION = (0.5, 1.3)
# maximum log gains of red (blue gets the inverse) and green, and log gamma: 1.16, 1.05, 1.35
WARMTH, TINT, GAMMA = 0.15, 0.05, 0.3
# width and height of the sent frame, as a fraction of the original's
SHRINKAGE = (0.25, 0.5)
JPEG_QUALITY = (30, 60)


def zoom(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Enlarge a random part of the frame."""
    side = rng.uniform(*ZOOM)
    left, top = rng.uniform(0, 1 - side, size=2)
    height, width = frame.shape[:2]
    return _resized(part(frame, (left, top, left + side, top + side)), height, width)


def recolour(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Imitate another camera's saturation, white balance and gamma."""
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    saturation, warmth = rng.uniform(*SATURATION), rng.uniform(-WARMTH, WARMTH)
    gains = np.exp([warmth, rng.uniform(-TINT, TINT), -warmth])
    gamma = math.exp(rng.uniform(-GAMMA, GAMMA))
    value = np.linspace(0, 1, 256)[None, :, None] ** gamma * gains
    table = np.round(255 * np.clip(value, 0, 1)).astype(np.uint8)
    return cv2.LUT(cv2.addWeighted(frame, saturation, grey, 1 - saturation, 0), table)


def blur(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur the frame with a Gaussian, like a defocused camera."""
    return cv2.GaussianBlur(frame, (0, 0), rng.uniform(*BLUR) * min(frame.shape[:2]))


def shrink(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrink the frame, as if to send it, and enlarge it again."""
    height, width = frame.shape[:2]
    scale = rng.uniform(*SHRINKAGE)
    small = (max(1, round(scale * width)), max(1, round(scale * height)))
    return _resized(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), height, width)


def compress(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compress the frame with JPEG, with chroma at half resolution."""
    low, high = JPEG_QUALITY
    return decode_jpeg(encode_jpeg(frame, int(rng.integers(low, high, endpoint=True))))


# in the order in which they affect a video: in the camera, then during transmission
KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "zoom": zoom,
    "recolour": recolour,
    "blur": blur,
    "shrink": shrink,
    "compress": compress,
}


def degrade(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply one or two random degradations, in the order of KINDS."""
    for kind in sorted(rng.choice(len(KINDS), size=rng.integers(1, 3), replace=False)):
        frame = list(KINDS.values())[kind](frame, rng)
    return frame


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
