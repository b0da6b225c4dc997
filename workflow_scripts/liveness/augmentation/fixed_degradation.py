"""What may have happened to a video before it comes in: damage like that of the challenge's second test set.

Each takes a decoded frame, uint8 RGB [H, W, 3], before it is shrunk to the canonical form, and returns
another one. All are deterministic, and lengths are shares of the picture, so that a large video suffers like
a small one. How strong the challenge's damage was is not published: these are visible and leave faces
recognisable.
"""

from dataclasses import replace

import cv2
import numpy as np

from liveness.video.jpeg import decode_jpeg, encode_jpeg
from liveness.video.preprocessing import Degrade, part
from liveness.video.sampling import Sampling

# sides of the part that a crop keeps: 64 % of the area
CROP = 0.8
# standard deviation of the blur, as a share of the short side: 2.6 pixels of 256
BLUR = 0.01
# half of the saturation, then the light of a warm lamp
SATURATION = 0.5
LAMP = (1.15, 1.0, 0.8)
# shares of red, green and blue in luma: ITU-R BT.601
LUMA = (0.299, 0.587, 0.114)
# short side in pixels at which JPEG works (its blocks have 8), and its quality
JPEG_SIDE = 256
JPEG_QUALITY = 20


def crop(frame: np.ndarray) -> np.ndarray:
    """The centre of the frame."""
    rest = (1 - CROP) / 2
    return part(frame, (rest, rest, 1 - rest, 1 - rest))


def half_size(frame: np.ndarray) -> np.ndarray:
    """Half the width and height. A frame still larger than the canonical form hardly suffers."""
    return cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def blur(frame: np.ndarray) -> np.ndarray:
    """Out of focus: a Gaussian."""
    return cv2.GaussianBlur(frame, (0, 0), BLUR * min(frame.shape[:2]))


def recolour(frame: np.ndarray) -> np.ndarray:
    """Paler, and yellow: a linear map of RGB, clipped."""
    paler = SATURATION * np.eye(3) + (1 - SATURATION) * np.array([LUMA] * 3)
    return cv2.transform(frame, np.diag(LAMP) @ paler)


def recompress(frame: np.ndarray) -> np.ndarray:
    """Blocks and smeared colours of a hard compression; a large frame is shrunk first, as messengers do."""
    scale = min(1.0, JPEG_SIDE / min(frame.shape[:2]))
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return decode_jpeg(encode_jpeg(small, JPEG_QUALITY))


FRAMES: dict[str, Degrade] = {
    "crop": crop,
    "half_size": half_size,
    "blur": blur,
    "recolour": recolour,
    "recompress": recompress,
}


def degraded(name: str, sampling: Sampling) -> tuple[Sampling, Degrade | None]:
    """What a degradation, of those that `evaluation.degradations` may name, does to times and to frames.

    `fewer_frames` halves the number of frames, spread over as much of the video.
    """
    if name == "fewer_frames":
        first = sampling.first and (sampling.first + 1) // 2
        return replace(sampling, count=(sampling.count + 1) // 2, first=first), None
    return sampling, FRAMES[name]
