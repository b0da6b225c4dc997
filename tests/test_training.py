"""Fine-tuning a tiny network on real stored frames: it learns, repeats itself, and goes on after SIGKILL."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from clips import write_clip
from liveness.augmentation import Augmentation
from liveness.errors import InputError
from liveness.frames import FrameStore, Sampling, extract
from liveness.manifest import build_manifest, read_manifest
from liveness.models import Checkpoint, create
from liveness.training import Recipe, fine_tune

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


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips, odd ones bluish; the path of their frames."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for n in range(12):
        texture = rng.integers(0, 255, (8, 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        texture[..., 2] = 255 if n % 2 else texture[..., 2]
        write_clip(folder / f"{n}.mp4", [texture] * 4)
    build_manifest(folder, [folder / "0.csv"], folder / "cache.csv", workers=1)
    manifest = read_manifest([folder / "0.csv"])
    extract(
        manifest, folder, folder / "0.arrow", Sampling(4, (0.0, 1.0), short_side=64), quality=95, workers=1
    )
    return folder / "0.arrow"


def train(frames: Path, folder: Path, recipe: Recipe = RECIPE) -> tuple[Checkpoint, pd.DataFrame]:
    torch.manual_seed(0)
    return fine_tune(
        create("test_efficientnet", 64, drop_path=0.2),
        FrameStore([frames]),
        TRAINING,
        VALIDATION,
        recipe,
        state=folder / "state",
        logs=folder / "logs",
        threads=1,
    )


@pytest.fixture(scope="module")
def trained(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("trained")
    return folder, *train(frames, folder)


def weights(checkpoint: Checkpoint) -> torch.Tensor:
    return torch.cat([tensor.float().ravel() for tensor in checkpoint.module.state_dict().values()])


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


def test_the_learning_rate_rises_then_falls(trained: tuple[Path, Checkpoint, pd.DataFrame]) -> None:
    rates = trained[2]["lr"].tolist()
    assert rates[0] == pytest.approx(RECIPE.lr, rel=0.1)
    assert rates[-1] < rates[1] < rates[0]


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
        "import os, signal, sys; from pathlib import Path; import test_training as t\n"
        "from liveness.training import Classifier\n"
        "def kill(self, *_):\n"
        "    if self.current_epoch == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Classifier.on_validation_epoch_start = kill\n"
        "t.train(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(frames), str(tmp_path)]
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "workflow_scripts")]
    killed = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)}, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert torch.load(tmp_path / "state/last.ckpt", weights_only=True)["epoch"] == 0
    resumed, history = train(frames, tmp_path)
    assert torch.equal(weights(resumed), weights(trained[1]))
    pd.testing.assert_frame_equal(history, trained[2])


def test_diverged_training_is_said_in_one_sentence(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gives no numbers after epoch 0; lower training\.lr"):
        train(frames, tmp_path, replace(RECIPE, lr=1e30, ema_decay=0.0))


def test_a_fold_without_frames_is_refused(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no validation video of this fold has a stored frame"):
        fine_tune(
            create("test_efficientnet", 64), FrameStore([frames]), TRAINING, {"absent.mp4": 1}, RECIPE,
            state=tmp_path / "state", logs=tmp_path / "logs", threads=1,
        )  # fmt: skip
