"""Videos decoded by processes of their own, one thread each, to what engines take."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from liveness.runtime.workers import Crash, Workers
from liveness.video.decoder import VideoError, probe
from liveness.video.preprocessing import Box, Degrade, model_input, part
from liveness.video.sampling import Sampling, read_video

# What a model input is cut from: its side in pixels, and the part of the frame.
Cut = tuple[int, Box]


@dataclass(frozen=True)
class Video:
    """A video to score: a file, or one in S3.

    `duration` in seconds comes from the manifest; None has the file probed first. `fold` is None where every
    engine may score it, else the fold that held it out.
    """

    path: str | Path
    fname: str
    duration: float | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Decoded:
    """The sampled frames of one video, or the `problem` that left none.

    Attributes:
        times: of the frames, float64 [n], in seconds from the video's start.
        inputs: by cut uint8 [n, size, size, 3], not yet mirrored.
        frames: the canonical frames, uint8 [H, W, 3], instead of inputs where the device cuts them.
        faceless: how many were to be cropped to a face and have none.
        decode, preprocess: what they took, in seconds; finding faces is part of decoding.
    """

    times: np.ndarray = field(default_factory=lambda: np.empty(0))
    inputs: dict[Cut, np.ndarray] = field(default_factory=dict)
    frames: list[np.ndarray] = field(default_factory=list)
    faceless: int = 0
    decode: float = 0.0
    preprocess: float = 0.0
    problem: str = ""


def decode(
    videos: Iterable[Video],
    sampling: Sampling,
    cuts: Callable[[Video], frozenset[Cut] | None],
    workers: Workers,
    ahead: int,
    degrade: Degrade | None = None,
) -> Iterator[tuple[Video, Decoded]]:
    """Yield the videos in their order with their frames; at most `ahead` are decoded and not yet taken.

    `cuts` says which inputs a video is needed as; None leaves its canonical frames as they are. `degrade`
    changes every decoded frame first, and is pickled.
    """
    jobs = ((video, cuts(video)) for video in videos)
    for (video, _), result in workers.map(partial(_decode, sampling, degrade), jobs, ahead):
        yield video, Decoded(problem=result.reason) if isinstance(result, Crash) else result


def _decode(sampling: Sampling, degrade: Degrade | None, job: tuple[Video, frozenset[Cut] | None]) -> Decoded:
    """Runs in a worker: what it returns travels to the engines' process."""
    video, cuts = job
    start = perf_counter()
    duration = video.duration
    if duration is None:
        probed = probe(video.path)
        if not probed.readable:
            return Decoded(problem=probed.problem)
        duration = probed.duration
    try:
        frames, times, faceless = read_video(video.path, duration, sampling, degrade)
    except VideoError as error:
        return Decoded(decode=perf_counter() - start, problem=str(error))
    decoded = perf_counter()
    if cuts is None:
        return Decoded(times, frames=frames, faceless=faceless, decode=decoded - start)
    inputs = {
        (size, box): np.stack([model_input(part(frame, box), size) for frame in frames]) for size, box in cuts
    }
    return Decoded(
        times, inputs, faceless=faceless, decode=decoded - start, preprocess=perf_counter() - decoded
    )
