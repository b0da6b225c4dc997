"""Checkpoints of Lightning that are complete or absent."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from liveness.runtime.atomic_write import atomic_write


class AtomicCheckpoints(TorchCheckpointIO):
    """Write checkpoints beside their places.

    Lightning writes them to TMPDIR and moves them. On another disk that is a copy, and what remains
    of it when the disk is full or the job is killed would be taken for the state to resume from.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint; raise DiskError if the disk is full, read-only, ..."""
        with atomic_write(path) as temporary:
            torch.save(checkpoint, temporary)
