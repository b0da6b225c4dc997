"""Checkpoints are complete or absent, on whatever disk."""

from pathlib import Path

import pytest
import torch

from liveness.runtime.disk import DiskError
from liveness.training.atomic_checkpoints import AtomicCheckpoints
from small_disks import small_disk, small_files

OLD, NEW = ({"state_dict": {"weight": torch.rand(size)}} for size in (1_000, 100_000))


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new/last.ckpt"
    AtomicCheckpoints().save_checkpoint(NEW, path)
    loaded = AtomicCheckpoints().load_checkpoint(path)
    assert torch.equal(loaded["state_dict"]["weight"], NEW["state_dict"]["weight"])
    assert [*path.parent.iterdir()] == [path]


def refuse(folder: Path) -> None:
    """Save a checkpoint that does not fit beside one that does."""
    path = folder / "last.ckpt"
    files = AtomicCheckpoints()
    files.save_checkpoint(OLD, path)
    with pytest.raises(DiskError, match=r"last\.ckpt \(a training state\) cannot be written: "):
        files.save_checkpoint(NEW, path)
    assert torch.equal(files.load_checkpoint(path)["state_dict"]["weight"], OLD["state_dict"]["weight"])
    assert [*folder.iterdir()] == [path]


def test_the_last_checkpoint_survives_a_full_disk(tmp_path: Path) -> None:
    """Lightning's own files, copied from TMPDIR, would replace it by half of the new one."""
    with small_disk(tmp_path / "disk", "256k") as disk:
        refuse(disk)


def test_the_last_checkpoint_survives_a_limit(tmp_path: Path) -> None:
    with small_files(100_000):
        refuse(tmp_path)
