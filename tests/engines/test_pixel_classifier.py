"""The classifier that engines are built from, from pixels to the probability of live."""

import copy

import numpy as np
import pytest
import torch
from exported import MEAN, STD, create, draw_frames
from torch import nn
from torchvision.transforms import v2

from liveness.engines.pixel_classifier import LIVE, PixelClassifier

PIXELS = torch.from_numpy(draw_frames(64))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return create("test_convnext")


@torch.no_grad()
def test_it_is_the_network_after_torchvisions_normalisation(network: nn.Module) -> None:
    normalise = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    expected = network(normalise(PIXELS.permute(0, 3, 1, 2))).softmax(dim=1)[:, 1]
    probabilities = PixelClassifier(network, MEAN, STD)(PIXELS)
    assert probabilities.shape == (len(PIXELS),) and probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities, expected)


class FixedLogits(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.0, 0.0], [0.0, 20.0], [20.0, 0.0]], dtype=images.dtype)


def test_the_second_logit_is_that_of_live() -> None:
    probabilities = PixelClassifier(FixedLogits(), MEAN, STD)(PIXELS[:3])
    np.testing.assert_allclose(probabilities, [0.5, 1, 0], atol=1e-8)
    assert LIVE == 1


@torch.no_grad()
def test_half_computes_a_copy_in_float16_and_softmax_in_float32(network: nn.Module) -> None:
    before = copy.deepcopy(network.state_dict())
    half = PixelClassifier(network, MEAN, STD, half=True)
    seen: list[torch.dtype] = []
    half.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    probabilities = half(PIXELS)
    assert seen == [torch.float16] and probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities, PixelClassifier(network, MEAN, STD)(PIXELS), atol=5e-3, rtol=0)
    # a softmax in float16 would only give multiples of 2**-11
    assert not torch.equal(probabilities, probabilities.half().float())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert next(network.parameters()).dtype == torch.float32
