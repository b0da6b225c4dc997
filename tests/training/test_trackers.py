"""Experiment trackers in offline mode."""

import subprocess
from pathlib import Path

import pytest
import wandb
from lightning.pytorch.loggers import WandbLogger

from liveness.runtime.errors import InputError
from liveness.training.trackers import git_revision, make_trackers


def test_weights_and_biases_keeps_a_run_offline(tmp_path: Path) -> None:
    settings = {"wandb": {"project": "liveness", "offline": True}}
    (logger,) = make_trackers(settings, "xl/0", tmp_path, {"fold": 0, "code": "abc"})
    assert isinstance(logger, WandbLogger)
    logger.log_metrics({"val_loss": 0.5}, step=1)
    assert logger.experiment.name == "xl/0"
    assert dict(logger.experiment.config)["code"] == "abc"
    logger.experiment.finish()
    # W&B's own process may still be writing the record: wait for its end
    wandb.teardown()
    (record,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert b"val_loss" in record.read_bytes()


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tracking\.comet needs the package comet"):
        make_trackers({"comet": {}}, "xl/0", tmp_path, {})


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tracking\.wandb: .*WandbLogger"):
        make_trackers({"wandb": {"projekt": "liveness", "offline": True}}, "xl/0", tmp_path, {})


def test_the_revision_says_whether_the_checkout_was_changed(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("one")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    assert len(git_revision(tmp_path)) == 40
    (tmp_path / "file").write_text("two")
    assert git_revision(tmp_path).endswith("-dirty")
