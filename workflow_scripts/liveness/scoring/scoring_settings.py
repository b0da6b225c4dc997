"""All settings between a video and its frame scores, except the engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liveness.video.preprocessing import View, views
from liveness.video.sampling import Sampling


@dataclass(frozen=True)
class ScoringSettings:
    """Settings that affect scores, for `predict`, `predict_degraded` and the scorer.

    Attributes:
        frames: settings of `frames` that affect scores.
        first: number of frames scored per video.
        views: names of the views, whose scores are averaged.
        crop_side: side of views that are parts, as a fraction of the frame's.
    """

    frames: Mapping[str, Any]
    first: int
    views: Sequence[str]
    crop_side: float

    def sampling(self, nvdec: bool) -> Sampling:
        """Return the sampling of a video's frames; `nvdec` decodes them on an NVIDIA GPU."""
        return Sampling(**self.frames, first=self.first, nvdec=nvdec)

    def test_views(self) -> list[View]:
        """Return the views of a frame that engines score."""
        return views(self.views, self.crop_side)
