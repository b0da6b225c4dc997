"""Normalisation of pixels, shared by training, parity checks and inference."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalisation(nn.Module):
    """Normalise uint8 NHWC [n, S, S, 3] to float32 NCHW [n, 3, S, S] with mean 0 and deviation 1.

    The memory layout stays channels-last. `mean` and `std` are per channel (RGB), for pixel values
    scaled to 0..1.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        # (x / 255 - mean) / std = x * scale + offset
        deviation = torch.tensor(std, dtype=torch.float64)
        offset = -torch.tensor(mean).double() / deviation
        for name, values in (("scale", 1 / (255 * deviation)), ("offset", offset)):
            self.register_buffer(name, values.float().view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        # cast first: TensorRT cannot transpose uint8
        return pixels.float().permute(0, 3, 1, 2) * self.scale + self.offset
