"""Stored frames as training and validation sets."""

import cv2
import numpy as np
import pytest
import torch

from clips import numbered, write_clip
from liveness.augmentation import Key
from liveness.datasets import EpochSampler, TrainingFrames, ValidationFrames
from liveness.frames import FrameStore, Sampling, extract
from liveness.manifest import build_manifest, read_manifest
from liveness.preprocessing import model_input

LABELS = {"a.mp4": 1, "b.mp4": 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a.mp4", "b.mp4", "unlabelled.mp4"):
        write_clip(folder / name, numbered(8))
    build_manifest(folder, [folder / "0.csv"], folder / "cache.csv", workers=1)
    output = folder / "0.arrow"
    manifest = read_manifest([folder / "0.csv"])
    extract(manifest, folder, output, Sampling(4, (0.0, 1.0), short_side=96), quality=95, workers=1)
    return FrameStore([output])


def test_training_frames_are_those_of_labelled_videos_with_their_labels(store: FrameStore) -> None:
    seen = []

    def view(frame: np.ndarray, label: int, key: Key) -> tuple[torch.Tensor, int]:
        seen.append((key, frame, label))
        return torch.zeros(3, 8, 8), 10 + label

    frames = TrainingFrames(store, LABELS, view, seed=5)
    assert len(frames) == 8
    labels = [frames[3, position][1] for position in range(8)]
    assert [10 + LABELS[key[2]] for key, _, _ in seen] == labels, "the label is the view's to change"
    assert [LABELS[key[2]] for key, _, _ in seen] == [label for _, _, label in seen]
    assert {key[:2] for key, _, _ in seen} == {(5, 3)}
    assert all(np.array_equal(frame, store.image(key[3])) for key, frame, _ in seen)


def test_validation_frames_are_what_inference_sees(store: FrameStore) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    frames = ValidationFrames(store, LABELS, 48, mean, std)
    assert frames.fnames == ["a.mp4", "b.mp4"]
    image, video = frames[5]
    row = frames.rows[5]
    assert frames.fnames[video] == store.fnames[row]
    pixels = model_input(store.image(row), 48)
    expected = (pixels / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(image.permute(1, 2, 0).numpy(), expected, atol=1e-5)
    assert cv2.resize(pixels, (8, 8)).std() > 0


def test_the_sampler_shuffles_anew_each_epoch_and_alike_in_each_run() -> None:
    sampler, again = EpochSampler(50, seed=1), EpochSampler(50, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    again.set_epoch(1)
    second = list(sampler)
    assert second == list(again)
    assert [position for _, position in first] != [position for _, position in second]
    assert {epoch for epoch, _ in second} == {1}
    assert sorted(position for _, position in second) == list(range(50))
    assert list(EpochSampler(50, seed=2)) != first
