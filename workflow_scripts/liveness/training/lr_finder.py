"""Learning-rate finder: a short run in which the learning rate rises at every step.

Smith 2017, Cyclical learning rates for training neural networks.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.tuner import Tuner

from liveness.runtime.errors import InputError
from liveness.training.data_loading import make_loaders
from liveness.training.fine_tune import make_trainer
from liveness.training.lightning_module import make_classifier
from liveness.training.task import Task

LOWEST, HIGHEST, STEPS = 1e-7, 1.0, 100
# steps until the tuner's smoothing has settled
SETTLING = 20


def find_learning_rate(task: Task, folder: Path) -> tuple[float, pd.DataFrame]:
    """Return the rate at which the loss falls fastest, and the curve (lr, loss).

    The recipe's own learning rates are ignored. Lightning's tuner does the run and restores the
    network afterwards, from a temporary file in `folder`.

    Raises:
        InputError: the loss never falls.
    """
    loaders = make_loaders(task)
    trainer = make_trainer(
        task,
        loaders.steps,
        max_epochs=-1,
        max_steps=STEPS,
        logger=False,
        enable_checkpointing=False,
        default_root_dir=folder,
    )
    finder = Tuner(trainer).lr_find(
        make_classifier(task, loaders),
        loaders.training,
        min_lr=LOWEST,
        max_lr=HIGHEST,
        num_training=STEPS,
        update_attr=False,
    )
    curve = pd.DataFrame({key: finder.results[key] if finder else [] for key in ("lr", "loss")})
    return steepest(curve), curve


def steepest(curve: pd.DataFrame) -> float:
    """Return the lr at which the loss falls fastest over log(lr), for a curve of lr and loss.

    Lightning's own suggestion is the steepest slope over lr itself, which is almost always one of
    the lowest rates. The first steps, until the smoothing has settled, and everything after the
    minimum are ignored.

    Raises:
        InputError: the loss never falls.
    """
    finite = curve[np.isfinite(curve["loss"])].iloc[SETTLING:]
    falling = finite.loc[: finite["loss"].idxmin()] if len(finite) else finite
    slope = np.gradient(falling["loss"], np.log(falling["lr"])) if len(falling) > 2 else np.zeros(1)
    if slope.min() >= 0:
        raise InputError("the loss does not fall at any learning rate; set training.lr to a number.")
    return float(falling["lr"].iloc[slope.argmin()])
