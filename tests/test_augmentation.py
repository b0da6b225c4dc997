"""Random training views: reproducible per key, different between keys, normalised."""

import random

import numpy as np
import pytest
import torch

from liveness.augmentation import Augmentation, training_view

MEAN = STD = (0.5, 0.5, 0.5)
PLAIN = Augmentation(
    crop_scale=(1.0, 1.0), hflip=0.0, vflip=0.0, color_jitter=0.0, auto_augment="", erasing=0.0
)
FRAME = np.random.default_rng(0).integers(0, 255, (120, 90, 3), dtype=np.uint8)


def test_a_view_is_normalised_and_square() -> None:
    view = training_view(PLAIN, 64, MEAN, STD)(FRAME, (1, 0, "a.mp4", 0))
    assert view.shape == (3, 64, 64)
    assert view.dtype == torch.float32
    assert view.min() >= -1.001
    assert view.max() <= 1.001


@pytest.mark.parametrize("policy", ["", "rand-m9-mstd0.5"])
def test_the_same_key_gives_the_same_view_whatever_was_drawn_before(policy: str) -> None:
    augmentation = Augmentation((0.5, 1.0), 0.5, 0.5, 0.2, policy, 0.25)
    view = training_view(augmentation, 64, MEAN, STD)
    first = view(FRAME, (1, 2, "a.mp4", 3))
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(99)
    assert torch.equal(first, training_view(augmentation, 64, MEAN, STD)(FRAME, (1, 2, "a.mp4", 3)))


@pytest.mark.parametrize(
    "key", [(2, 0, "a.mp4", 0), (1, 1, "a.mp4", 0), (1, 0, "b.mp4", 0), (1, 0, "a.mp4", 1)]
)
def test_seed_epoch_video_and_frame_each_change_the_view(key: tuple[int, int, str, int]) -> None:
    view = training_view(Augmentation((0.3, 0.6), 0.5, 0.0, 0.2, "", 0.0), 64, MEAN, STD)
    assert not torch.equal(view(FRAME, (1, 0, "a.mp4", 0)), view(FRAME, key))


def test_a_portrait_frame_is_seen_to_its_edges() -> None:
    """Crops are of the squashed frame, as inference sees it, and not of its middle square."""
    frame = np.zeros((160, 90, 3), np.uint8)
    frame[:16] = 255
    view = training_view(PLAIN, 64, MEAN, STD)(frame, (0, 0, "a.mp4", 0))
    assert view[:, :4].mean() > 0.9
    assert view[:, 10:].mean() < -0.9


def test_flips_happen_as_often_as_asked() -> None:
    ramp = np.tile(np.arange(90, dtype=np.uint8)[None, :, None], (120, 1, 3))
    view = training_view(Augmentation((1.0, 1.0), 0.5, 0.0, 0.2, "", 0.0), 64, MEAN, STD)
    views = [view(ramp, (0, epoch, "a.mp4", 0)) for epoch in range(200)]
    flipped = sum(bool(v[0, :, 0].mean() > v[0, :, -1].mean()) for v in views)
    assert 70 < flipped < 130
