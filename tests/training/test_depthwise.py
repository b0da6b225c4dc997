"""Large depthwise convolutions match PyTorch's own, outputs and gradients."""

import copy

import pytest
import timm
import torch
from torch import nn

from liveness.training.depthwise import LargeDepthwise, speed_up_depthwise


def gradients(convolution: nn.Conv2d, images: torch.Tensor) -> list[torch.Tensor]:
    """Return the output and the gradients of the input and the parameters."""
    images = images.clone().requires_grad_()
    output = convolution(images)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    assert images.grad is not None
    return [output, images.grad, *(p.grad for p in convolution.parameters() if p.grad is not None)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "padding", "bias"), [(7, 3, True), (5, 2, False), ((5, 7), (0, 3), True)])
def test_gradients_are_those_of_autograd(
    layout: torch.memory_format, kernel: int, padding: int, bias: bool
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, kernel, padding=padding, groups=6, bias=bias)
    fast = copy.deepcopy(plain)
    speed_up_depthwise(nn.Sequential(fast))
    assert type(fast) is LargeDepthwise
    images = torch.randn(3, 6, 12, 9).contiguous(memory_format=layout)
    for own, expected in zip(gradients(fast, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-4)


def test_frozen_parameters_get_no_gradient() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4).requires_grad_(False))
    speed_up_depthwise(network)
    images = torch.randn(2, 4, 8, 8, requires_grad=True)
    network(images).sum().backward()
    assert images.grad is not None
    assert network[0].weight.grad is None


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 7, groups=4, stride=2),
        nn.Conv2d(4, 4, 7, groups=4, dilation=2),
        nn.Conv2d(4, 4, 7, groups=2),
        nn.Conv2d(4, 8, 7, groups=4),
        nn.Conv2d(4, 4, 7, groups=4, padding="same"),
        nn.Conv2d(4, 4, 7, groups=4, padding=3, padding_mode="reflect"),
    ],
    ids=["small", "stride", "dilation", "groups", "more", "same", "reflect"],
)
def test_others_are_left_alone(module: nn.Conv2d) -> None:
    speed_up_depthwise(nn.Sequential(module))
    assert type(module) is nn.Conv2d


def test_a_network_keeps_its_names_and_gives_the_same() -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_convnext", num_classes=2).eval()
    images = torch.randn(2, 3, 64, 64)
    before, names = network(images), list(network.state_dict())
    speed_up_depthwise(network)
    assert any(isinstance(module, LargeDepthwise) for module in network.modules())
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(images), before, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(copy.deepcopy(network)(images), before, rtol=1e-5, atol=1e-5)


def test_under_autocast_they_stay_in_float32() -> None:
    convolution = nn.Conv2d(4, 4, 7, padding=3, groups=4)
    speed_up_depthwise(nn.Sequential(convolution))
    with torch.autocast("cpu", torch.bfloat16):
        assert convolution(torch.zeros(1, 4, 8, 8, dtype=torch.bfloat16)).dtype == torch.float32
