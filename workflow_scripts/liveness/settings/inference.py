"""Settings of `inference`: how frames are looked at, and how their scores become one."""

from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Literal

from annotated_types import MinLen

from liveness.settings.constraints import Count, PositiveShare, Share, Unique

PARTS = ("whole", "center", "top_left", "top_right", "bottom_left", "bottom_right")
VIEWS = tuple(map("".join, product(PARTS, ("", "+vflip", "+hflip", "+hflip+vflip"))))


@dataclass(frozen=True)
class Inference:
    """How unseen and held-out videos are scored."""

    frames: Count | None = None
    """Score only the first N of frames.count frames; all by default."""
    views: Annotated[list[Literal[VIEWS]], MinLen(1), Unique()] = field(  # type: ignore[valid-type]
        default_factory=lambda: ["whole"]
    )
    """Ways of looking at each frame, whose scores are averaged: whole, center, top_left, top_right,
    bottom_left, bottom_right, each with +hflip or +vflip if wanted."""
    crop_side: PositiveShare = 0.8
    """Side of the views that are parts, as a fraction of the frame's."""
    aggregate: Literal["mean", "median", "trimmed", "top_k"] = "mean"
    """How the scores of a video's frames become one: mean, median, trimmed (the mean without the
    highest and the lowest fifth) or top_k (the mean of the top_k least live frames, since an attack
    may give itself away in a few)."""
    top_k: Count = 3
    """Frames that the aggregate top_k looks at."""
    batch_size: Count = 32
    """Frames per call of an engine. Changes speed and memory, not scores."""
    fallback_score: Share = 0.5
    """Score of a video that cannot be read."""
    max_unreadable: Share = 0.1
    """Fraction of unreadable videos above which no submission is written."""
