"""Seeking in long videos: the same frames as in one pass, or none."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import number, numbered, write_clip
from liveness.video import decoder
from liveness.video.container import open_video
from liveness.video.decoder import read_frames
from liveness.video.seeking import LONG, Index, frames_by_seeking, is_long, seek_index

COUNT, RATE = 240, 10
TIMES = [0.0, 5.55, 11.0, 11.04, 22.3, 99.0]
X264 = {"g": "10", "bf": "2"}

SAFE: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": X264},
    "turned.mp4": {"options": X264, "rotation": 90},
    "h264.mkv": {"options": X264},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "10", "cpu-used": "8"}},
    "variable.mp4": {"options": X264, "times": np.cumsum([0.05, 0.3] * (COUNT // 2)).tolist()},
}
UNSAFE: dict[str, dict[str, Any]] = {
    "open GOPs.mkv": {"options": X264 | {"x264-params": "open-gop=1:bframes=3:b-adapt=0"}},
    "rolling refresh.mkv": {"options": {"g": "10", "bf": "0", "x264-params": "intra-refresh=1"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=10"}},
    "transport.ts": {"options": X264},
    "mpeg4.avi": {"codec": "mpeg4"},
}


def write(name: str, folder: Path, arguments: dict[str, Any]) -> Path:
    return write_clip(folder / name, numbered(COUNT), fps=RATE, **arguments)


def index_of(path: Path) -> Index | None:
    with open_video(path) as opened:
        return seek_index(opened) if is_long(opened) else None


@pytest.mark.parametrize("name", SAFE)
def test_the_frames_are_those_of_one_pass(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(name, tmp_path, SAFE[name])
    assert index_of(path) is not None
    with open_video(path) as opened:
        whole = decoder._read_in_one_pass(opened, TIMES, snap=False, convert=np.asarray)
    monkeypatch.delattr(decoder, "_read_in_one_pass")
    for one, other in zip(read_frames(path, TIMES), whole, strict=True):
        assert one.time == pytest.approx(other.time, abs=1e-3)
        assert (one.image == other.image).all()


@pytest.mark.parametrize("name", UNSAFE)
def test_a_video_that_cannot_be_entered_anywhere_is_decoded_in_one_pass(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path, UNSAFE[name])
    assert index_of(path) is None
    assert [number(frame.image) for frame in read_frames(path, [0.0, 5.55, 22.3])] == [0, 55, 223]


def test_a_short_video_is_not_worth_it(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "short.mp4", numbered(int(LONG * RATE) - 5), fps=RATE, options=X264)
    assert index_of(path) is None


def test_nor_is_one_of_which_nearly_all_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("h264.mp4", tmp_path, SAFE["h264.mp4"])
    monkeypatch.setattr(decoder, "frames_by_seeking", None)
    times = np.arange(0.95, 24, 1.0).tolist()
    assert [number(frame.image) for frame in read_frames(path, times)] == [*range(9, COUNT, 10)]


def test_an_index_with_which_decord_disagrees_is_not_trusted(tmp_path: Path) -> None:
    path = write("h264.mp4", tmp_path, SAFE["h264.mp4"])
    index = index_of(path)
    assert index is not None
    wanted = np.array([3, 50])
    assert len([*frames_by_seeking(path, index, wanted)]) == 2
    index.shown[7] += 0.02
    assert not [*frames_by_seeking(path, index, wanted)]


def test_a_repeated_frame_is_not_trusted(tmp_path: Path) -> None:
    """A picture that stands still costs a pass; it is never taken for a wrong one."""
    path = write_clip(tmp_path / "still.mp4", numbered(1) * COUNT, fps=RATE, options=X264)
    index = index_of(path)
    assert index is not None
    assert len([*frames_by_seeking(path, index, np.array([13, 50, 90]))]) < 3
    assert [number(frame.image) for frame in read_frames(path, TIMES)] == [0] * len(TIMES)


def test_importing_decord_leaves_torch_and_cuda_alone() -> None:
    """decord2 would load every installed CUDA library, including NVBLAS, which crashes torch."""
    program = (
        "import liveness.video.seeking, torch\n"
        "torch.nn.Linear(64, 256)(torch.randn(2, 49, 8, 64))\n"
        "maps = open('/proc/self/maps').read()\n"
        "assert 'libnvblas' not in maps\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
