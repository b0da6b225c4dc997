"""A training task that takes seconds: tiny networks on the frames of twelve clips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from clips import write_clip
from liveness.models.checkpoint import Checkpoint, create
from liveness.settings.training import Augmentation
from liveness.training.fine_tune import fine_tune
from liveness.training.task import Recipe, Task
from liveness.video.frame_store import FrameStore

RECIPE = Recipe(
    epochs=3,
    warmup_epochs=1,
    batch_size=8,
    lr=2e-3,
    min_lr=1e-5,
    weight_decay=0.05,
    label_smoothing=0.1,
    ema_decay=0.8,
    precision="fp32",
    augmentation=Augmentation((0.7, 1.0), 0.5, 0.0, 0.2, "", 0.1),
    seed=1,
)
TRAINING = {f"{n}.mp4": n % 2 for n in range(8)}
VALIDATION = {f"{n}.mp4": n % 2 for n in range(8, 12)}
# one epoch of four steps, after which every option has changed the weights
PLAIN = replace(RECIPE, epochs=1, warmup_epochs=0, ema_decay=0.0, weight_decay=0.0)


def film(folder: Path, count: int) -> None:
    """Write clips 0.mp4, 1.mp4, ... of noise; odd ones are bluish, so that networks learn."""
    rng = np.random.default_rng(0)
    for n in range(count):
        texture = rng.integers(0, 255, (8, 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        texture[..., 2] = 255 if n % 2 else texture[..., 2]
        write_clip(folder / f"{n}.mp4", [texture] * 4)


def task(frames: Path, network: Checkpoint, recipe: Recipe = RECIPE, **changes: Any) -> Task:
    return replace(Task(network, FrameStore([frames]), TRAINING, VALIDATION, recipe, threads=1), **changes)


def train(
    frames: Path, folder: Path, recipe: Recipe = RECIPE, architecture: str = "test_efficientnet"
) -> tuple[Checkpoint, pd.DataFrame]:
    torch.manual_seed(0)
    network = create(architecture, 64, drop_path=0.2)
    return fine_tune(task(frames, network, recipe), folder / "state", folder / "logs")


def weights(checkpoint: Checkpoint) -> torch.Tensor:
    return torch.cat([tensor.float().ravel() for tensor in checkpoint.module.state_dict().values()])


def trained_with(frames: Path, folder: Path, **options: Any) -> dict[str, torch.Tensor]:
    return train(frames, folder, replace(PLAIN, **options), "test_convnext")[0].module.state_dict()


def initial() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return create("test_convnext", 64, drop_path=0.2).module.state_dict()


def moved(state: dict[str, torch.Tensor], name: str) -> float:
    return float((state[name] - initial()[name]).abs().mean())
