"""The learning rate that suits a network: a short run in which it rises from step to step.

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
# steps that the tuner's smoothing needs
SETTLING = 20


def find_learning_rate(task: Task, folder: Path) -> tuple[float, pd.DataFrame]:
    """The rate at which the loss falls fastest, and the curve: lr, loss.

    What the recipe says of learning rates is not used. Lightning's tuner runs it and puts the network back as
    it was; its file for that lies in `folder` meanwhile. Raises InputError where the loss never falls.
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
    """The lr at which the loss falls fastest over the logarithm of lr, of a curve of lr and loss.

    Lightning's own suggestion is the steepest slope over lr itself, which is nearly always one of the lowest
    rates. The first steps, in which its smoothing settles, and what follows the least loss do not count.
    Raises InputError where the loss never falls.
    """
    finite = curve[np.isfinite(curve["loss"])].iloc[SETTLING:]
    falling = finite.loc[: finite["loss"].idxmin()] if len(finite) else finite
    slope = np.gradient(falling["loss"], np.log(falling["lr"])) if len(falling) > 2 else np.zeros(1)
    if slope.min() >= 0:
        raise InputError("the loss falls at no learning rate; set training.lr to a number.")
    return float(falling["lr"].iloc[slope.argmin()])
