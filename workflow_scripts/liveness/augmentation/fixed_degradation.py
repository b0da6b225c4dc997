"""Fixed degradations for robustness tests, like those of the challenge's second test set.

Each function takes a decoded frame, uint8 RGB [H, W, 3], before it is shrunk to canonical form, and
returns a new one. All are deterministic, and lengths are fractions of the frame, so that large and
small videos are degraded alike. The strength of the challenge's degradations is not published;
these are visible but leave faces recognisable.
"""

from dataclasses import replace

import cv2
import numpy as np

from liveness.video.jpeg import decode_jpeg, encode_jpeg
from liveness.video.preprocessing import Degrade, part
from liveness.video.sampling import Sampling

# fraction of each side that the crop keeps: 64 % of the area
CROP = 0.8
# standard deviation of the blur, as a fraction of the short side: 2.6 pixels of 256
BLUR = 0.01
# half of the saturation, then gains of red, green and blue for the light of a warm lamp
SATURATION = 0.5
LAMP = (1.15, 1.0, 0.8)
# weights of red, green and blue in luma: ITU-R BT.601
LUMA = (0.299, 0.587, 0.114)
# short side in pixels for JPEG compression (its blocks are 8 pixels wide), and its quality
JPEG_SIDE = 256
JPEG_QUALITY = 20


def crop(frame: np.ndarray) -> np.ndarray:
    """Crop the frame to its centre."""
    rest = (1 - CROP) / 2
    return part(frame, (rest, rest, 1 - rest, 1 - rest))


def half_size(frame: np.ndarray) -> np.ndarray:
    """Halve width and height; frames that stay larger than the canonical form hardly change."""
    return cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def blur(frame: np.ndarray) -> np.ndarray:
    """Blur the frame with a Gaussian, like a defocused camera."""
    return cv2.GaussianBlur(frame, (0, 0), BLUR * min(frame.shape[:2]))


def recolour(frame: np.ndarray) -> np.ndarray:
    """Desaturate the frame and tint it yellow by a linear map of RGB, clipped."""
    paler = SATURATION * np.eye(3) + (1 - SATURATION) * np.array([LUMA] * 3)
    return cv2.transform(frame, np.diag(LAMP) @ paler)


def recompress(frame: np.ndarray) -> np.ndarray:
    """Compress the frame strongly with JPEG; large frames are shrunk first, as messengers do."""
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
    """Return the sampling and the frame function of a degradation in `evaluation.degradations`.

    `fewer_frames` halves the number of frames over the same part of the video, and has no frame
    function.
    """
    if name == "fewer_frames":
        first = sampling.first and (sampling.first + 1) // 2
        return replace(sampling, count=(sampling.count + 1) // 2, first=first), None
    return sampling, FRAMES[name]
