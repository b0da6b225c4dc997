"""Stored frames as training and validation sets."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clips import numbered, write_clip
from liveness.augmentation.training_views import Key
from liveness.training.data_loading import Share, TrainingSampler, ValidationSampler
from liveness.training.datasets import TrainingFrames, ValidationFrames
from liveness.video.frame_store import FrameStore, extract
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.preprocessing import model_input
from liveness.video.sampling import Sampling

LABELS = {"a.mp4": 1, "b.mp4": 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a.mp4", "b.mp4", "unlabelled.mp4"):
        write_clip(folder / name, numbered(8))
    build_manifest(folder, [folder / "0.csv"], folder / "cache.sqlite", workers=1)
    output = folder / "0.arrow"
    manifest = read_manifest([folder / "0.csv"])
    extract(manifest, folder, output, Sampling(4, (0.0, 1.0), short_side=96), quality=95, workers=1)
    return FrameStore([output])


def test_training_frames_are_those_of_labelled_videos_with_their_labels(store: FrameStore) -> None:
    seen = []

    def view(frame: np.ndarray, label: int, key: Key) -> tuple[torch.Tensor, int]:
        seen.append((key, frame, label))
        return torch.zeros(8, 8, 3), 10 + label

    frames = TrainingFrames(store, LABELS, view, seed=5)
    assert len(frames) == 8
    labels = [frames[3, position][1] for position in range(8)]
    assert [10 + LABELS[key[2]] for key, _, _ in seen] == labels, "the label is the view's to change"
    assert [LABELS[key[2]] for key, _, _ in seen] == [label for _, _, label in seen]
    assert {key[:2] for key, _, _ in seen} == {(5, 3)}
    assert frames[3, 2][2] == str(seen[2][0])
    assert all(np.array_equal(frame, store.image(key[3])) for key, frame, _ in seen)


def test_validation_frames_are_what_inference_sees(store: FrameStore) -> None:
    frames = ValidationFrames(store, LABELS, 48)
    assert frames.fnames == ["a.mp4"] * 4 + ["b.mp4"] * 4
    image, position = frames[5]
    row = frames.rows[5]
    assert position == 5
    assert frames.fnames[5] == store.fnames[row]
    pixels = model_input(store.image(row), 48)
    np.testing.assert_array_equal(image, pixels)
    assert cv2.resize(pixels, (8, 8)).std() > 0


def test_the_sampler_shuffles_anew_each_epoch_and_alike_in_each_run() -> None:
    sampler, again = TrainingSampler(50, 10, seed=1), TrainingSampler(50, 10, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    again.set_epoch(1)
    second = list(sampler)
    assert second == list(again)
    assert [position for _, position in first] != [position for _, position in second]
    assert {epoch for epoch, _ in second} == {1}
    assert sorted(position for _, position in second) == list(range(50))
    assert list(TrainingSampler(50, 10, seed=2)) != first


@given(frames=st.integers(8, 60), world=st.sampled_from([1, 2, 4]))
def test_shares_of_a_batch_hold_its_frames(frames: int, world: int) -> None:
    alone = list(TrainingSampler(frames, 8, seed=1))
    shares = [list(TrainingSampler(frames, 8, 1, Share(rank, world))) for rank in range(world)]
    assert len(alone) == frames // 8 * 8
    size = 8 // world
    for step in range(frames // 8):
        parts = [frame for share in shares for frame in share[step * size : (step + 1) * size]]
        assert parts == alone[step * 8 : (step + 1) * 8]
    assert {len(share) for share in shares} == {len(TrainingSampler(frames, 8, 1, Share(0, world)))}


def test_an_interrupted_epoch_goes_on_where_it_stopped_and_the_next_is_whole() -> None:
    uninterrupted = TrainingSampler(40, 8, seed=1)
    uninterrupted.set_epoch(3)
    resumed = TrainingSampler(40, 8, seed=1, start=(3, 16))
    assert list(resumed) == list(uninterrupted)[16:]
    resumed.set_epoch(4)
    uninterrupted.set_epoch(4)
    assert list(resumed) == list(uninterrupted)


@given(frames=st.integers(1, 30), world=st.integers(1, 5))
def test_validation_shares_are_of_one_length_and_hold_every_frame(frames: int, world: int) -> None:
    shares = [list(ValidationSampler(frames, Share(rank, world))) for rank in range(world)]
    assert {frame for share in shares for frame in share} == set(range(frames))
    assert {len(share) for share in shares} == {len(ValidationSampler(frames, Share(0, world)))}
