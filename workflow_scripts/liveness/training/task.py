"""Training tasks: a network, its data and its recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from liveness.models.checkpoint import Checkpoint
from liveness.settings.training import Training
from liveness.video.frame_store import FrameStore


@dataclass(frozen=True)
class Recipe(Training):
    """Settings of `training` with the final learning rate, and the seed."""

    lr: float = field(kw_only=True)
    seed: int = field(kw_only=True)


@dataclass(frozen=True)
class Task:
    """A network to fine-tune on the videos in `training` and to validate on those in `validation`.

    Both map file names to 1 (live) or 0 (spoof); their frames are in `store`. `threads` is the
    number of threads of this process.
    """

    checkpoint: Checkpoint
    store: FrameStore
    training: Mapping[str, int]
    validation: Mapping[str, int]
    recipe: Recipe
    threads: int
