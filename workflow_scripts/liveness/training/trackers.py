"""Experiment trackers that follow training, beside TensorBoard and CSV files: Lightning's loggers."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import loggers

from liveness.runtime.errors import InputError

TRACKERS = {"wandb": "WandbLogger", "mlflow": "MLFlowLogger", "comet": "CometLogger"}


def make_trackers(
    settings: Mapping[str, Mapping[str, Any]], name: str, folder: Path, about: Mapping[str, Any]
) -> list[loggers.Logger]:
    """A logger per tracker of `settings`, with its options, for the run `name`, described by `about`.

    Raises InputError where a tracker's package is not installed or refuses its options.
    """
    made = []
    for tracker, options in settings.items():
        where: dict[str, Any] = {"save_dir": folder} if tracker != "comet" else {}
        named = {"name": name} if tracker != "mlflow" else {"run_name": name}
        try:
            logger = getattr(loggers, TRACKERS[tracker])(**named, **where, **options)
            logger.log_hyperparams(dict(about))
        except ModuleNotFoundError:
            raise InputError(
                f"tracking.{tracker} needs the package {tracker}; install it where training runs."
            ) from None
        except TypeError as error:
            raise InputError(f"tracking.{tracker}: {error}; see Lightning's {TRACKERS[tracker]}.") from None
        made.append(logger)
    return made


def git_revision(folder: Path) -> str:
    """Commit of the checkout that holds `folder`, with -dirty where it was changed; empty outside of git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
