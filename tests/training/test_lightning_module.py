"""The Lightning module: learning-rate schedule, and options that affect the weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tiny_task import PLAIN, RECIPE, initial, moved, train, trained_with

from liveness.models.checkpoint import Checkpoint, create
from liveness.runtime.errors import InputError
from liveness.training.lightning_module import lightning_precision


def test_the_learning_rate_rises_then_falls(trained: tuple[Path, Checkpoint, pd.DataFrame]) -> None:
    rates = trained[2]["lr"].tolist()
    assert rates[0] == pytest.approx(RECIPE.lr, rel=0.1)
    assert rates[-1] < rates[1] < rates[0]


def test_diverged_training_is_said_in_one_sentence(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scores are not finite after epoch 0; lower training\.lr"):
        train(frames, tmp_path, replace(RECIPE, lr=1e30, ema_decay=0.0))


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


@pytest.mark.parametrize(
    ("precision", "name"), [("fp32", "32-true"), ("bf16", "bf16-mixed"), ("fp16", "16-mixed")]
)
def test_precisions_have_lightnings_names(precision: str, name: str) -> None:
    assert lightning_precision(precision) == name


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU decides otherwise")
def test_auto_is_bf16_only_where_the_processor_computes_in_it() -> None:
    """Elsewhere bfloat16 is emulated, slower than float32."""
    flags = Path("/proc/cpuinfo").read_text()
    assert lightning_precision("auto") == ("bf16-mixed" if "avx512_bf16" in flags else "32-true")
