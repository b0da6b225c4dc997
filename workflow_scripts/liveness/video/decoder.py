"""Video files: their properties, and their frames at given times."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import av
import numpy as np

from liveness.runtime.errors import InputError
from liveness.storage.s3 import local
from liveness.video.container import (
    BAD_FILE,
    NoFramesError,
    Opened,
    decode,
    open_video,
    packets,
    seconds,
)
from liveness.video.orientation import orientation
from liveness.video.seeking import Index, frames_by_seeking, is_long, seek_index

# More packets than H.264 and HEVC allow between a frame's place in the file and on screen.
REORDERED = 32

# Callers compute times with rounding errors. 1 ms is far above these and far below the time that
# any frame is on screen.
TOLERANCE = 1e-3

# Share of the frames that seeking may decode at most; the index and the seeks cost time as well.
WORTH_SEEKING = 0.5

Picture = TypeVar("Picture")


class VideoError(InputError):
    """No frame of the file can be decoded."""


@dataclass(frozen=True)
class Probe:
    """Properties of a video file.

    `duration` is in seconds, `fps` in frames per second, `width` and `height` in pixels as
    displayed, `rotation` in degrees clockwise from the stored to the displayed picture (0, 90, 180
    or 270). For an unreadable file the numbers are zero and `problem` is the reason.
    """

    duration: float
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    readable: bool
    problem: str


@dataclass(frozen=True)
class Frame(Generic[Picture]):
    """A decoded frame: `time` in seconds from the start, `image` upright uint8 RGB [H, W, 3].

    If `read_frames` was given `convert`, `image` is what that returned.
    """

    time: float
    image: Picture


def probe(path: str | Path) -> Probe:
    """Describe a file, decoding its first frame only; never raise for a bad or missing file.

    The duration is computed from the packets. The one in the header is missing in streamed
    recordings and wrong in truncated uploads, and reading the packets costs less than opening the
    file.

    Raises InputError if a file in S3 cannot be downloaded.
    """
    try:
        with local(path) as file:
            return _probe(file)
    except InputError:
        raise
    except BAD_FILE as error:
        return unreadable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def unreadable(problem: str) -> Probe:
    """Return the Probe of a file that cannot be read, with the reason."""
    return Probe(0.0, 0.0, 0, 0, 0, "", readable=False, problem=problem)


@overload
def read_frames(
    path: str | Path, times: Sequence[float], snap_to_reference: bool = False, nvdec: bool = False
) -> list[Frame[np.ndarray]]: ...
@overload
def read_frames(
    path: str | Path,
    times: Sequence[float],
    snap_to_reference: bool = False,
    nvdec: bool = False,
    *,
    convert: Callable[[np.ndarray], Picture],
) -> list[Frame[Picture]]: ...
def read_frames(
    path: str | Path,
    times: Sequence[float],
    snap_to_reference: bool = False,
    nvdec: bool = False,
    *,
    convert: Callable[[np.ndarray], Any] = np.asarray,
) -> list[Frame[Any]]:
    """Decode, in one pass, the frames on screen at `times` (seconds from the start, in any order).

    The frame for a time is the last one shown at or before it, or the first frame if there is none.
    Returns exactly `len(times)` frames, possibly with repetitions. Frames that cannot be decoded
    are treated as never shown. Decoding stops after the last frame needed. In long videos whose
    index allows it, the parts without such frames are skipped (see `seeking`).

    `snap_to_reference` skips non-reference frames, from which no other frame is predicted: about
    half of the frames of a phone's H.264, which halves the time. Each time then gets the nearest
    reference frame, with unchanged pixels.

    `nvdec` decodes on an NVIDIA GPU if it supports the codec; the pixels are the same, because the
    codecs specify them exactly.

    `convert` is called on every chosen frame before the next is decoded: if it makes frames
    smaller, only one large frame is in memory at a time.

    Raises VideoError if no frame can be decoded, InputError if `nvdec` finds no GPU or a file in S3
    cannot be downloaded.
    """
    try:
        with local(path) as file:
            return _read(file, times, snap_to_reference, nvdec, convert)
    except (NoFramesError, FileNotFoundError) as error:
        raise VideoError(f"{path}: {error}; replace or remove it") from error


def _read(
    file: Path,
    times: Sequence[float],
    snap: bool,
    nvdec: bool,
    convert: Callable[[np.ndarray], Picture],
) -> list[Frame[Picture]]:
    with open_video(file, nvdec) as opened:
        if snap or nvdec or not is_long(opened):
            with suppress(NoFramesError) if snap else nullcontext():
                return _read_in_one_pass(opened, times, snap, convert)
            index = None
        else:
            index = seek_index(opened)
    if index and (frames := _read_by_seeking(file, index, times, convert)):
        return frames
    # also a damaged file that has lost all its reference frames
    with open_video(file, nvdec) as opened:
        return _read_in_one_pass(opened, times, False, convert)


def _probe(path: Path) -> Probe:
    first: av.VideoFrame | None = None
    count, start, end = 0, None, 0
    with open_video(path) as (container, stream):
        for packet in packets(container, stream):
            if first is None:
                first = next(iter(decode(packet)), None)
            # an edit list hides packets that others are predicted from
            if packet.is_discard:
                continue
            if packet.size:
                count += 1
            if packet.pts is not None:
                start = packet.pts if start is None else min(start, packet.pts)
                end = max(end, packet.pts + (packet.duration or 0))
        if first is None:
            raise NoFramesError("none of its frames can be decoded")
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        counted = count / fps if fps else 0.0
        duration = counted if start is None else seconds(end - start, stream)
        turned = orientation(first)
        width, height = (first.height, first.width) if turned.transpose else (first.width, first.height)
        return Probe(
            duration=round(duration, 6),
            fps=round(fps, 6),
            width=width,
            height=height,
            rotation=turned.rotation,
            codec=stream.codec_context.codec.canonical_name,
            readable=True,
            problem="",
        )


def _read_by_seeking(
    path: Path, index: Index, times: Sequence[float], convert: Callable[[np.ndarray], Picture]
) -> list[Frame[Picture]] | None:
    """Read frames of a long video without decoding most of it; None if that does not pay, or is not
    safe.
    """
    positions = np.searchsorted(index.shown, np.asarray(times) + TOLERANCE, side="right") - 1
    positions = positions.clip(0)
    wanted = np.unique(positions)
    if index.cost(wanted) > WORTH_SEEKING:
        return None
    found: dict[int, Picture] = {}
    for position, image in zip(wanted.tolist(), frames_by_seeking(path, index, wanted), strict=False):
        found[position] = convert(image)
    if len(found) < len(wanted):
        return None
    return [Frame(float(index.shown[position]), found[position]) for position in positions.tolist()]


def _read_in_one_pass(
    opened: Opened, times: Sequence[float], snap: bool, convert: Callable[[np.ndarray], Picture]
) -> list[Frame[Picture]]:
    """Read frames packet by packet, skipping packets that cannot be decoded."""
    frames: dict[int, Frame[Picture]] = {}
    latest: Frame[Picture] | None = None
    for position, shown, frame in _choose(_timed_frames(opened, snap), times, snap):
        if latest is None or latest.time != shown:
            latest = Frame(shown, convert(_upright_rgb(frame)))
        frames[position] = latest
    return [frames[position] for position in range(len(times))]


def _choose(
    timed_frames: Iterator[tuple[float, av.VideoFrame]], times: Sequence[float], snap: bool
) -> Iterator[tuple[int, float, av.VideoFrame]]:
    """Yield (position in `times`, seconds, frame), earliest first, as soon as each is known."""
    waiting = sorted(range(len(times)), key=lambda position: times[position], reverse=True)
    last: tuple[float, av.VideoFrame] | None = None
    for shown, frame in timed_frames:
        while waiting and times[waiting[-1]] + TOLERANCE < shown:
            position = waiting.pop()
            nearer = last and snap and shown - times[position] < times[position] - last[0]
            yield (position, shown, frame) if last is None or nearer else (position, *last)
        if not waiting:
            return
        last = shown, frame
    if last is None:
        raise NoFramesError("none of its frames can be decoded")
    for position in reversed(waiting):
        yield position, *last


def _timed_frames(opened: Opened, reference_only: bool) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (seconds from the start, frame) in display order.

    `reference_only` skips non-reference frames, unless the file's time stamps are unusable without
    them.
    """
    container, stream = opened
    context = stream.codec_context
    origin, stream_packets = _origin(packets(container, stream))
    previous, count = -np.inf, 0
    interval = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    # AVI stores no times: frames are displayed in file order, unless there are B-frames.
    avi = container.format.name == "avi"
    origin = None if avi else origin
    if reference_only and origin is not None:
        context.skip_frame = "NONREF"
    for packet in stream_packets:
        for frame in decode(packet):
            ticks = frame.dts if avi else frame.pts
            if ticks is None or (avi and context.has_b_frames):
                shown = count * interval
            else:
                origin = ticks if origin is None else origin
                shown = seconds(ticks - origin, stream)
            count += 1
            if shown > previous:
                previous = shown
                yield shown, frame


def _origin(stream_packets: Iterator[av.Packet]) -> tuple[int | None, Iterator[av.Packet]]:
    """Return the first displayed time of a stream, in its ticks, and its packets.

    `stream.start_time` is that of the first packet, which need not be displayed first.
    """
    ahead = [*islice(stream_packets, REORDERED)]
    times = (packet.pts for packet in ahead if packet.pts is not None and not packet.is_discard)
    return min(times, default=None), chain(ahead, stream_packets)


def _upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    if frame.format.name == "nv12":
        # GPUs interleave the chroma planes, which swscale would interpolate differently
        frame = frame.reformat(format="yuv420p")
    try:
        return orientation(frame).upright(frame.to_ndarray(format="rgb24"))
    except BAD_FILE as error:
        raise NoFramesError(f"its pixels cannot be converted ({error})") from error
