"""What lies between a video and the scores of its frames, apart from the engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liveness.video.preprocessing import View, views
from liveness.video.sampling import Sampling


@dataclass(frozen=True)
class ScoringSettings:
    """Settings that change scores: for rule `predict`, its degraded twin and the scorer's
    configuration.

    Attributes:
        frames: settings of `frames`, those that matter.
        first: frames of each video that are scored.
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
