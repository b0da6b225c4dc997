"""Random encoded videos whose frames spell their numbers, with the truth about what a player shows.

They vary in container, codec, GOP structure, B-frames, edit lists, start, orientation, frame rate
and shape of pixels.
"""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clips import numbered

# frames per second; MPEG-2 knows only certain rates
RATE, RATES = 10, {"mpeg2": 25}
TICKS = 1000
X265 = "log-level=none:pools=none:frame-threads=1"
# containers by the codecs that they commonly hold
CONTAINERS = {
    "mp4": ("h264", "hevc", "mpeg4", "av1"),
    "mov": ("h264", "hevc", "mjpeg"),
    "mkv": ("h264", "hevc", "vp9", "mpeg2", "av1"),
    "webm": ("vp8", "vp9", "av1"),
    "ts": ("h264", "hevc", "mpeg2"),
    "mts": ("h264",),
    "avi": ("h264", "mpeg4", "mjpeg"),
    "flv": ("h264",),
    "3gp": ("h264", "mpeg4"),
    "mpg": ("mpeg2",),
}
ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "mpeg2": "mpeg2video",
    "mpeg4": "mpeg4",
    "mjpeg": "mjpeg",
}
FORMATS = {"mkv": "matroska", "ts": "mpegts", "mts": "mpegts", "mpg": "mpeg"}
MP4_FAMILY = {"mp4", "mov", "3gp"}
# those that store a time for every frame, finely enough for a variable rate
TIMED = {*MP4_FAMILY, "mkv", "webm", "ts", "mts", "flv"}
# a b c d of the track matrix, by what it does to the picture
ORIENTATIONS = {
    "upright": (1, 0, 0, 1),
    "turned 90": (0, 1, -1, 0),
    "turned 180": (-1, 0, 0, -1),
    "turned 270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed 180": (0, -1, -1, 0),
}


@dataclass(frozen=True)
class Film:
    """How a video is made; see `write_film`."""

    container: str
    codec: str
    count: int
    gop: int
    open_gop: bool
    b_frames: int
    orientation: str
    offset: float
    gaps: tuple[int, ...]
    edit: tuple[int, int] | None
    cut_front: int
    wide_pixels: bool


@dataclass(frozen=True)
class Truth:
    """What a player shows: frame `numbers[k]` from `times[k]` s on, until `duration` s."""

    numbers: np.ndarray
    times: np.ndarray
    duration: float


def random_film(seed: int) -> Film:
    """Draw a film; the same seed draws the same one."""
    draw = random.Random(seed)  # noqa: S311
    container = draw.choice(sorted(CONTAINERS))
    codec = draw.choice(CONTAINERS[container])
    count = draw.choice((30, 60, 120))
    gop = draw.choice((5, 10, 12, 30, 250))
    b_frames = draw.choice((0, 1, 2, 3)) if codec in ("h264", "hevc", "mpeg2", "mpeg4") else 0
    # AVI has no presentation times for B-frames of MPEG-4, and MPEG-PS not for every frame
    if (container, codec) in (("avi", "mpeg4"), ("mpg", "mpeg2")):
        b_frames = 0
    variable = container in TIMED and codec not in ("mpeg2", "av1") and draw.random() < 0.3
    gaps = tuple(draw.choice((40, 70, 100, 330)) for _ in range(count)) if variable else (100,) * count
    edit = None
    if container in ("mp4", "mov") and codec in ("h264", "hevc") and b_frames and not variable:
        start = draw.randrange(1, count // 3)
        edit = draw.choice((None, (start, draw.randrange(count // 2, count)), (start, count)))
    cut = container in ("mkv", "ts", "mts") and codec in ("h264", "mpeg2") and gop < count // 2
    return Film(
        container=container,
        codec=codec,
        count=count,
        gop=gop,
        open_gop=draw.random() < 0.5,
        b_frames=b_frames,
        orientation=draw.choice(sorted(ORIENTATIONS)) if container in ("mp4", "mov") else "upright",
        offset=draw.choice((0.0, 0.0, 1.4, 26.5)) if container in TIMED - {"flv"} and edit is None else 0.0,
        gaps=gaps,
        edit=edit,
        cut_front=draw.randrange(1, gop) if cut and not variable and draw.random() < 0.3 else 0,
        wide_pixels=draw.random() < 0.2,
    )


def write_film(film: Film, path: Path) -> Truth:
    """Encode a film and return the truth about it."""
    # the encoder of AV1 smears the stripes of small pictures
    height, width = (192, 256) if film.codec == "av1" else (96, 128)
    images = [_stored(image, film.orientation) for image in numbered(film.count, height, width)]
    rate = RATES.get(film.codec, RATE)
    shown = np.concatenate([[0], np.cumsum(film.gaps)]) / TICKS * RATE / rate
    output = path.with_name(f"whole-{path.name}") if film.cut_front else path
    _encode(film, images, shown[:-1] + film.offset, output)
    if film.orientation != "upright":
        _turn(path, *ORIENTATIONS[film.orientation], *images[0].shape[1::-1])
    numbers, times, duration = np.arange(film.count), shown[:-1], shown[-1]
    if film.edit:
        first, last = film.edit
        _edit(path, first / RATE, (last - first) / RATE)
        numbers, times = numbers[first:last], times[first:last] - times[first]
        duration = (last - first) / RATE
    if film.cut_front:
        start, key = _drop_start(output, path, film.cut_front)
        # nothing can be shown before the first key frame
        numbers, times, duration = numbers[key:], times[key:] - times[start], duration - times[start]
    return Truth(numbers, times, float(duration))


def _stored(image: np.ndarray, orientation: str) -> np.ndarray:
    """Return how a picture must be stored, for the matrix to show it upright."""
    a, b, c, d = ORIENTATIONS[orientation]
    # the inverse of a matrix of quarter turns and mirrors is its transpose
    if a:
        return np.ascontiguousarray(image[::d, ::a])
    return np.ascontiguousarray(image[::b, ::c].transpose(1, 0, 2))


def _options(film: Film) -> dict[str, str]:
    gop, b_frames = str(film.gop), str(film.b_frames)
    if film.codec == "h264":
        flags = f"open-gop={int(film.open_gop)}:threads=1"
        return {"g": gop, "bf": b_frames, "x264-params": flags, "preset": "veryfast"}
    if film.codec == "hevc":
        flags = f"{X265}:keyint={gop}:bframes={b_frames}:open-gop={int(film.open_gop)}"
        return {"x265-params": flags, "preset": "ultrafast"}
    if film.codec == "av1":
        return {"g": gop, "preset": "8", "crf": "5", "svtav1-params": "lp=1:enable-tf=0"}
    if film.codec in ("vp8", "vp9"):
        return {"g": gop, "deadline": "good", "cpu-used": "5", "threads": "1"}
    if film.codec == "mpeg2":
        return {
            "g": gop,
            "bf": b_frames,
            "flags": "-cgop" if film.open_gop else "+cgop",
            "b": "4M",
            "sc_threshold": "1000000000",
        }
    return {"g": gop, "bf": b_frames} if film.codec == "mpeg4" else {}


def _encode(film: Film, images: Sequence[np.ndarray], times: Sequence[float], path: Path) -> None:
    rate = Fraction(RATES.get(film.codec, RATE))
    exact = Fraction(1, TICKS)
    options = _options(film)
    with av.open(str(path), "w", format=FORMATS.get(film.container, film.container)) as container:
        stream = container.add_stream(ENCODERS[film.codec], rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if film.codec == "mjpeg" else "yuv420p"
        if film.wide_pixels:
            stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        variable = len(set(film.gaps)) > 1
        if variable:
            stream.codec_context.time_base = exact
        for position, (image, time) in enumerate(zip(images, times, strict=True)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if variable:
                frame.time_base, frame.pts = exact, round(time * TICKS)
            else:
                frame.time_base, frame.pts = 1 / rate, position + round(film.offset * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _turn(path: Path, a: int, b: int, c: int, d: int, width: int, height: int) -> None:
    """Write a track matrix that turns or mirrors the stored picture."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    x = (width if a < 0 else 0) + (height if c < 0 else 0)
    y = (width if b < 0 else 0) + (height if d < 0 else 0)
    struct.pack_into(">9i", data, at, a << 16, b << 16, 0, c << 16, d << 16, 0, x << 16, y << 16, 1 << 30)
    path.write_bytes(data)


def _edit(path: Path, start: float, length: float) -> None:
    """Move the edit list, as a lossless trim does: `start` and `length` in s."""
    data = bytearray(path.read_bytes())
    at = data.find(b"elst")
    assert at > 0 and struct.unpack_from(">I", data, at + 8)[0] == 1, "one edit was expected"
    movie = struct.unpack_from(">I", data, data.find(b"mvhd") + 4 + 12)[0]
    media = struct.unpack_from(">I", data, data.find(b"mdhd") + 4 + 12)[0]
    delay = struct.unpack_from(">i", data, at + 16)[0]
    struct.pack_into(">Ii", data, at + 12, round(length * movie), delay + round(start * media))
    path.write_bytes(data)


def _drop_start(source: Path, path: Path, count: int) -> tuple[int, int]:
    """Copy a video without its first `count` packets.

    Returns the numbers of the first frame that is left and of the first that needs no lost one.
    """
    with (
        av.open(str(source)) as old,
        av.open(str(path), "w", format=old.format.name.partition(",")[0]) as new,
    ):
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        packets = [packet for packet in old.demux(stream) if packet.pts is not None]
        order = sorted(packet.pts for packet in packets)
        kept = packets[count:]
        key = next(packet.pts for packet in kept if packet.is_keyframe)
        start = min(packet.pts for packet in kept)
        for packet in kept:
            packet.stream = copy
            new.mux(packet)
    return order.index(start), order.index(key)
