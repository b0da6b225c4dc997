"""Decode videos into engine inputs, in worker processes with one thread each."""

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

# A kind of model input: its side in pixels, and the part of the frame it shows.
Cut = tuple[int, Box]


@dataclass(frozen=True)
class Video:
    """A video to score: a local file or an object in S3.

    `duration` in seconds comes from the manifest; with None the file is probed first. `fold` is the
    fold that held the video out, or None if every engine may score it.
    """

    path: str | Path
    fname: str
    duration: float | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Decoded:
    """The sampled frames of one video, or the `problem` that prevented decoding.

    Attributes:
        times: timestamps of the frames, float64 [n], in seconds from the start of the video.
        inputs: model inputs by cut, uint8 [n, size, size, 3], not yet mirrored.
        frames: canonical frames, uint8 [H, W, 3], in place of inputs if the device computes those.
        faceless: number of frames without a face, if frames are to be cropped to faces.
        decode, preprocess: time spent, in seconds; face detection is part of decoding.
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
    """Yield the videos in order with their frames; at most `ahead` decoded videos wait.

    `cuts` returns the inputs needed for a video, or None to keep its canonical frames. `degrade` is
    applied to every decoded frame first; it must be picklable.
    """
    jobs = ((video, cuts(video)) for video in videos)
    for (video, _), result in workers.map(partial(_decode, sampling, degrade), jobs, ahead):
        yield video, Decoded(problem=result.reason) if isinstance(result, Crash) else result


def _decode(sampling: Sampling, degrade: Degrade | None, job: tuple[Video, frozenset[Cut] | None]) -> Decoded:
    """Decode one video in a worker; the result is sent to the engines' process."""
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
