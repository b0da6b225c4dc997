"""Fine-tuning a tiny network on real stored frames: it learns, repeats itself, and goes on after SIGKILL."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss

from clips import write_clip
from liveness.augmentation.training_views import Augmentation
from liveness.models.checkpoint import Checkpoint, create
from liveness.models.normalisation import Normalisation
from liveness.runtime.errors import InputError
from liveness.training.data_loading import batch_shares, make_loaders
from liveness.training.datasets import ValidationFrames
from liveness.training.fine_tune import fine_tune
from liveness.training.lightning_module import Classifier
from liveness.training.lr_finder import find_learning_rate, steepest
from liveness.training.task import Recipe, Task
from liveness.video.frame_store import FrameStore, extract
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.sampling import Sampling
from running import ROOT

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
    build_manifest(folder, [folder / "0.csv"], folder / "cache.sqlite", workers=1)
    manifest = read_manifest([folder / "0.csv"])
    extract(
        manifest, folder, folder / "0.arrow", Sampling(4, (0.0, 1.0), short_side=64), quality=95, workers=1
    )
    return folder / "0.arrow"


def task(frames: Path, network: Checkpoint, recipe: Recipe = RECIPE, **changes: Any) -> Task:
    return replace(Task(network, FrameStore([frames]), TRAINING, VALIDATION, recipe, threads=1), **changes)


def train(
    frames: Path, folder: Path, recipe: Recipe = RECIPE, architecture: str = "test_efficientnet"
) -> tuple[Checkpoint, pd.DataFrame]:
    torch.manual_seed(0)
    network = create(architecture, 64, drop_path=0.2)
    return fine_tune(task(frames, network, recipe), folder / "state", folder / "logs")


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
        "from liveness.training.lightning_module import Classifier\n"
        "def kill(self, *_):\n"
        "    if self.current_epoch == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Classifier.on_validation_epoch_start = kill\n"
        "t.train(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(frames), str(tmp_path)]
    folders = [str(ROOT / "tests"), str(ROOT / "workflow_scripts")]
    killed = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)}, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert torch.load(tmp_path / "state/last.ckpt", weights_only=True)["epoch"] == 0
    resumed, history = train(frames, tmp_path)
    assert torch.equal(weights(resumed), weights(trained[1]))
    pd.testing.assert_frame_equal(history, trained[2])


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


def test_a_run_stopped_in_mid_epoch_goes_on_with_as_many_frames_at_once(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    stopped = {"epoch": 1, "callbacks": {"Preemption": {"batches": 2, "at_once": 4}}}
    torch.save(stopped, tmp_path / "state/last.ckpt")
    with pytest.raises(InputError, match="4 frames per process at once, now it would be 8"):
        train(frames, tmp_path)


def test_diverged_training_is_said_in_one_sentence(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gives no numbers after epoch 0; lower training\.lr"):
        train(frames, tmp_path, replace(RECIPE, lr=1e30, ema_decay=0.0))


def test_a_fold_without_frames_is_refused(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no validation video of this fold has a stored frame"):
        make_loaders(task(frames, create("test_efficientnet", 64), validation={"absent.mp4": 1}))


# options; each shows in the weights

PLAIN = replace(RECIPE, epochs=1, warmup_epochs=0, ema_decay=0.0, weight_decay=0.0)


@pytest.fixture(scope="module")
def plain(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a convnext after one epoch of four steps."""
    return train(frames, tmp_path_factory.mktemp("plain"), PLAIN, "test_convnext")[0].module.state_dict()


def trained_with(frames: Path, folder: Path, **options: Any) -> dict[str, torch.Tensor]:
    return train(frames, folder, replace(PLAIN, **options), "test_convnext")[0].module.state_dict()


def initial() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return create("test_convnext", 64, drop_path=0.2).module.state_dict()


def moved(state: dict[str, torch.Tensor], name: str) -> float:
    return float((state[name] - initial()[name]).abs().mean())


@pytest.mark.thorough
def test_batches_in_pieces_are_the_same_batches(frames: Path, tmp_path: Path) -> None:
    # without drop path, which draws for each piece
    def end(size: int) -> torch.Tensor:
        torch.manual_seed(0)
        recipe = replace(PLAIN, device_batch_size=size, lr=1e-4)
        given = task(frames, create("test_convnext", 64), recipe)
        return weights(fine_tune(given, tmp_path / str(size), tmp_path / "logs")[0])

    assert torch.allclose(end(0), end(4), atol=1e-5)


def test_clipped_gradients_move_nothing(frames: Path, tmp_path: Path, plain: dict[str, torch.Tensor]) -> None:
    # AdamW divides by the gradients' size plus 1e-8: what is far below moves the weights by as little
    clipped = trained_with(frames, tmp_path, clip_grad=1e-13)
    assert moved(clipped, "stem.0.weight") < moved(plain, "stem.0.weight") / 100


@pytest.mark.thorough
def test_layer_decay_slows_the_first_layers(
    frames: Path, tmp_path: Path, plain: dict[str, torch.Tensor]
) -> None:
    decayed = trained_with(frames, tmp_path, layer_decay=0.3)
    assert moved(decayed, "stem.0.weight") < moved(plain, "stem.0.weight") / 5
    assert moved(decayed, "head.fc.weight") == pytest.approx(moved(plain, "head.fc.weight"), rel=0.5)


def test_a_frozen_backbone_stays_as_it_was(frames: Path, tmp_path: Path) -> None:
    frozen = trained_with(frames, tmp_path, freeze_epochs=1)
    changed = {name for name, tensor in frozen.items() if not torch.equal(tensor, initial()[name])}
    assert changed and all(name.startswith("head.") for name in changed)


@pytest.mark.thorough
def test_a_backbone_thaws(frames: Path, tmp_path: Path) -> None:
    recipe = replace(PLAIN, epochs=2, freeze_epochs=1)
    thawed = train(frames, tmp_path, recipe, "test_efficientnet")[0].module.state_dict()
    torch.manual_seed(0)
    before = create("test_efficientnet", 64, drop_path=0.2).module.state_dict()
    assert not torch.equal(thawed["conv_stem.weight"], before["conv_stem.weight"])
    assert not torch.equal(thawed["bn1.running_mean"], before["bn1.running_mean"])


@pytest.mark.thorough
def test_gradient_checkpointing_changes_no_weight(
    frames: Path, tmp_path: Path, plain: dict[str, torch.Tensor]
) -> None:
    saved = trained_with(frames, tmp_path, gradient_checkpointing=True)
    assert all(torch.allclose(tensor, plain[name], atol=1e-6) for name, tensor in saved.items())


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


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "bce"},
        {"loss": "focal", "focal_gamma": 3.0},
        {"mixup": 0.4, "cutmix": 1.0},
    ],
    ids=["bce", "focal", "mixup"],
)
def test_other_losses_and_mixtures_train_and_repeat(
    frames: Path, tmp_path: Path, plain: dict[str, torch.Tensor], options: dict[str, Any]
) -> None:
    first, second = (trained_with(frames, tmp_path / name, **options) for name in ("first", "second"))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert not torch.equal(first["head.fc.weight"], plain["head.fc.weight"])


def test_mixtures_need_pairs(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="even number of frames"):
        train(frames, tmp_path, replace(PLAIN, mixup=0.2, batch_size=5))


def test_the_learning_rate_finder_gives_a_rate_and_its_curve(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    rate, curve = find_learning_rate(task(frames, create("test_convnext", 64)), tmp_path)
    assert 1e-7 < rate < 1
    assert curve["lr"].is_monotonic_increasing
    assert len(curve) > 20
    assert not list(tmp_path.iterdir())


def test_the_rate_is_that_of_the_steepest_fall_over_its_logarithm() -> None:
    lr = np.geomspace(1e-7, 1, 100)
    # settles, falls around 1e-3, explodes
    loss = 0.7 - 0.5 / (1 + np.exp(-3 * (np.log10(lr) + 3))) + 5 * (lr > 0.3) - 0.5 * (lr < 2e-7)
    assert steepest(pd.DataFrame({"lr": lr, "loss": loss})) == pytest.approx(1e-3, rel=0.2)


def test_a_loss_that_never_falls_gives_no_rate() -> None:
    curve = pd.DataFrame({"lr": np.geomspace(1e-7, 1, 100), "loss": np.linspace(0.7, 3, 100)})
    with pytest.raises(InputError, match=r"set training\.lr to a number"):
        steepest(curve)


@pytest.mark.parametrize(
    ("batch_size", "frames_in_all", "world", "limit", "expected"),
    [
        (32, 1000, 1, 0, (32, 32, 1)),
        (64, 1000, 2, 0, (64, 32, 1)),
        (64, 1000, 2, 8, (64, 8, 4)),
        (60, 1000, 2, 8, (60, 6, 5)),
        (64, 41, 2, 0, (40, 20, 1)),
    ],
)
def test_a_batch_is_divided(
    batch_size: int, frames_in_all: int, world: int, limit: int, expected: tuple[int, int, int]
) -> None:
    assert batch_shares(batch_size, frames_in_all, world, limit) == expected


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match="32 frames cannot be divided among 3 processes"):
        batch_shares(32, 1000, 3, 0)
