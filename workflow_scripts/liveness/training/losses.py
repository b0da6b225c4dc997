"""Training losses of logits [n, 2] and soft targets [n, 2] (class probabilities)."""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torchvision.ops import sigmoid_focal_loss

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def make_loss(name: str, focal_gamma: float, class_weights: Sequence[float] = (1.0, 1.0)) -> Loss:
    """Create a function from (logits, targets), both [n, 2], to the mean loss over frames.

    `cross_entropy` is softmax cross-entropy; `bce` and `focal` (Lin et al. 2017, Focal loss for
    dense object detection) treat each class as a separate binary problem. Frames are weighted by
    class. The sum is divided by the number of frames, not by the weights, so that the loss does not
    depend on how batches are split.
    """
    per_frame: dict[str, Loss] = {
        "cross_entropy": lambda logits, targets: cross_entropy(logits, targets, reduction="none"),
        "bce": lambda logits, targets: binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        ).sum(1),
        "focal": lambda logits, targets: sigmoid_focal_loss(
            logits, targets, alpha=-1, gamma=focal_gamma, reduction="none"
        ).sum(1),
    }

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        weights = targets @ targets.new_tensor(class_weights)
        return (weights * per_frame[name](logits.float(), targets)).mean()

    return loss


def balanced_weights(labels: Sequence[int]) -> tuple[float, float]:
    """Return weights of (spoof, live) that balance the classes; their mean over `labels` is 1."""
    live = sum(labels)
    spoof = len(labels) - live
    return (len(labels) / (2 * spoof), len(labels) / (2 * live)) if live and spoof else (1.0, 1.0)
