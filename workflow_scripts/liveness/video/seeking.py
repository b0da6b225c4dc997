"""Frames of long videos by seeking, with decord, where that is known to be right.

decord maps times to frames by the order of the index. That is silently wrong once it seeks in a
video with open GOPs, edit lists or gaps in its time stamps, so all packets are looked at first.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liveness.video.container import Opened, decode, name_of, packets, seconds
from liveness.video.orientation import orientation

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

DECORD_GAVE_UP = (decord.DECORDError, RuntimeError, AssertionError)

# In shorter videos there is too little to skip, in seconds.
LONG = 20.0
# containers with an index of all packets
INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
IDR = 5


@dataclass(frozen=True)
class Index:
    """A long video that can be decoded from any of its key frames.

    `shown` are the display times of its frames, float64 [n] in seconds from the start, ascending;
    `keys` are the positions of its key frames among them.
    """

    shown: np.ndarray
    keys: np.ndarray

    def cost(self, wanted: np.ndarray) -> float:
        """Return the part of the frames up to the last of `wanted` that seeking decodes."""
        starts = self.keys[np.searchsorted(self.keys, wanted, side="right") - 1]
        decoded = sum(wanted[starts == start].max() - start + 1 for start in np.unique(starts))
        return float(decoded / (wanted.max() + 1))


def is_long(opened: Opened) -> bool:
    """Return True if there may be enough to skip; most videos here are too short to ask further."""
    return (opened[0].duration or 0) >= LONG * 1e6  # in microseconds


def seek_index(opened: Opened) -> Index | None:
    """Look at all packets; return None unless seeking is exact.

    Every key frame must start a closed GOP, and nothing may be hidden, mirrored or without a time.
    """
    container, stream = opened
    context = stream.codec_context
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    if container.format.name not in INDEXED or codec not in ("h264", "vp8", "vp9"):
        return None
    times, keys, first = [], [], None
    for packet in packets(container, stream):
        if not packet.size:
            continue
        if packet.pts is None or packet.is_discard or packet.is_corrupt:
            return None
        if first is None:
            first = next(iter(decode(packet)), None)
        if packet.is_keyframe:
            if codec == "h264" and not _has_idr(bytes(packet), extradata):
                return None
            keys.append(packet.pts)
        # a frame that is shown before its key frame needs the GOP before
        if not keys or packet.pts < keys[-1]:
            return None
        times.append(packet.pts)
    if first is None or orientation(first).is_mirrored:
        return None
    order = np.unique(times)
    if len(order) < len(times):
        return None
    shown = np.array([seconds(int(ticks - order[0]), stream) for ticks in order])
    return Index(shown, np.searchsorted(order, keys))


def frames_by_seeking(path: Path, index: Index, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the frames at ascending positions, upright uint8 RGB [H, W, 3].

    Stops early if decord cannot read the file, disagrees with the index, or repeats a frame.
    """
    previous = None
    with suppress(*DECORD_GAVE_UP):
        reader = decord.VideoReader(name_of(path), ctx=decord.cpu(0), num_threads=1)
        shown = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0].astype(np.float64)
        # decord uses float32 seconds
        if len(shown) != len(index.shown) or not np.allclose(shown - shown[0], index.shown, atol=2e-3):
            return
        for position in wanted.tolist():
            image = reader[position].asnumpy()
            if previous is not None and np.array_equal(image, previous):
                return
            previous = image
            yield image


def _has_idr(packet: bytes, extradata: bytes) -> bool:
    """Return True if a packet of H.264 holds an IDR picture, from which on nothing refers back.

    Containers also flag pictures as key frames at which a decoder merely starts to recover.
    """
    if len(extradata) < 5 or extradata[0] != 1:  # no length-prefixed NAL units
        return False
    prefix = (extradata[4] & 3) + 1
    at = 0
    while at + prefix < len(packet):
        if packet[at + prefix] & 31 == IDR:
            return True
        at += prefix + int.from_bytes(packet[at : at + prefix])
    return False
