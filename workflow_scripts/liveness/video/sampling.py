"""Sampling of a video's frames and their conversion to canonical form."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from liveness.settings.frames import Frames
from liveness.video.decoder import read_frames
from liveness.video.face_crop import crop_to_face
from liveness.video.preprocessing import Degrade, canonical, sample_times


@dataclass(frozen=True)
class Sampling(Frames):
    """Settings of `frames`, limited to the `first` of the `count` frames; None means all."""

    first: int | None = None

    @property
    def frames(self) -> int:
        """Number of frames per video."""
        return min(self.first or self.count, self.count)

    def times(self, duration: float) -> np.ndarray:
        """Return the sampled times, float64 [n] in seconds, of a video of `duration` seconds."""
        return sample_times(duration, self.count, self.window)[: self.first]


class Sampled(NamedTuple):
    """The sampled frames of a video.

    `images` are uint8 RGB [H, W, 3] in canonical form (see `preprocessing.canonical`), `times`
    their display times, float64 [n] in seconds, and `faceless` is the number of frames that should
    be cropped to a face but have none.
    """

    images: list[np.ndarray]
    times: np.ndarray
    faceless: int


def read_video(
    path: str | Path,
    duration: float,
    sampling: Sampling,
    degrade: Degrade | None = None,
) -> Sampled:
    """Decode the sampled frames of a video and convert them as both training and scoring expect.

    `duration` comes from the manifest. Decoding stops at the last sampled frame. `degrade` is
    applied to the decoded frames before faces are detected (see `augmentation.fixed_degradation`).

    Raises VideoError if no frame can be decoded, InputError if the face detector is not installed.
    """

    def convert(image: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the canonical frame, and True if its face was not found."""
        image = degrade(image) if degrade else image
        face = crop_to_face(image, sampling.face_margin) if sampling.crop == "face" else image
        return canonical(image if face is None else face, sampling.short_side), face is None

    times = sampling.times(duration).tolist()
    frames = read_frames(path, times, sampling.snap_to_reference, sampling.nvdec, convert=convert)
    images, faceless = zip(*(frame.image for frame in frames), strict=True)
    return Sampled([*images], np.array([frame.time for frame in frames]), sum(faceless))
