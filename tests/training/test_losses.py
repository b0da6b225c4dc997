"""Losses of soft targets match plain formulas."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, log_softmax

from liveness.training.losses import balanced_weights, make_loss

LOGITS = torch.tensor([[2.0, -1.0], [0.3, 0.1], [-3.0, 4.0]])
TARGETS = torch.tensor([[1.0, 0.0], [0.1, 0.9], [0.5, 0.5]])


def expected(name: str, gamma: float) -> np.ndarray:
    """Compute the loss of each frame in NumPy."""
    z, t = LOGITS.double().numpy(), TARGETS.double().numpy()
    if name == "cross_entropy":
        return -(t * log_softmax(z, axis=1)).sum(1)
    p = expit(z)
    plain = -(t * log_expit(z) + (1 - t) * log_expit(-z))
    missed = 1 - (p * t + (1 - p) * (1 - t))
    return (plain * (missed**gamma if name == "focal" else 1)).sum(1)


@pytest.mark.parametrize("name", ["cross_entropy", "bce", "focal"])
def test_losses(name: str) -> None:
    assert float(make_loss(name, 2.0)(LOGITS, TARGETS)) == pytest.approx(expected(name, 2.0).mean(), rel=1e-5)


def test_a_focal_loss_without_focus_is_bce() -> None:
    assert float(make_loss("focal", 0.0)(LOGITS, TARGETS)) == pytest.approx(
        float(make_loss("bce", 2.0)(LOGITS, TARGETS)), rel=1e-6
    )


def test_a_frame_weighs_as_its_classes_do() -> None:
    weights = TARGETS.numpy() @ [3.0, 0.5]
    loss = make_loss("cross_entropy", 2.0, (3.0, 0.5))(LOGITS, TARGETS)
    assert float(loss) == pytest.approx((weights * expected("cross_entropy", 2.0)).mean(), rel=1e-5)


def test_balanced_classes_count_alike_and_one_on_average() -> None:
    labels = [0, 1, 1, 1]
    weights = balanced_weights(labels)
    assert weights[0] * 1 == pytest.approx(weights[1] * 3)
    assert np.mean([weights[label] for label in labels]) == pytest.approx(1)
    assert balanced_weights([1, 1]) == (1.0, 1.0)
