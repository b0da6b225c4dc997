"""Create encoded videos for tests."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

BITS = 8


def numbered(count: int, height: int = 96, width: int = 128) -> list[np.ndarray]:
    """Return `count` (up to 256) uint8 [height, width, 3] images that encode their number.

    The top half encodes the number as eight black or white stripes, which survive any codec; the
    lower half is blue on the left and red on the right, so that rotation and mirroring are
    detected.
    """
    images: list[np.ndarray] = []
    for number in range(count):
        image = np.zeros((height, width, 3), np.uint8)
        image[height // 2 :, : width // 2, 2] = 255
        image[height // 2 :, width // 2 :, 0] = 255
        for bit in range(BITS):
            if number >> bit & 1:
                image[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 255
        images.append(image)
    return images


def number(image: np.ndarray) -> int:
    """Read the number of an upright image made by `numbered`, at any size."""
    left, right = np.array_split(image[-image.shape[0] // 3 :], 2, axis=1)
    assert left[..., 2].mean() > left[..., 0].mean() + 50, "the blue corner is not at the lower left"
    assert right[..., 0].mean() > right[..., 2].mean() + 50, "the red corner is not at the lower right"
    band = cv2.resize(image[: image.shape[0] // 3], (BITS * 4, 4), interpolation=cv2.INTER_AREA)
    centres = band[:, 1::4].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(BITS) if centres[bit] > 127)


def write_clip(
    path: Path,
    images: Sequence[np.ndarray],
    fps: float = 10,
    codec: str = "libx264",
    *,
    rotation: int = 0,
    times: Sequence[float] | None = None,
    format: str | None = None,
    options: dict[str, str] | None = None,
    muxer_options: dict[str, str] | None = None,
) -> Path:
    """Encode `images` (uint8 RGB [H, W, 3], even sides) and return `path`.

    `images` are as a player should show them. With `rotation` (degrees clockwise, 0, 90, 180 or
    270) frames are stored rotated, with metadata that makes players rotate them back. `times`
    (seconds) makes the frame rate variable. `format` overrides the container implied by the suffix.
    """
    stored = [np.ascontiguousarray(np.rot90(image, rotation // 90)) for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", format=format, options=muxer_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = stored[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(-rotation)
        for position, image in enumerate(stored):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = Fraction(1, 1000) if times is not None else 1 / rate
            frame.pts = position
            if times is not None:
                frame.pts = round(times[position] * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
