"""Opening of video files from strangers, and their packets."""

import gc
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.codec.hwaccel import HWAccel

from liveness.runtime.errors import InputError

# Larger frames are refused before they are decoded: four bytes a pixel must fit into a worker's
# memory several times. 8K has 33 million.
MAX_PIXELS = 2**26

# Containers and bare streams that hold a video themselves. FFmpeg also reads playlists (concat,
# HLS), whose author would get the frames of another person's video.
FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,dv,ivf,nut,h264,hevc,obu,m4v,mpegvideo,mjpeg"

# Errors of PyAV for a bad file: not all of its own are also an OSError or a ValueError.
BAD_FILE = (av.FFmpegError, OSError, ValueError)

Opened = tuple[av.container.InputContainer, av.VideoStream]
"""An open file and its best video stream."""


class NoFramesError(ValueError):
    """Nothing can be decoded; without the file's name, since the path may be a temporary copy."""


@contextmanager
def open_video(path: Path, nvdec: bool = False) -> Iterator[Opened]:
    """Open a file and its best video stream, which decodes with one thread.

    Raises NoFramesError for a damaged file or one without frames of a supported size,
    FileNotFoundError, and InputError if `nvdec` finds no GPU.
    """
    # PyAV's objects refer to each other, so those of the last file may wait with their buffers for
    # Python's next collection, dozens of files later
    gc.collect(1)
    try:
        # opening a pipe would wait for a writer
        if not stat.S_ISREG(path.stat().st_mode):
            raise NoFramesError("it is not a regular file")
        container = _open(path, nvdec)
    except BAD_FILE as error:
        if isinstance(error, FileNotFoundError | InputError | NoFramesError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise NoFramesError(f"cannot be read as a video ({reason})") from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream) or stream.disposition & av.stream.Disposition.attached_pic:
            raise NoFramesError("it has no video stream")
        context = stream.codec_context
        if context is None:
            raise NoFramesError("its codec is unknown")
        if context.width * context.height > MAX_PIXELS:
            raise NoFramesError(
                f"its frames have {context.width} x {context.height} pixels, more than the limit of "
                f"{MAX_PIXELS / 1e6:.0f} million"
            )
        # the size may grow in the middle of the file
        context.options = {"max_pixels": str(MAX_PIXELS)}
        context.thread_count = 1  # the caller has as many processes as cores
        yield container, stream


def packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Yield the packets up to the end, then an empty one; stop silently where the file breaks."""
    while True:
        try:
            yield from container.demux(stream)
        except IndexError:
            # a packet of a stream that begins in mid-file, which PyAV does not know
            continue
        except BAD_FILE:
            pass
        return


def decode(packet: av.Packet) -> list[av.VideoFrame]:
    """Return the frames that a packet completes; none if it is damaged."""
    try:
        return packet.decode()
    except BAD_FILE:
        return []


def seconds(ticks: int, stream: av.VideoStream) -> float:
    """Convert a time of the stream."""
    return float(ticks * cast(Fraction, stream.time_base))  # input streams always have a time base


def name_of(path: Path) -> str:
    """Return a path that FFmpeg cannot mistake for a protocol, unlike `a:b.mp4`."""
    return str(path.absolute())


def _open(path: Path, nvdec: bool) -> av.container.InputContainer:
    # a video must not trigger downloads; tags in odd encodings are harmless
    options: dict[str, Any] = {
        "metadata_errors": "replace",
        "container_options": {"protocol_whitelist": "file", "format_whitelist": FORMATS},
        "options": {"max_pixels": str(MAX_PIXELS)},
    }
    if not nvdec:
        return av.open(name_of(path), **options)
    try:
        # codecs that the GPU does not support are decoded on the CPU
        return av.open(name_of(path), hwaccel=HWAccel("cuda", allow_software_fallback=True), **options)
    except BAD_FILE as error:
        _open(path, nvdec=False).close()  # if this fails too, the file is at fault
        raise InputError(
            f"frames.nvdec is true, but no NVIDIA GPU is available for decoding ({error}); set it to false."
        ) from None
