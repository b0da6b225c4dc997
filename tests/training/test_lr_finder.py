"""The learning-rate finder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_task import task

from liveness.models.checkpoint import create
from liveness.runtime.errors import InputError
from liveness.training.lr_finder import find_learning_rate, steepest


def test_the_learning_rate_finder_gives_a_rate_and_its_curve(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    rate, curve = find_learning_rate(task(frames, create("test_convnext", 64)), tmp_path)
    assert 1e-7 < rate < 1
    assert curve["lr"].is_monotonic_increasing
    assert len(curve) > 20
    assert not list(tmp_path.iterdir())


def test_the_rate_is_that_of_the_steepest_fall_over_its_logarithm() -> None:
    lr = np.geomspace(1e-7, 1, 100)
    # a loss that settles, falls around 1e-3 and explodes
    loss = 0.7 - 0.5 / (1 + np.exp(-3 * (np.log10(lr) + 3))) + 5 * (lr > 0.3) - 0.5 * (lr < 2e-7)
    assert steepest(pd.DataFrame({"lr": lr, "loss": loss})) == pytest.approx(1e-3, rel=0.2)


def test_a_loss_that_never_falls_gives_no_rate() -> None:
    curve = pd.DataFrame({"lr": np.geomspace(1e-7, 1, 100), "loss": np.linspace(0.7, 3, 100)})
    with pytest.raises(InputError, match=r"set training\.lr to a number"):
        steepest(curve)
