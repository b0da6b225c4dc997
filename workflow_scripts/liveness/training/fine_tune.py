"""Fine-tune one model on one fold, with Lightning's training loop.

Several processes may train together under torchrun, each on a share of every batch; each of them
calls `fine_tune`. The frames of a batch, and so the result, do not depend on their number.
"""

import logging
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from liveness.models.checkpoint import Checkpoint
from liveness.models.model_soup import greedy_soup, uniform_soup
from liveness.runtime.disk import writing
from liveness.runtime.malloc import keep_freed_memory
from liveness.training.atomic_checkpoints import AtomicCheckpoints
from liveness.training.callbacks import History, Preemption
from liveness.training.data_loading import make_loaders, this_share
from liveness.training.lightning_module import Classifier, lightning_precision, make_classifier
from liveness.training.task import Task

logger = logging.getLogger(__name__)


def fine_tune(
    task: Task, state: Path, logs: Path, trackers: Sequence[Logger] = ()
) -> tuple[Checkpoint, pd.DataFrame]:
    """Train, and select the epoch by log loss over the validation videos.

    The folder `state` holds the checkpoints from which a killed job resumes, after its last
    finished epoch or where a signal stopped it. `trackers` are loggers in addition to TensorBoard
    and CSV.

    Returns:
        The averaged (EMA) weights of the best epoch, or a soup of several epochs, and one row per
        epoch (epoch, lr, train_loss, val_loss, val_auc).

    Raises:
        InputError: see make_loaders; also raised when a signal stops training.
    """
    keep_freed_memory()
    recipe = task.recipe
    last = state / "last.ckpt"
    loaders = make_loaders(task, last)
    mixed = recipe.soup != "none"
    best = ModelCheckpoint(
        state,
        filename="best-{epoch}" if mixed else "best",
        monitor="val_loss",
        save_last=True,
        save_top_k=recipe.soup_epochs if mixed else 1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    history = History()
    callbacks = [Preemption(last, loaders.at_once), best, history, TQDMProgressBar(refresh_rate=5)]
    if recipe.ema_decay:
        # validation and checkpoints then see the averaged weights
        callbacks.insert(0, EMAWeightAveraging(decay=recipe.ema_decay))
    if recipe.patience:
        callbacks.append(EarlyStopping("val_loss", patience=recipe.patience))
    files = [kind(logs, name="", version="") for kind in (TensorBoardLogger, CSVLogger)]
    trainer = make_trainer(
        task, loaders.steps, max_epochs=recipe.epochs, callbacks=callbacks, logger=[*files, *trackers]
    )
    module = make_classifier(task, loaders)
    with warnings.catch_warnings():
        # Lightning recommends more workers than the job has cores
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # where the loggers write; checkpoints have their own sentence
        with writing(logs):
            trainer.fit(
                module,
                loaders.training,
                loaders.validation,
                ckpt_path=last if last.is_file() else None,
                weights_only=True,
            )

    members = [_weights(path) for path in sorted(best.best_k_models, key=best.best_k_models.__getitem__)]
    module.load_state_dict(_soup(members, task, module, loaders.validation) if mixed else members[0])
    return task.checkpoint, pd.DataFrame(history.epochs)


def make_trainer(task: Task, steps: int, **options: Any) -> lightning.Trainer:
    """Create Lightning's trainer for all processes, with `steps` batches per optimiser step."""
    recipe = task.recipe
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    torch.set_num_threads(task.threads)
    # otherwise `deterministic` below also fills all new memory with NaN, at every step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    share, local = this_share(), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return lightning.Trainer(
        precision=lightning_precision(recipe.precision),
        devices=local,
        num_nodes=share.world // local,
        # while the backbone is frozen, its weights have no gradients to synchronise
        strategy=DDPStrategy(find_unused_parameters=recipe.freeze_epochs > 0) if share.world > 1 else "auto",
        use_distributed_sampler=False,
        accumulate_grad_batches=steps,
        gradient_clip_val=recipe.clip_grad or None,
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        enable_model_summary=False,
        deterministic="warn",
        plugins=[AtomicCheckpoints()],
        **options,
    )


def _weights(path: str) -> dict[str, torch.Tensor]:
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def _soup(
    members: Sequence[dict[str, torch.Tensor]], task: Task, module: Classifier, validation: DataLoader
) -> dict[str, torch.Tensor]:
    """Average the best epochs' weights, all of them or those that lower the validation loss."""
    if task.recipe.soup == "uniform":
        return uniform_soup(members)
    # a trainer without callbacks, since EMAWeightAveraging would replace the weights to evaluate
    trainer = make_trainer(task, 1, logger=False, enable_checkpointing=False, enable_progress_bar=False)

    def evaluate(state: Mapping[str, torch.Tensor]) -> float:
        module.load_state_dict(state)
        return -trainer.validate(module, validation, verbose=False)[0]["val_loss"]

    soup, chosen = greedy_soup(members, evaluate)
    logger.info("a soup of %d of the %d best epochs", len(chosen), len(members))
    return soup


def forget(state: Path) -> None:
    """Delete the resume state of a finished job."""
    shutil.rmtree(state, ignore_errors=True)
