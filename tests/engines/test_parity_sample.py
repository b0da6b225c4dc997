"""The parity sample is drawn from stored frames and saved with the engine."""

from pathlib import Path

import numpy as np
import pytest

from clips import number, numbered, write_clip
from liveness.engines.parity_sample import (
    UNKNOWN,
    ReferenceSample,
    draw_frames,
    read_sample,
    write_sample,
)
from liveness.runtime.errors import InputError
from liveness.video.frame_store import FrameStore
from liveness.video.preprocessing import model_input
from liveness.video.sampling import Sampling
from stored_frames import extract_folder

LABELS = {"0.mp4": 1, "1.mp4": 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Four frames each of three videos, of which the last has no label."""
    folder = tmp_path_factory.mktemp("videos")
    for video in range(3):
        write_clip(folder / f"{video}.mp4", numbered(4 * video + 4)[4 * video :])
    return FrameStore([extract_folder(folder, folder, Sampling(4, (0.0, 1.0), short_side=96))])


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [0]), (3, [0, 6, 11]), (12, list(range(12))), (99, list(range(12)))]
)
def test_frames_are_spread_evenly_over_the_store(store: FrameStore, count: int, rows: list[int]) -> None:
    frames, labels = draw_frames(store, count, 64, LABELS)
    assert frames.dtype == np.uint8 and frames.shape == (len(rows), 64, 64, 3)
    assert [number(frame) for frame in frames] == [number(store.image(row)) for row in rows]
    assert labels.dtype == np.int8
    assert labels.tolist() == [LABELS.get(store.fnames[row], UNKNOWN) for row in rows]


def test_frames_are_what_engines_get(store: FrameStore) -> None:
    frames, _ = draw_frames(store, 12, 48, {})
    assert all(np.array_equal(frame, model_input(store.image(row), 48)) for row, frame in enumerate(frames))


def test_a_store_without_frames_is_refused() -> None:
    with pytest.raises(InputError, match=r"no video has a readable frame .* lower shards"):
        draw_frames(FrameStore([]), 4, 64, {})


def test_the_sample_survives_its_file(tmp_path: Path) -> None:
    sample = ReferenceSample(
        np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3),
        np.array([0.25], np.float32),
        np.array([1], np.int8),
    )
    write_sample(tmp_path / "0.parity.npz", sample)
    again = read_sample(tmp_path / "0.parity.npz")
    for name, array in vars(sample).items():
        assert np.array_equal(getattr(again, name), array) and getattr(again, name).dtype == array.dtype


def test_a_pickle_in_the_sample_is_refused(tmp_path: Path) -> None:
    frames = np.zeros((1, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "0.parity.npz", frames=frames, probabilities=np.array([{}], object))
    with pytest.raises(InputError, match=r"0\.parity\.npz: not a parity sample"):
        read_sample(tmp_path / "0.parity.npz")


def test_a_sample_without_finite_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        ReferenceSample(
            np.zeros((1, 4, 4, 3), np.uint8), np.full(1, np.nan, np.float32), np.zeros(1, np.int8)
        )


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 cut"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.parity.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.parity\.npz: not a parity sample .*compile again"):
        read_sample(tmp_path / "0.parity.npz")


@pytest.mark.parametrize(
    ("frames", "probabilities", "labels", "sentence"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, np.float32), np.zeros(0, np.int8), "frames are uint8"),
        (np.zeros((1, 4, 4, 3)), np.zeros(1, np.float32), np.zeros(1, np.int8), "frames are float64"),
        (np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1), np.zeros(1, np.int8), r"not float32 \[1\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), np.zeros(2, np.float32), np.zeros(1, np.int8), r"float32 \[1\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1, np.float32), np.zeros(1, int), r"not int8 \[1\]"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    frames: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        ReferenceSample(frames, probabilities, labels)
