"""Which frames of a video are looked at, and the frames themselves in canonical form."""

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
    """Settings of `frames`, limited to the `first` of the `count` frames; None means all of them."""

    first: int | None = None

    @property
    def frames(self) -> int:
        """How many frames a video gives."""
        return min(self.first or self.count, self.count)

    def times(self, duration: float) -> np.ndarray:
        """When a video of `duration` seconds is looked at, float64 [n] in seconds."""
        return sample_times(duration, self.count, self.window)[: self.first]


class Sampled(NamedTuple):
    """What was seen of a video: its sampled frames.

    `images` are uint8 RGB [H, W, 3] in canonical form (see `preprocessing.canonical`), `times` float64 [n] in
    seconds when they are shown, and `faceless` counts those that were to be cropped to a face and have none.
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
    """Decode the sampled frames of a video and bring them into the form that training and scoring share.

    `duration` comes from the manifest. Decoding stops at the last frame wanted. `degrade` changes the decoded
    frames first (see `degradation`): faces are looked for in what is left.

    Raises VideoError if no frame can be decoded, InputError if there is no detector for the faces to crop to.
    """
    times = sampling.times(duration).tolist()
    frames = read_frames(path, times, sampling.snap_to_reference, sampling.nvdec)
    decoded = (degrade(frame.image) if degrade else frame.image for frame in frames)
    images, faceless = [], 0
    for image in decoded:
        if sampling.crop == "face":
            face = crop_to_face(image, sampling.face_margin)
            faceless += face is None
            image = image if face is None else face
        images.append(canonical(image, sampling.short_side))
    return Sampled(images, np.array([frame.time for frame in frames]), faceless)
