"""Frames and trained networks shared by the training tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_task import PLAIN, train

from clips import write_clip
from liveness.models.checkpoint import Checkpoint
from liveness.video.frame_store import extract
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.sampling import Sampling


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the frames of twelve clips, of which every second one is bluish."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for n in range(12):
        texture = rng.integers(0, 255, (8, 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        texture[..., 2] = 255 if n % 2 else texture[..., 2]
        write_clip(folder / f"{n}.mp4", [texture] * 4)
    build_manifest(folder, [folder / "0.csv"], folder / "cache.sqlite", workers=1)
    manifest = read_manifest([folder / "0.csv"])
    extract(manifest, folder, folder / "0.arrow", Sampling(4, (0.0, 1.0), short_side=64), workers=1)
    return folder / "0.arrow"


@pytest.fixture(scope="session")
def trained(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("trained")
    return folder, *train(frames, folder)


@pytest.fixture(scope="session")
def plain(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a ConvNeXt after one epoch of four steps."""
    return train(frames, tmp_path_factory.mktemp("plain"), PLAIN, "test_convnext")[0].module.state_dict()
