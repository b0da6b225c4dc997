"""Training callbacks: stopping on a signal, and the history."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_task import train, weights

from liveness.models.checkpoint import Checkpoint
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import Stopped, stop_on_signals
from liveness.training.callbacks import History
from liveness.training.lightning_module import Classifier


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_run_that_is_told_to_stop_goes_on_in_mid_epoch(
    frames: Path, tmp_path: Path, trained: tuple[Path, Checkpoint, pd.DataFrame], number: signal.Signals
) -> None:
    def stop(self: Classifier, batch: object, batch_idx: int) -> None:
        if (self.current_epoch, batch_idx) == (1, 1):
            os.kill(os.getpid(), number)
        start(self, batch, batch_idx)

    start = Classifier.on_train_batch_start
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="told to stop in epoch 1"):
        patch.setattr(Classifier, "on_train_batch_start", stop)
        train(frames, tmp_path)
    stopped = torch.load(tmp_path / "state/last.ckpt", weights_only=True)
    assert stopped["callbacks"]["Preemption"] == {"batches": 2, "at_once": 8}
    assert signal.getsignal(number) in (signal.SIG_DFL, None)
    resumed, history = train(frames, tmp_path)
    assert torch.equal(weights(resumed), weights(trained[1]))
    pd.testing.assert_frame_equal(history, trained[2])


def test_ctrl_c_ends_training_with_a_sentence(frames: Path, tmp_path: Path) -> None:
    """Lightning would exit without one."""

    def interrupt(self: Classifier, batch: object, batch_idx: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(Stopped, match="stopped by SIGINT; run the same"),
    ):
        patch.setattr(Classifier, "on_train_batch_start", interrupt)
        stop_on_signals()
        try:
            train(frames, tmp_path)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def test_the_history_is_in_the_checkpoint(trained: tuple[Path, Checkpoint, pd.DataFrame]) -> None:
    """A resumed run starts with the epochs finished in its checkpoint."""
    saved = torch.load(trained[0] / "state/last.ckpt", weights_only=True)["callbacks"]["History"]
    history = History()
    history.load_state_dict(saved)
    assert pd.DataFrame(history.epochs)["epoch"].tolist() == list(range(saved["epochs"][-1]["epoch"] + 1))
    assert history.state_dict() == saved
    history.epochs.append({"epoch": 9})
    assert len(saved["epochs"]) < len(history.epochs), "what was loaded is a copy"
