"""Probing and decoding of real files: from cameras and browsers, rotated, damaged, truncated."""

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import number, numbered, write_clip
from liveness.runtime.errors import InputError
from liveness.video import decoder
from liveness.video.decoder import VideoError, probe, read_frames
from running import SHARED

EDGE = SHARED / "edge"
edge_cases = pytest.mark.skipif(not EDGE.exists(), reason="needs the real edge cases")

VPX = {"deadline": "realtime", "cpu-used": "8"}

# name: codec as probed, arguments of write_clip; all have 30 frames at 10 frames per second
KINDS: dict[str, tuple[str, dict]] = {
    "h264.mp4": ("h264", {"options": {"bf": "3", "g": "12"}}),
    "one keyframe.mov": ("h264", {"options": {"g": "1000"}}),
    "hevc.mp4": ("hevc", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
    "mpeg4.avi": ("mpeg4", {"codec": "mpeg4"}),
    "h264.avi": ("h264", {"options": {"bf": "0"}}),
    "h264 with B-frames.avi": ("h264", {"options": {"bf": "2"}}),
    "mpeg4 with B-frames.avi": ("mpeg4", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "vp8.webm": ("vp8", {"codec": "libvpx", "options": VPX}),
    "vp9.webm": ("vp9", {"codec": "libvpx-vp9", "options": VPX}),
    "browser recording without duration.webm": (
        "vp8",
        {"codec": "libvpx", "options": VPX, "muxer_options": {"live": "1"}},
    ),
    "h264.mkv": ("h264", {}),
    "fragments.mp4": (
        "h264",
        {"options": {"g": "10"}, "muxer_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}},
    ),
    "late start.mkv": ("h264", {"times": [7 + k / 10 for k in range(30)]}),
    "turned by 90.mp4": ("h264", {"rotation": 90}),
    "turned by 180.mov": ("h264", {"rotation": 180}),
    "turned by 270.mp4": ("h264", {"rotation": 270}),
    "turned by 90.mkv": ("h264", {"rotation": 90}),
    'a "quoted" name, größer, 100%.mp4': ("h264", {}),
    "no_extension": ("h264", {"format": "mp4"}),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, (_, arguments) in KINDS.items():
        write_clip(folder / name, numbered(30), fps=10, **arguments)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_probe(clips: Path, name: str) -> None:
    found = probe(clips / name)
    assert found.readable, found.problem
    assert found.duration == pytest.approx(3.0, abs=0.01)
    assert found.fps == pytest.approx(10)
    assert (found.width, found.height) == (128, 96)
    assert found.codec == KINDS[name][0]
    assert found.rotation == KINDS[name][1].get("rotation", 0)


@pytest.mark.parametrize("name", KINDS)
def test_snapping_gives_a_frame_near_the_time_with_exact_pixels(clips: Path, name: str) -> None:
    times = [0.0, 0.34, 1.55, 2.2, 2.97]
    exact = read_frames(clips / name, [k / 10 for k in range(30)])
    for wanted, frame in zip(times, read_frames(clips / name, times, snap_to_reference=True), strict=True):
        assert number(frame.image) == round(frame.time * 10)
        assert abs(frame.time - wanted) < 0.4
        assert (frame.image == exact[round(frame.time * 10)].image).all()


def test_snapping_takes_the_nearest_reference_frame(tmp_path: Path) -> None:
    options = {"bf": "3", "g": "12", "x264-params": "b-pyramid=none:b-adapt=0:scenecut=0"}
    clip = write_clip(tmp_path / "b.mp4", numbered(30), fps=10, options=options)
    with av.open(str(clip)) as container:
        kinds = [av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(video=0)]
    references = np.flatnonzero([kind != "B" for kind in kinds]) / 10
    assert len(references) < 12
    times = np.arange(0, 3, 0.037)
    got = [frame.time for frame in read_frames(clip, times.tolist(), snap_to_reference=True)]
    distance = np.abs(times[:, None] - references)
    np.testing.assert_allclose(np.abs(times - got), distance.min(axis=1), atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_the_frame_for_a_time_is_the_last_one_shown(clips: Path, name: str) -> None:
    """Times lie on frames, between them, before the first and after the last, with repetitions."""
    times = [0.0, 0.05, 0.1, 1.0, 1.19, 2.9, 99.0, -1.0, 0.5, 0.5]
    frames = read_frames(clips / name, times)
    assert [number(frame.image) for frame in frames] == [0, 0, 1, 10, 11, 29, 29, 0, 5, 5]
    np.testing.assert_allclose(
        [frame.time for frame in frames], [0, 0, 0.1, 1, 1.1, 2.9, 2.9, 0, 0.5, 0.5], atol=1e-3
    )
    assert all(frame.image.shape == (96, 128, 3) and frame.image.dtype == np.uint8 for frame in frames)


@settings(max_examples=20, deadline=None)
@given(gaps=st.lists(st.integers(1, 90), min_size=5, max_size=12), data=st.data())
def test_variable_frame_rates(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], data: st.DataObject
) -> None:
    shown = np.cumsum([0, *gaps[:-1]]) / 100
    path = tmp_path_factory.mktemp("vfr") / "vfr.mp4"
    write_clip(
        path, numbered(len(shown), 32, 64), fps=10, times=shown.tolist(), options={"preset": "ultrafast"}
    )
    times = data.draw(st.lists(st.floats(0, 12).map(lambda t: round(t, 2) + 0.005), min_size=1, max_size=5))
    expected = [int(np.searchsorted(shown, time, side="right")) - 1 for time in times]
    assert [number(frame.image) for frame in read_frames(path, times)] == expected


@pytest.fixture
def noisy(tmp_path: Path) -> bytearray:
    """A clip of 60 frames, 6 s, with a keyframe every 12, the index first, and room for damage."""
    noise = np.random.default_rng(0).integers(0, 60, (192, 256, 3), np.uint8)
    images = [np.maximum(image, noise) for image in numbered(60, 192, 256)]
    options = {"g": "12", "bf": "2"}
    path = write_clip(
        tmp_path / "whole.mp4", images, options=options, muxer_options={"movflags": "faststart"}
    )
    return bytearray(path.read_bytes())


def test_the_duration_of_a_truncated_upload_is_that_of_its_packets(noisy: bytearray, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(noisy[: len(noisy) // 2])
    found = probe(path)
    assert found.readable
    assert 1 < found.duration < 5
    frames = read_frames(path, [0.0, 1.0, 5.5])
    assert [number(frame.image) for frame in frames[:2]] == [0, 10]
    assert frames[2].time <= found.duration


def test_frames_lost_at_the_start_are_replaced_by_the_first_decodable_one(
    noisy: bytearray, tmp_path: Path
) -> None:
    start = noisy.find(b"mdat") + 1000
    length = len(noisy) // 8
    noisy[start : start + length] = bytes(length)
    path = tmp_path / "start.mp4"
    path.write_bytes(noisy)
    frames = read_frames(path, [0.0, 0.3, 4.0])
    assert [frame.time for frame in frames[:2]] == [frames[0].time] * 2
    assert 0 < frames[0].time < 2
    assert number(frames[0].image) == round(frames[0].time * 10)
    assert number(frames[2].image) == 40


def test_frames_lost_in_the_middle_leave_the_one_before_on_screen(noisy: bytearray, tmp_path: Path) -> None:
    length = len(noisy) // 3
    noisy[length : 2 * length] = bytes(length)
    path = tmp_path / "middle.mp4"
    path.write_bytes(noisy)
    frames = read_frames(path, [0.0, 3.0, 5.9])
    assert number(frames[0].image) == 0
    assert 1 < frames[1].time < 3
    assert number(frames[2].image) == 59


def test_one_frame_serves_for_all_times(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mp4", numbered(1))
    assert [number(frame.image) for frame in read_frames(path, [0.0, 1.0, 2.0])] == [0, 0, 0]


def test_frames_are_converted_one_by_one(clips: Path) -> None:
    """Each chosen frame is converted once, before the next is decoded."""
    seen: list[int] = []

    def convert(image: np.ndarray) -> int:
        seen.append(number(image))
        return seen[-1]

    frames = read_frames(clips / "h264.mp4", [2.0, 0.55, 0.5, 1.0], convert=convert)
    assert [frame.image for frame in frames] == [20, 5, 5, 10]
    assert seen == [5, 10, 20]


@pytest.mark.parametrize("kind", [ValueError, InputError])
def test_an_error_of_the_conversion_is_not_taken_for_a_bad_video(clips: Path, kind: type[Exception]) -> None:
    def convert(image: np.ndarray) -> np.ndarray:
        raise kind("no face detector is installed")

    with pytest.raises(kind, match=r"^no face detector is installed$"):
        read_frames(clips / "h264.mp4", [0.0], convert=convert)


def write_audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "Invalid data"),
        (b"this is a text that somebody called a video" * 99, "Invalid data"),
        (None, "no video stream"),
        ("cut", "End of file"),
        ("missing", "No such file"),
    ],
)
def test_files_that_are_no_videos_are_reported_and_not_decoded(
    content: bytes | str | None, problem: str, noisy: bytearray, tmp_path: Path
) -> None:
    path = tmp_path / "bad.mp4"
    if content is None:
        write_audio(path)
    elif content == "cut":
        path.write_bytes(noisy[:500])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    found = probe(path)
    assert not found.readable
    assert problem in found.problem
    with pytest.raises(VideoError, match=r"bad\.mp4: .*replace or remove it") as error:
        read_frames(path, [0.0, 1.0])
    assert isinstance(error.value, InputError)


def test_a_playlist_may_not_fetch_anything(tmp_path: Path) -> None:
    path = tmp_path / "playlist.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    assert not probe(path).readable


@edge_cases
@pytest.mark.parametrize("name", ["rotated_90.mp4", "rotated_270.mp4"])
def test_real_rotated_clips_show_the_upright_clip(name: str) -> None:
    times = [0.2, 1.0, 2.5]
    for one, other in zip(
        read_frames(EDGE / name, times), read_frames(EDGE / "upright.mp4", times), strict=True
    ):
        assert one.image.shape == other.image.shape
        assert np.abs(one.image.astype(int) - other.image).mean() < 4


@edge_cases
@pytest.mark.parametrize("name", ["matroska_named_mp4.mp4", "corrupt_first_frames.avi"])
def test_real_odd_files_give_frames(name: str) -> None:
    found = probe(EDGE / name)
    assert found.readable
    frames = read_frames(EDGE / name, [0.2 * found.duration, 0.5 * found.duration, 0.9 * found.duration])
    assert len({frame.time for frame in frames}) == 3
    assert all(frame.image.shape == (found.height, found.width, 3) for frame in frames)


@edge_cases
def test_a_real_file_without_a_video_stream_is_reported() -> None:
    assert probe(EDGE / "no_video_stream.mp4").problem == "it has no video stream"


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is an NVIDIA GPU")
def test_nvdec_without_a_gpu(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"frames.nvdec is true, but no NVIDIA GPU is available for decoding .*; set it to"
    ):
        read_frames(clips / "h264.mp4", [0.0], nvdec=True)
    (tmp_path / "broken.mp4").write_bytes(b"broken")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        read_frames(tmp_path / "broken.mp4", [0.0], nvdec=True)


def test_a_gpus_plane_layout_gives_the_same_colours(clips: Path) -> None:
    with av.open(str(clips / "h264.mp4")) as container:
        frame = next(container.decode(video=0))
    assert frame.format.name == "yuv420p"
    assert (decoder._upright_rgb(frame.reformat(format="nv12")) == decoder._upright_rgb(frame)).all()


@pytest.mark.gpu
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("snap", [False, True])
def test_a_gpu_decodes_the_same_frames(clips: Path, name: str, snap: bool) -> None:
    times = [0.0, 0.95, 2.2, 2.97]
    for one, other in zip(
        read_frames(clips / name, times, snap, nvdec=True),
        read_frames(clips / name, times, snap),
        strict=True,
    ):
        assert one.time == pytest.approx(other.time, abs=1e-3)
        assert one.image.shape == other.image.shape
        assert np.abs(one.image.astype(int) - other.image).max() <= 2
