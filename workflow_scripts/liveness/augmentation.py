"""Random views of stored frames, reproducible per seed, epoch and frame."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform

from liveness.models import Normalisation
from liveness.preprocessing import model_input


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and ranges of timm's training transform; config.yaml explains each."""

    crop_scale: Sequence[float]
    hflip: float
    vflip: float
    color_jitter: float
    auto_augment: str
    erasing: float


def training_view(
    augmentation: Augmentation, image_size: int, mean: Normalisation, std: Normalisation
) -> Callable[[np.ndarray, tuple[int, int, str, int]], torch.Tensor]:
    """Return a function of a frame (uint8 [h, w, 3]) and its key (seed, epoch, fname, row).

    It gives a normalised float32 [3, image_size, image_size], the same for the same key in any process.
    """
    transform = create_transform(
        image_size,
        is_training=True,
        scale=(augmentation.crop_scale[0], augmentation.crop_scale[1]),
        hflip=augmentation.hflip,
        vflip=augmentation.vflip,
        # timm's colour jitter and its policies exclude each other
        color_jitter=0.0 if augmentation.auto_augment else augmentation.color_jitter,
        auto_augment=augmentation.auto_augment or None,
        interpolation="bilinear",
        re_prob=augmentation.erasing,
        re_mode="pixel",
        mean=mean,
        std=std,
    )

    def view(frame: np.ndarray, key: tuple[int, int, str, int]) -> torch.Tensor:
        seed_generators(key)
        # squashed first, as inference does: crops of a portrait frame would otherwise all be its centre
        return transform(Image.fromarray(model_input(frame, min(frame.shape[:2]))))

    return view


def seed_generators(key: tuple[object, ...]) -> None:
    """Seed the three generators that timm's transforms, mixup and drop path draw from."""
    seed = int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=4).digest())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
