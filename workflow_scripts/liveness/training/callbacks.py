"""Training callbacks: the history of epochs, and stopping on a signal."""

import signal
import threading
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from liveness.runtime.errors import InputError

# batches between checks of whether any other process received a stop signal
STOP_EVERY = 10


class History(Callback):
    """Metrics of every finished epoch, stored in checkpoints so that resumed runs have them all."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name != "loss"}
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        self.epochs.append({"epoch": trainer.current_epoch, "lr": rate, **metrics})

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = list(state["epochs"])


class Preemption(Callback):
    """Save a checkpoint and stop on SIGTERM or SIGUSR1, which schedulers send before preemption.

    `batches`, of `at_once` frames each, counts those done in an unfinished epoch, so that training
    can resume after them.
    """

    def __init__(self, last: Path, at_once: int) -> None:
        self.last = last
        self.at_once = at_once
        self.received = False
        self.batches = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            # after Lightning has installed its own handlers, which it restores itself
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, self._receive)

    def _receive(self, number: int, _: object) -> None:
        self.received = True

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.batches = batch_idx + 1
        if trainer.world_size > 1:
            if self.batches % STOP_EVERY:
                return
            self.received = trainer.strategy.reduce_boolean_decision(self.received, all=False)
        # stop only after an optimiser step, when no gradients are pending, and not at the epoch's
        # end
        stepped = self.batches % trainer.accumulate_grad_batches == 0
        if self.received and stepped and self.batches < trainer.num_training_batches:
            trainer.save_checkpoint(self.last)
            raise InputError(
                f"training was told to stop in epoch {trainer.current_epoch}; run it again to resume."
            )

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.batches = 0

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches, "at_once": self.at_once}
