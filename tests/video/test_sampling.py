"""Sampled frames of a video in canonical form."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import number, numbered, write_clip
from liveness.video.decoder import VideoError
from liveness.video.preprocessing import canonical, sample_times
from liveness.video.sampling import Sampling, read_video

COUNT, WINDOW = 3, (0.2, 1.0)
SAMPLING = Sampling(COUNT, WINDOW, short_side=48)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 25 numbered frames of 96 x 128 pixels at 10 fps, stored rotated by 90 degrees."""
    return write_clip(tmp_path_factory.mktemp("videos") / "clip.mp4", numbered(25), rotation=90)


@given(
    duration=st.floats(0.01, 100),
    count=st.integers(1, 20),
    first=st.none() | st.integers(1, 20),
)
def test_first_limits_sampling_to_the_first_times(duration: float, count: int, first: int | None) -> None:
    sampling = Sampling(count, WINDOW, short_side=48, first=first)
    every = replace(sampling, first=None).times(duration)
    times = sampling.times(duration)
    assert len(every) == count
    assert len(times) == sampling.frames == min(count, first or count)
    assert times.tolist() == every[: len(times)].tolist()


def test_frames_are_upright_and_those_on_screen_at_the_times(clip: Path) -> None:
    images, times, _ = read_video(clip, 2.5, SAMPLING)
    expected = [int(time * 10 + 1e-6) for time in sample_times(2.5, COUNT, WINDOW)]
    assert [number(image) for image in images] == expected
    np.testing.assert_allclose(times, np.array(expected) / 10, atol=1e-3)
    assert {image.shape for image in images} == {(48, 64, 3)}


def test_decoding_can_stop_early(clip: Path) -> None:
    every, times, _ = read_video(clip, 2.5, SAMPLING)
    first, first_times, _ = read_video(clip, 2.5, replace(SAMPLING, first=2))
    assert len(first) == 2
    assert all((one == other).all() for one, other in zip(first, every, strict=False))
    assert (first_times == times[:2]).all()


def test_frames_are_degraded_before_they_are_shrunk(clip: Path) -> None:
    """The degradation is applied to frames as decoded, before conversion to canonical form."""
    decoded = []

    def invert(image: np.ndarray) -> np.ndarray:
        decoded.append(image)
        return 255 - image

    images, _, _ = read_video(clip, 2.5, SAMPLING, invert)
    assert [image.shape for image in decoded] == [(96, 128, 3)] * COUNT
    for image, original in zip(images, decoded, strict=True):
        assert np.array_equal(image, canonical(255 - original, 48))


def test_frames_without_a_face_stay_uncropped_and_are_counted(clip: Path) -> None:
    plain = read_video(clip, 2.5, SAMPLING)
    cropped = read_video(clip, 2.5, replace(SAMPLING, crop="face"))
    assert (plain.faceless, cropped.faceless) == (0, COUNT)
    assert all(np.array_equal(*pair) for pair in zip(plain.images, cropped.images, strict=True))


def test_a_video_without_a_readable_frame(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"broken")
    with pytest.raises(VideoError, match="Invalid data"):
        read_video(tmp_path / "broken.mp4", 1.0, SAMPLING)
