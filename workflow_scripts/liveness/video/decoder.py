"""Video files: their properties, and their frames at given times."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from liveness.runtime.errors import InputError
from liveness.storage.s3 import local

# On import, decord2 loads every CUDA library that pip installed: 700 MB in each worker. One of
# them, NVBLAS, intercepts torch's CPU arithmetic and crashes it. Decoding on the CPU needs none of
# them, so we hide the package `nvidia`, through which decord2 finds them, while importing decord.
_nvidia = sys.modules.get("nvidia")
sys.modules["nvidia"] = None  # type: ignore[assignment]
import decord  # noqa: E402

if _nvidia is None:
    del sys.modules["nvidia"]
else:
    sys.modules["nvidia"] = _nvidia

decord.logging.set_level(decord.logging.QUIET)

# Decoders disagree about a frame's time by a rounding error (decord uses float32 seconds). 1 ms is
# far above that and far below the time that any frame is on screen.
TOLERANCE = 1e-3

# Errors of PyAV for a bad file: not all of its own are also an OSError or a ValueError.
BAD_FILE = (av.FFmpegError, OSError, ValueError)
DECORD_GAVE_UP = (decord.DECORDError, RuntimeError, AssertionError)


class VideoError(InputError):
    """No frame of the file can be decoded."""


class _NoFrames(ValueError):
    """A VideoError still without the file's name: the path at hand may be a temporary copy."""


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
class Frame:
    """A decoded frame: `time` in seconds from the start, `image` upright uint8 RGB [H, W, 3]."""

    time: float
    image: np.ndarray


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


def read_frames(
    path: str | Path, times: Sequence[float], snap_to_reference: bool = False, nvdec: bool = False
) -> list[Frame]:
    """Decode, in one pass, the frames on screen at `times` (seconds from the start, in any order).

    The frame for a time is the last one shown at or before it, or the first frame if there is none.
    Returns exactly `len(times)` frames, possibly with repetitions. Frames that cannot be decoded
    are treated as never shown. Decoding stops after the last frame needed.

    `snap_to_reference` skips non-reference frames, from which no other frame is predicted: about
    half of the frames of a phone's H.264, which halves the time. Each time then gets the nearest
    reference frame, with unchanged pixels.

    `nvdec` decodes on an NVIDIA GPU if it supports the codec; the pixels are the same, because the
    codecs specify them exactly.

    Raises VideoError if no frame can be decoded, InputError if `nvdec` finds no GPU or a file in S3
    cannot be downloaded.
    """
    try:
        with local(path) as file:
            return _read(file, times, snap_to_reference, nvdec)
    except (_NoFrames, FileNotFoundError) as error:
        raise VideoError(f"{path}: {error}; replace or remove it") from error


def _read(file: Path, times: Sequence[float], snap_to_reference: bool, nvdec: bool) -> list[Frame]:
    if snap_to_reference or nvdec:
        try:
            return _read_with_pyav(file, times, snap_to_reference, nvdec)
        except _NoFrames:
            if not snap_to_reference:
                raise
            # a damaged file may have lost all its reference frames
            return _read_with_pyav(file, times, nvdec=nvdec)
    try:
        return _read_with_decord(file, times)
    except DECORD_GAVE_UP:
        return _read_with_pyav(file, times)


def _probe(path: Path) -> Probe:
    first: av.VideoFrame | None = None
    packets, start, end = 0, None, 0
    with _open(path) as container:
        stream = _video_stream(container)
        for packet in _packets(container, stream):
            if first is None:
                first = next(iter(_decode(packet)), None)
            if packet.size:
                packets += 1
            if packet.pts is not None:
                start = packet.pts if start is None else min(start, packet.pts)
                end = max(end, packet.pts + (packet.duration or 0))
        if first is None:
            raise _NoFrames("none of its frames can be decoded")
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        counted = packets / fps if fps else 0.0
        duration = counted if start is None else _seconds(end - start, stream)
        rotation = -_quarter_turns(first) % 4 * 90
        upright = rotation % 180 == 0
        return Probe(
            duration=round(duration, 6),
            fps=round(fps, 6),
            width=first.width if upright else first.height,
            height=first.height if upright else first.width,
            rotation=rotation,
            codec=stream.codec_context.codec.canonical_name,
            readable=True,
            problem="",
        )


def _read_with_decord(path: Path, times: Sequence[float]) -> list[Frame]:
    """Read frames with decord, which rotates them upright itself; it reads all frames or raises."""
    reader = decord.VideoReader(_name(path), ctx=decord.cpu(0), num_threads=1)
    shown = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0].astype(np.float64)
    # H.264 in AVI has no presentation times; decord then reports the smallest integer, in seconds.
    if shown[0] < -1 or shown[-1] > 1e9 or (np.diff(shown) <= 0).any():
        raise decord.DECORDError("no usable time stamps")
    wanted = np.searchsorted(shown, np.asarray(times, np.float64) + TOLERANCE, side="right") - 1
    indices, positions = np.unique(wanted.clip(0), return_inverse=True)
    images = reader.get_batch(indices).asnumpy()
    return [Frame(float(shown[indices[position]]), images[position]) for position in positions]


def _read_with_pyav(
    path: Path, times: Sequence[float], snap: bool = False, nvdec: bool = False
) -> list[Frame]:
    """Read frames with PyAV, packet by packet, skipping packets that cannot be decoded."""
    waiting = sorted(range(len(times)), key=lambda position: times[position], reverse=True)
    chosen: dict[int, tuple[float, av.VideoFrame]] = {}
    last: tuple[float, av.VideoFrame] | None = None
    try:
        for shown, frame in _timed_frames(path, snap, nvdec):
            while waiting and times[waiting[-1]] + TOLERANCE < shown:
                position = waiting.pop()
                nearer = last and snap and shown - times[position] < times[position] - last[0]
                chosen[position] = (shown, frame) if last is None or nearer else last
            if not waiting:
                break
            last = shown, frame
    except BAD_FILE as error:
        reason = getattr(error, "strerror", None) or error
        raise _NoFrames(f"cannot be read as a video ({reason})") from error
    if last is None and not chosen:
        raise _NoFrames("none of its frames can be decoded")
    for position in waiting:
        assert last is not None  # noqa: S101  (waiting is not empty, so the loop never broke)
        chosen[position] = last
    try:
        images = {shown: _upright_rgb(frame) for shown, frame in chosen.values()}
    except BAD_FILE as error:
        raise _NoFrames(f"its pixels cannot be converted ({error})") from error
    return [Frame(shown, images[shown]) for shown, _ in (chosen[k] for k in range(len(times)))]


def _timed_frames(path: Path, reference_only: bool, nvdec: bool) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (seconds from the start, frame) in display order.

    `reference_only` skips non-reference frames, unless the file's time stamps are unusable without
    them.
    """
    with _open(path, nvdec) as container:
        stream = _video_stream(container)
        context = stream.codec_context
        origin, previous, count = stream.start_time, -np.inf, 0
        interval = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        # AVI stores no times: frames are displayed in file order, unless there are B-frames.
        avi = container.format.name == "avi"
        if reference_only and not avi and stream.start_time is not None:
            context.skip_frame = "NONREF"
        for packet in _packets(container, stream):
            for frame in _decode(packet):
                ticks = frame.dts if avi else frame.pts
                if ticks is None or (avi and context.has_b_frames):
                    shown = count * interval
                else:
                    origin = ticks if origin is None else origin
                    shown = _seconds(ticks - origin, stream)
                count += 1
                if shown > previous:
                    previous = shown
                    yield shown, frame


def _name(path: Path) -> str:
    # an absolute path cannot be mistaken for a protocol, unlike `a:b.mp4`
    return str(path.absolute())


def _open(path: Path, nvdec: bool = False) -> av.container.InputContainer:
    # a playlist disguised as a video must not trigger downloads; tags in odd encodings are harmless
    options: dict[str, Any] = {
        "metadata_errors": "replace",
        "container_options": {"protocol_whitelist": "file"},
    }
    if not nvdec:
        return av.open(_name(path), **options)
    try:
        # codecs that the GPU does not support are decoded on the CPU
        return av.open(_name(path), hwaccel=HWAccel("cuda", allow_software_fallback=True), **options)
    except BAD_FILE as error:
        _open(path).close()  # if this fails too, the file is at fault
        raise InputError(
            f"frames.nvdec is true, but no NVIDIA GPU is available for decoding ({error}); set it to false."
        ) from None


def _video_stream(container: av.container.InputContainer) -> av.VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & av.stream.Disposition.attached_pic:
        raise _NoFrames("it has no video stream")
    if stream.codec_context is None:
        raise _NoFrames("its codec is unknown")
    stream.codec_context.thread_count = 1  # the caller has as many processes as cores
    return stream


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Yield the packets up to the end, then an empty one; stop silently where the file breaks."""
    packets = container.demux(stream)
    with suppress(*BAD_FILE):
        yield from packets


def _decode(packet: av.Packet) -> list[av.VideoFrame]:
    try:
        return packet.decode()
    except BAD_FILE:
        return []


def _seconds(ticks: int, stream: av.VideoStream) -> float:
    return float(ticks * cast(Fraction, stream.time_base))  # input streams always have a time base


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Return the quarter turns (counter-clockwise, as in np.rot90) that make the frame upright."""
    return round(frame.rotation / 90)


def _upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    if frame.format.name == "nv12":
        # GPUs interleave the chroma planes, which swscale would interpolate differently
        frame = frame.reformat(format="yuv420p")
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), _quarter_turns(frame)))
