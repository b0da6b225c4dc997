"""Random training views of stored frames, reproducible by seed, epoch and frame.

Recapture and degradations change the stored frame; timm's transform then turns it into pixels for
the network. The data loader's processes do this, since they decode the frame anyway. Random erasing
needs normalised images and runs on whole batches on the network's device, so that the processes
hand over uint8 pixels, a quarter of the bytes.
"""

import hashlib
import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import auto_augment, create_transform
from timm.data.random_erasing import RandomErasing

from liveness.augmentation import random_degradation, recapture
from liveness.settings.training import Augmentation
from liveness.video.preprocessing import model_input

# range of the log-uniform strength of moire and halftone, relative to the demo's: even good screens
# and prints show some
PATTERN = (0.2, 0.7)
# length of a recapture session, whose slowest movement has a period of 5 s
SECONDS = 10
# seed, epoch, fname, row: seeds the view of a frame
Key = tuple[int, int, str, int]
MakeView = Callable[[np.ndarray, int, Key], tuple[torch.Tensor, int]]


def _posterize(image: Image.Image, bits: int, **_: object) -> Image.Image:
    """Keep `bits` bits per channel; with 0, which RandAugment may draw, the image turns black."""
    return ImageOps.posterize(image, bits) if bits else Image.new(image.mode, image.size)


# timm 1.0 passes 0 bits on to Pillow, which refuses them since 13.0
auto_augment.NAME_TO_OP |= dict.fromkeys((n for n in auto_augment.NAME_TO_OP if "Posterize" in n), _posterize)


def training_view(augmentation: Augmentation, image_size: int) -> MakeView:
    """Return a function of a frame (uint8 [h, w, 3]), its label (1 live, 0 spoof) and its key.

    It returns uint8 [image_size, image_size, 3] and the label of the view, the same for the same
    key in any process. Only `erase` remains to be applied.
    """
    transform = create_transform(
        image_size,
        is_training=True,
        scale=(augmentation.crop_scale[0], augmentation.crop_scale[1]),
        hflip=augmentation.hflip,
        vflip=augmentation.vflip,
        # timm's colour jitter and its policies are mutually exclusive
        color_jitter=0.0 if augmentation.auto_augment else augmentation.color_jitter,
        auto_augment=augmentation.auto_augment or None,
        interpolation="bilinear",
        # returns pixels, neither normalised nor erased
        use_prefetcher=True,
    )

    def view(frame: np.ndarray, label: int, key: Key) -> tuple[torch.Tensor, int]:
        frame, label = _filmed(augmentation, frame, label, np.random.default_rng(_digest(key, 16)))
        seed_generators(key)
        # resized to a square first, as in inference: otherwise all crops would show the centre only
        pixels = transform(Image.fromarray(model_input(frame, min(frame.shape[:2]))))
        return pixels.permute(1, 2, 0), label

    return view


def erase(images: torch.Tensor, keys: Sequence[str], probability: float) -> None:
    """Fill a random rectangle of some normalised images [n, 3, S, S] with noise, in place.

    The random numbers for an image depend only on its key.
    """
    if not probability:
        return
    erasing = RandomErasing(probability, mode="pixel", device=images.device)
    for image, key in zip(images, keys, strict=True):
        seed_generators(("erasing", key))
        erasing(image)


def recaptured(frame: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Simulate the frame as a camera sees it on the medium `kind`, one of `recapture.KINDS`."""
    low, high = np.log(PATTERN)
    session = recapture.draw(rng, kind).faint(math.exp(rng.uniform(low, high)))
    return session.apply(frame, rng.uniform(0, SECONDS))


def _filmed(
    augmentation: Augmentation, frame: np.ndarray, label: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Turn some live frames into attacks, then degrade some frames.

    Both classes are degraded alike, so that degradation carries no information about the label.
    """
    if label == 1 and rng.random() < augmentation.recapture:
        frame, label = recaptured(frame, rng.choice(recapture.KINDS), rng), 0
    if rng.random() < augmentation.degrade:
        frame = random_degradation.degrade(frame, rng)
    return frame, label


def _digest(key: tuple[object, ...], size: int) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=size).digest())


def seed_generators(key: tuple[object, ...]) -> None:
    """Seed the three random generators that timm's transforms, mixup and drop path use."""
    seed = _digest(key, 4)
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed is slower: it records the call stack for each kind of unused accelerator
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
