"""A classifier with built-in pre-processing, from raw pixels to a probability."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from liveness.models.normalisation import Normalisation

LIVE = 1  # index of the live class among the two logits


class PixelClassifier(nn.Module):
    """Map uint8 NHWC pixels [n, S, S, 3] in 0..255 to the probability of live, float32 [n].

    `network` maps normalised NCHW images to logits [n, 2]. With `half` a copy of it computes in
    float16; normalisation and softmax stay in float32, so that their results are rounded only once.
    """

    def __init__(
        self, network: nn.Module, mean: Sequence[float], std: Sequence[float], *, half: bool = False
    ) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half() if half else network
        self.half_network = half
        self.normalise = Normalisation(mean, std)

    def forward(self, pixels: Tensor) -> Tensor:
        images = self.normalise(pixels)
        logits = self.network(images.half() if self.half_network else images)
        return logits.float().softmax(1).select(1, LIVE)
