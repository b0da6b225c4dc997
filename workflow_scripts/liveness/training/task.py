"""What is trained, on what and how."""

from collections.abc import Mapping
from dataclasses import dataclass

from liveness.augmentation.training_views import Augmentation
from liveness.models.checkpoint import Checkpoint
from liveness.video.frame_store import FrameStore


@dataclass(frozen=True)
class Recipe:
    """How to train; config.yaml explains each value."""

    epochs: int
    warmup_epochs: float
    batch_size: int
    lr: float
    min_lr: float
    weight_decay: float
    label_smoothing: float
    ema_decay: float
    precision: str
    augmentation: Augmentation
    seed: int
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    class_weights: str = "none"
    mixup: float = 0.0
    cutmix: float = 0.0
    layer_decay: float = 1.0
    clip_grad: float = 0.0
    freeze_epochs: int = 0
    patience: int = 0
    soup: str = "none"
    soup_epochs: int = 3
    device_batch_size: int = 0
    gradient_checkpointing: bool = False
    compile: bool = False


@dataclass(frozen=True)
class Task:
    """A network to fine-tune on the videos in `training`, judged on those in `validation`.

    Both map file names to 1 (live) or 0 (spoof); their frames are in `store`. `threads` are those of this
    process.
    """

    checkpoint: Checkpoint
    store: FrameStore
    training: Mapping[str, int]
    validation: Mapping[str, int]
    recipe: Recipe
    threads: int
