"""Files that must not be opened, or not be decoded."""

import os
from pathlib import Path

import numpy as np
import pytest

from clips import numbered, write_clip
from liveness.video import container
from liveness.video.container import NoFramesError, name_of, open_video, packets
from liveness.video.decoder import VideoError, probe, read_frames


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert probe(tmp_path / "pipe.mp4").problem == "it is not a regular file"
    with pytest.raises(VideoError, match=r"pipe\.mp4: it is not a regular file"):
        read_frames(tmp_path / "pipe.mp4", [0.0])


def test_a_frame_beyond_the_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "large.mp4", numbered(2, 256, 512))
    monkeypatch.setattr(container, "MAX_PIXELS", 512 * 256)
    assert probe(path).readable
    monkeypatch.setattr(container, "MAX_PIXELS", 512 * 256 - 1)
    with pytest.raises(NoFramesError, match="its frames have 512 x 256 pixels, more than the limit of 0 "):
        open_video(path).__enter__()


def test_a_frame_that_grows_in_the_middle_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grows.ts"
    parts = [
        write_clip(
            tmp_path / f"{side}.ts",
            numbered(10, side, side),
            times=[start + k / 10 for k in range(10)],
            options={"g": "5"},
        ).read_bytes()
        for side, start in ((64, 0.0), (128, 1.0))
    ]
    path.write_bytes(b"".join(parts))
    shapes = {frame.image.shape[0] for frame in read_frames(path, [0.0, 1.0, 9.0])}
    assert shapes == {64, 128}
    monkeypatch.setattr(container, "MAX_PIXELS", 64 * 64)
    assert {frame.image.shape[0] for frame in read_frames(path, [0.0, 1.0, 9.0])} == {64}


def test_packets_end_where_a_file_breaks(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", numbered(30), options={"g": "5"})
    data = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(
        write_clip(tmp_path / "whole.mkv", numbered(30), options={"g": "5"}).read_bytes()[: len(data) // 2]
    )
    with open_video(tmp_path / "cut.mkv") as (file, stream):
        assert 1 < len([*packets(file, stream)]) < 30


def test_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_clip(tmp_path / "http:a.mp4", numbered(1))
    assert Path(name_of(Path("http:a.mp4"))) == path
    assert np.isfinite(probe("http:a.mp4").duration)


def test_buffers_of_earlier_files_do_not_pile_up(tmp_path: Path) -> None:
    """A process that decodes many videos stays within `limits.memory_mb`."""
    path = write_clip(tmp_path / "clip.mp4", numbered(5))
    grown = []
    for _ in range(20):
        read_frames(path, [0.0])
        status = Path("/proc/self/status").read_text(encoding="ascii")
        grown.append(int(status.partition("VmData:")[2].split()[0]) // 1024)
    assert grown[-1] - grown[2] < 200
