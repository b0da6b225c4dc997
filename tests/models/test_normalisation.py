"""Normalisation of pixels for the networks."""

import numpy as np
import torch

from liveness.models.normalisation import Normalisation

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def test_each_channel_has_its_mean_and_deviation() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), np.uint8)
    expected = (pixels / 255 - np.array(MEAN)) / np.array(STD)
    images = Normalisation(MEAN, STD)(torch.from_numpy(pixels))
    assert images.dtype == torch.float32
    np.testing.assert_allclose(images.permute(0, 2, 3, 1), expected, atol=1e-5)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_normalisation_adds_nothing_to_a_checkpoint() -> None:
    assert not Normalisation(MEAN, STD).state_dict()
