"""Files that must not be opened, or not be decoded."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clips import number, numbered, write_clip
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


def test_sound_that_begins_in_mid_file_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "late.flv"
    rate = 11025
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=10, options={"g": "5", "bf": "0"})
        audio = file.add_stream("pcm_s16le", rate=rate, layout="mono")
        assert isinstance(video, av.VideoStream) and isinstance(audio, av.AudioStream)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        for position, image in enumerate(numbered(130)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = position, Fraction(1, 10)
            file.mux(video.encode(frame))
            if position >= 120:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, rate // 10), np.int16), "s16", "mono")
                silence.rate, silence.pts, silence.time_base = rate, rate // 10 * position, Fraction(1, rate)
                file.mux(audio.encode(silence))
        file.mux(video.encode(None))
    data = bytearray(path.read_bytes())
    data[4] = 1  # the header promises no sound
    path.write_bytes(data)
    with open_video(path) as (opened, _):
        assert len(opened.streams) == 1
    assert probe(path).duration == pytest.approx(13, abs=0.11)
    times = [0.05, 11.95, 12.05, 12.95]
    assert [number(frame.image) for frame in read_frames(path, times)] == [0, 119, 120, 129]


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
