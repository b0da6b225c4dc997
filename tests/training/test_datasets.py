"""Stored frames as training and validation sets."""

import cv2
import numpy as np
import pytest
import torch

from clips import numbered, write_clip
from liveness.augmentation.training_views import Key
from liveness.training.datasets import TrainingFrames, ValidationFrames
from liveness.video.frame_store import FrameStore
from liveness.video.preprocessing import model_input
from liveness.video.sampling import Sampling
from stored_frames import extract_folder

LABELS = {"a.mp4": 1, "b.mp4": 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a.mp4", "b.mp4", "unlabelled.mp4"):
        write_clip(folder / name, numbered(8))
    return FrameStore([extract_folder(folder, folder, Sampling(4, (0.0, 1.0), short_side=96))])


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
