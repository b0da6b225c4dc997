"""Frames and trained networks shared by the training tests."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_task import PLAIN, film, train

from liveness.models.checkpoint import Checkpoint
from liveness.video.sampling import Sampling
from stored_frames import extract_folder


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the frames of twelve clips, of which every second one is bluish."""
    folder = tmp_path_factory.mktemp("videos")
    film(folder, 12)
    return extract_folder(folder, folder, Sampling(4, (0.0, 1.0), short_side=64))


@pytest.fixture(scope="session")
def trained(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("trained")
    return folder, *train(frames, folder)


@pytest.fixture(scope="session")
def plain(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a ConvNeXt after one epoch of four steps."""
    return train(frames, tmp_path_factory.mktemp("plain"), PLAIN, "test_convnext")[0].module.state_dict()
