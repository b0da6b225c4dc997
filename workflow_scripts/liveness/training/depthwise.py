"""Depthwise convolutions with large kernels that train several times faster on CPUs.

oneDNN spends most of a ConvNeXt training step on the gradients of these kernels, above all in
bfloat16.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

# smaller kernels do not become faster
SMALLEST = 5


class LargeDepthwise(nn.Conv2d):
    """A depthwise convolution of stride 1, in float32 without autocast, with a faster gradient."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return _Correlation.apply(images.float(), self.weight, self.bias, self.padding)


class _Correlation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, padding: Any) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding = padding
        ctx.biased = bias is not None
        return conv2d(images, weight, bias, padding=padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        n, channels, *size = images.shape
        (of_images, _, _) = torch.ops.aten.convolution_backward(
            gradient,
            images,
            weight,
            None,
            (1, 1),
            ctx.padding,
            (1, 1),
            False,
            (0, 0),
            channels,
            (True, False, False),
        )
        # correlate each channel of each image with its output gradient as the kernel
        planes, kernels = images.contiguous(), gradient.contiguous()
        of_weight = conv2d(
            planes.view(1, n * channels, *size),
            kernels.view(n * channels, 1, *kernels.shape[2:]),
            padding=ctx.padding,
            groups=n * channels,
        )
        of_weight = of_weight.view(n, channels, 1, *weight.shape[2:]).sum(0)
        return of_images, of_weight, gradient.sum((0, 2, 3)) if ctx.biased else None, None


def speed_up_depthwise(network: nn.Module) -> None:
    """Convert the network's large depthwise convolutions in place, keeping names and weights."""
    for module in network.modules():
        if (
            type(module) is nn.Conv2d
            and module.groups == module.in_channels == module.out_channels > 1
            and min(module.kernel_size) >= SMALLEST
            and module.stride == module.dilation == (1, 1)
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            module.__class__ = LargeDepthwise
