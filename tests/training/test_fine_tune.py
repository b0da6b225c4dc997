"""Fine-tuning a tiny network on stored frames learns, is reproducible, and survives SIGKILL."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss
from tiny_task import PLAIN, RECIPE, VALIDATION, moved, task, train, trained_with, weights

from liveness.models.checkpoint import Checkpoint, create
from liveness.models.normalisation import Normalisation
from liveness.training.datasets import ValidationFrames
from liveness.training.fine_tune import fine_tune
from liveness.video.frame_store import FrameStore
from running import ROOT


def test_it_learns_and_keeps_the_best_epoch(frames: Path, tmp_path: Path) -> None:
    checkpoint, history = train(frames, tmp_path, replace(RECIPE, epochs=8))
    assert history["epoch"].tolist() == list(range(8))
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    best = torch.load(tmp_path / "state/best.ckpt", weights_only=True)
    assert best["epoch"] == history["val_loss"].idxmin()
    assert list(tmp_path.glob("logs/events.out.tfevents*"))
    assert (tmp_path / "logs/metrics.csv").is_file()
    saved = {name.removeprefix("network."): value for name, value in best["state_dict"].items()}
    for name, value in checkpoint.module.state_dict().items():
        assert torch.equal(value, saved[name]), name


def test_the_saved_weights_are_the_averaged_ones(trained: tuple[Path, Checkpoint, pd.DataFrame]) -> None:
    state = torch.load(trained[0] / "state/best.ckpt", weights_only=True)
    name = "network.conv_stem.weight"
    assert not torch.equal(state["state_dict"][name], state["current_model_state"][name])


def test_one_seed_gives_identical_weights(
    frames: Path, tmp_path: Path, trained: tuple[Path, Checkpoint, pd.DataFrame]
) -> None:
    again, history = train(frames, tmp_path)
    assert torch.equal(weights(again), weights(trained[1]))
    pd.testing.assert_frame_equal(history, trained[2])


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(
    frames: Path, tmp_path: Path, trained: tuple[Path, Checkpoint, pd.DataFrame]
) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; import tiny_task as t\n"
        "from liveness.training.lightning_module import Classifier\n"
        "def kill(self, *_):\n"
        "    if self.current_epoch == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Classifier.on_validation_epoch_start = kill\n"
        "t.train(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(frames), str(tmp_path)]
    folders = [str(ROOT / name) for name in ("tests/training", "tests", "workflow_scripts")]
    killed = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)}, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert torch.load(tmp_path / "state/last.ckpt", weights_only=True)["epoch"] == 0
    resumed, history = train(frames, tmp_path)
    assert torch.equal(weights(resumed), weights(trained[1]))
    pd.testing.assert_frame_equal(history, trained[2])


@pytest.mark.thorough
def test_batches_in_pieces_are_the_same_batches(frames: Path, tmp_path: Path) -> None:
    # without drop path, which draws random numbers for each piece
    def end(size: int) -> torch.Tensor:
        torch.manual_seed(0)
        recipe = replace(PLAIN, device_batch_size=size, lr=1e-4)
        given = task(frames, create("test_convnext", 64), recipe)
        return weights(fine_tune(given, tmp_path / str(size), tmp_path / "logs")[0])

    assert torch.allclose(end(0), end(4), atol=1e-5)


def test_clipped_gradients_move_nothing(frames: Path, tmp_path: Path, plain: dict[str, torch.Tensor]) -> None:
    # AdamW divides by the size of gradients plus 1e-8: far smaller gradients hardly move weights
    clipped = trained_with(frames, tmp_path, clip_grad=1e-13)
    assert moved(clipped, "stem.0.weight") < moved(plain, "stem.0.weight") / 100


@pytest.mark.thorough
def test_training_stops_when_it_gets_no_better(frames: Path, tmp_path: Path) -> None:
    recipe = replace(PLAIN, epochs=9, lr=1e-12, min_lr=0.0, patience=1)
    _, history = train(frames, tmp_path, recipe, "test_convnext")
    assert len(history) == 2


@pytest.mark.thorough
def test_a_uniform_soup_is_the_mean_of_the_best_epochs(frames: Path, tmp_path: Path) -> None:
    recipe = replace(PLAIN, epochs=3, soup="uniform", soup_epochs=2)
    checkpoint, history = train(frames, tmp_path, recipe, "test_convnext")
    best = history["val_loss"].nsmallest(2).index
    states = [
        torch.load(tmp_path / f"state/best-epoch={epoch}.ckpt", weights_only=True)["state_dict"]
        for epoch in best
    ]
    for name, tensor in checkpoint.module.state_dict().items():
        members = torch.stack([state[f"network.{name}"].double() for state in states])
        assert torch.allclose(tensor.double(), members.mean(0), atol=1e-7), name


@pytest.mark.thorough
def test_a_greedy_soup_is_no_worse_than_its_best_epoch(frames: Path, tmp_path: Path) -> None:
    recipe = replace(PLAIN, epochs=3, soup="greedy", ema_decay=0.5)
    checkpoint, history = train(frames, tmp_path, recipe, "test_convnext")
    store = FrameStore([frames])
    val_set = ValidationFrames(store, VALIDATION, 64)
    pixels = torch.stack([val_set[position][0] for position in range(len(val_set))])
    images = Normalisation(checkpoint.mean, checkpoint.std)(pixels)
    with torch.inference_mode():
        scores = checkpoint.module.eval()(images).softmax(1)[:, 1]
    videos = pd.Series(scores.numpy()).groupby(pd.Index(val_set.fnames)).mean()
    loss = log_loss([VALIDATION[str(name)] for name in videos.index], videos)
    assert loss <= history["val_loss"].min() + 1e-6
