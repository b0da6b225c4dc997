"""Contact sheet of augmented training frames, one card per kind of augmentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from liveness.augmentation import random_degradation, recapture
from liveness.augmentation.training_views import erase, recaptured, training_view
from liveness.models.normalisation import Normalisation
from liveness.report.html_pages import Card
from liveness.settings.training import Augmentation
from liveness.video.frame_store import FrameStore

# number of epochs whose views are shown, and the size of the frames in pixels
EPOCHS = 2
SIDE = 224
MIDDLE = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Example:
    """A stored frame, uint8 RGB [H, W, 3], with its row in the store and label (1 = live)."""

    fname: str
    row: int
    label: int
    image: np.ndarray


def choose(labels: Mapping[str, int], count: Mapping[int, int]) -> dict[str, int]:
    """Choose `count` videos of each label, spread evenly over all names, live ones first."""
    chosen: dict[str, int] = {}
    for label in (1, 0):
        fnames = sorted(fname for fname in labels if labels[fname] == label)
        places = np.linspace(0, len(fnames) - 1, min(count[label], len(fnames))).round().astype(int)
        chosen |= {fnames[place]: label for place in places}
    return chosen


def middle_frames(store: FrameStore, labels: Mapping[str, int]) -> list[Example]:
    """Return the middle frame of each labelled video that has frames."""
    rows = {fname: store.rows(fname) for fname in labels}
    middle = {fname: int(own[len(own) // 2]) for fname, own in rows.items() if len(own)}
    return [Example(fname, row, labels[fname], store.image(row)) for fname, row in middle.items()]


def sheet(examples: Sequence[Example], augmentation: Augmentation, seed: int) -> list[Card]:
    """Return cards of the stored frames, of their first training views, and of every augmentation.

    All kinds of recapture and degradation are shown, whether or not they are switched on.
    """
    live = [example for example in examples if example.label == 1]
    cards = [Card("stored", "before augmentation", {e.fname: e.image for e in examples})]
    cards += [_epoch(examples, augmentation, seed, epoch) for epoch in range(EPOCHS)]
    for number, kind in enumerate(recapture.KINDS):
        rng = np.random.default_rng((seed, number))
        pictures = {e.fname: recaptured(e.image, kind, rng) for e in live}
        name = kind.replace("_", " ")
        cards.append(Card(name, _probability("recapture", augmentation.recapture), pictures, "now a spoof"))
    for number, (name, degradation) in enumerate(random_degradation.KINDS.items()):
        rng = np.random.default_rng((seed, number))
        pictures = {e.fname: degradation(e.image, rng) for e in examples}
        cards.append(Card(name, _probability("degrade", augmentation.degrade), pictures))
    return cards


def _epoch(examples: Sequence[Example], augmentation: Augmentation, seed: int, epoch: int) -> Card:
    view = training_view(augmentation, SIDE)
    # erasing fills with noise around the mean
    normalise = Normalisation(MIDDLE, MIDDLE)
    pictures = {}
    for example in examples:
        key = (seed, epoch, example.fname, example.row)
        pixels, label = view(example.image, example.label, key)
        images = normalise(pixels[None])
        erase(images, [str(key)], augmentation.erasing)
        image = images[0].permute(1, 2, 0).numpy() * 127.5 + 127.5
        caption = example.fname if label == example.label else f"{example.fname}, now a spoof"
        pictures[caption] = image.clip(0, 255).round().astype(np.uint8)
    return Card(f"epoch {epoch}", "as training sees them", pictures)


def _probability(key: str, value: float) -> str:
    key = f"training.augmentation.{key}"
    return f"probability {value:g} ({key})" if value else f"switched off ({key} is 0)"
