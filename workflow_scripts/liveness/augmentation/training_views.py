"""Random views of stored frames, reproducible per seed, epoch and frame.

Re-capture and degradations change the stored frame; timm's transform then makes pixels for the network of it.
That is done by loading processes, which decode the frame anyway. What timm does to normalised images is done
to whole batches where the network is: pixels are a quarter of the bytes to hand over.
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

# moire and halftone as a share of the demo's (log-uniform): good screens and prints show little, but some
PATTERN = (0.2, 0.7)
# of a session of re-capturing: its slowest movement takes 5
SECONDS = 10
# seed, epoch, fname, row: what one look at one frame is drawn from
Key = tuple[int, int, str, int]
MakeView = Callable[[np.ndarray, int, Key], tuple[torch.Tensor, int]]


def _posterize(image: Image.Image, bits: int, **_: object) -> Image.Image:
    """Keep so many bits per channel; of 0, which RandAugment may draw, black is left."""
    return ImageOps.posterize(image, bits) if bits else Image.new(image.mode, image.size)


# timm 1.0 leaves 0 bits to Pillow, which refuses them since 13.0
auto_augment.NAME_TO_OP |= dict.fromkeys((n for n in auto_augment.NAME_TO_OP if "Posterize" in n), _posterize)


def training_view(augmentation: Augmentation, image_size: int) -> MakeView:
    """Return a function of a frame (uint8 [h, w, 3]), its label (1 live, 0 spoof) and its key.

    It gives uint8 [image_size, image_size, 3] and the label of what is seen there, the same for the same key
    in any process. `erase` is what is left to do.
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
        # pixels, neither normalised nor erased
        use_prefetcher=True,
    )

    def view(frame: np.ndarray, label: int, key: Key) -> tuple[torch.Tensor, int]:
        frame, label = _filmed(augmentation, frame, label, np.random.default_rng(_digest(key, 16)))
        seed_generators(key)
        # squashed first, as inference does: crops of a portrait frame would otherwise all be its centre
        pixels = transform(Image.fromarray(model_input(frame, min(frame.shape[:2]))))
        return pixels.permute(1, 2, 0), label

    return view


def erase(images: torch.Tensor, keys: Sequence[str], probability: float) -> None:
    """Fill a random rectangle of some normalised images [n, 3, S, S] with noise, in place, on their device.

    What is drawn for an image depends on its key alone.
    """
    if not probability:
        return
    erasing = RandomErasing(probability, mode="pixel", device=images.device)
    for image, key in zip(images, keys, strict=True):
        seed_generators(("erasing", key))
        erasing(image)


def recaptured(frame: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """The frame as a camera sees it at some moment on a screen or a print, one of `recapture.KINDS`."""
    low, high = np.log(PATTERN)
    session = recapture.draw(rng, kind).faint(math.exp(rng.uniform(low, high)))
    return session.apply(frame, rng.uniform(0, SECONDS))


def _filmed(
    augmentation: Augmentation, frame: np.ndarray, label: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Make attacks of some live frames, then spoil some of both classes alike: damage must tell nothing."""
    if label == 1 and rng.random() < augmentation.recapture:
        frame, label = recaptured(frame, rng.choice(recapture.KINDS), rng), 0
    if rng.random() < augmentation.degrade:
        frame = random_degradation.degrade(frame, rng)
    return frame, label


def _digest(key: tuple[object, ...], size: int) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=size).digest())


def seed_generators(key: tuple[object, ...]) -> None:
    """Seed the three generators that timm's transforms, mixup and drop path draw from."""
    seed = _digest(key, 4)
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed takes longer: it notes the call stack for every kind of accelerator that is not in use
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
