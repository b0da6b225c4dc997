"""Experiment trackers in addition to TensorBoard and CSV files, through Lightning's loggers."""

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
    """Create a logger for each tracker in `settings`, which maps trackers to options.

    The run is called `name`; `about` is logged as its hyperparameters.

    Raises:
        InputError: a tracker's package is not installed or rejects the options.
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
    """Return the commit checked out at `folder`, with -dirty after changes; empty outside git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
