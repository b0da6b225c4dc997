"""Heat maps of every kind of architecture, checked with a model whose evidence is known."""

import numpy as np
import pytest
import torch

from liveness.models.checkpoint import Checkpoint, create
from liveness.report.grad_cam import heat_map, overlay

FRAME = np.random.default_rng(0).integers(0, 255, (96, 72, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "architecture",
    ["test_convnext", "test_efficientnet", "test_vit", "test_resnet", "swin_tiny_patch4_window7_224"],
)
@pytest.mark.parametrize("label", [0, 1])
def test_every_kind_of_architecture_has_one(architecture: str, label: int) -> None:
    torch.manual_seed(0)
    checkpoint = create(architecture, 64)
    # logits of a new head are nearly constant
    torch.nn.init.normal_(checkpoint.module.get_classifier().weight)
    heat = heat_map(checkpoint, FRAME, label)
    assert heat.shape == FRAME.shape[:2]
    assert 0 <= heat.min() <= heat.max() <= 1
    seen = overlay(FRAME, heat)
    assert (seen.shape, seen.dtype) == (FRAME.shape, np.uint8)


def test_a_network_that_looks_for_light_in_a_corner() -> None:
    """One filter copies brightness and one logit grows with it, so the heat is at the light."""

    class Light(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.filter = torch.nn.Conv2d(3, 1, 8, stride=8)
            torch.nn.init.constant_(self.filter.weight, 1.0)
            torch.nn.init.zeros_(self.filter.bias)
            self.feature_info = [{"module": "filter"}]

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            brightness = self.filter(pixels).mean(dim=(1, 2, 3))
            return torch.stack([-brightness, brightness], dim=1)

    frame = np.zeros((80, 40, 3), np.uint8)
    frame[:20, 20:] = 255
    heat = heat_map(Checkpoint(Light(), "light", 64, (0.0,) * 3, (1.0,) * 3), frame, label=1)
    assert heat[5, 35] > 0.9
    assert heat[40:].max() < 0.1
    assert heat[:, :10].max() < 0.1
    against = heat_map(Checkpoint(Light(), "light", 64, (0.0,) * 3, (1.0,) * 3), frame, label=0)
    assert against.max() == 0
