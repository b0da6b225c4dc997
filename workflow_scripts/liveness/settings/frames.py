"""Settings of `frames`: which frames of a video are looked at, and in what form."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Interval

from liveness.settings.constraints import Count, Span


@dataclass(frozen=True)
class Frames:
    """Which frames of a video are looked at, and in what form."""

    count: Count = 8
    """Frames taken from each video."""
    window: Span = field(default_factory=lambda: [0.0, 1.0])
    """Part of the video that they are spread over, as fractions of its duration. Decoding stops at
    the last frame that is needed."""
    short_side: Annotated[int, Interval(ge=32, le=4096)] = 256
    """Short side of a stored frame, in pixels."""
    crop: Literal["none", "face"] = "none"
    """Whole frames (none), or the largest face of each frame (face; a frame without a face is used
    whole)."""
    face_margin: Annotated[float, Interval(ge=0, le=4)] = 0.3
    """Fraction of its sides by which the face's box grows about its centre."""
    snap_to_reference: bool = False
    """Decode only the frames that others are predicted from, and take the nearest: about 1.7 times
    as fast as exact times."""
    nvdec: bool = False
    """Decode on an NVIDIA GPU. Changes speed, not frames."""
    quality: Annotated[int, Interval(ge=50, le=100)] = 95
    """JPEG quality of stored frames."""
