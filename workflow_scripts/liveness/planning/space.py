"""The disk space that a run will take, estimated while it is planned.

It counts the large files that are not there yet, in bytes:

- stored frames, if an engine is missing: labelled videos x frames.count x short_side^2 x 16/9
  pixels x 0.4 (1 above quality 95);
- each network and fold: its weights (4 per parameter), the ONNX files (as much for float32, half
  of it for half precision), the engine (as much again);
- the largest network that is to be trained: its training states, the last one and those that are
  kept (training.soup_epochs), each of them weights, their average and the two moments of AdamW.

Parameters are guessed from names, since importing timm takes longer than a plan.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liveness.runtime.disk import free_space, readable_size

ASPECT = 16 / 9
# 48 frames of phone videos, 256 pixels high or wide, have 0.37 on average at quality 95, 0.15 at 80
BYTES_PER_PIXEL = 0.4
BYTES_PER_PIXEL_ABOVE_95 = 1.0
BYTES_PER_PARAMETER = 4
COPIES_PER_STATE = 4
# millions of parameters of the larger of ConvNeXt and ViT with such a word in its name
PARAMETERS = {
    **{"atto": 4, "femto": 5, "pico": 9, "nano": 16, "tiny": 29, "small": 50, "base": 89},
    **{"large": 304, "xlarge": 350, "huge": 632, "xxlarge": 846, "giant": 1136},
}
# those of EfficientNet-B5, or of ResNet-50 and some more
OTHER_PARAMETERS = 30


@dataclass(frozen=True)
class Network:
    """A model on one fold: what is missing of it."""

    architecture: str
    weights: bool
    exported: bool
    engine: bool


def labelled_videos(labels: str) -> int:
    """Count the rows of a labels file by its lines, much faster than by reading it."""
    with Path(labels).open("rb") as file:
        return max(0, sum(1 for _ in file) - 1)


def frames_size(videos: int, frames: Mapping[str, Any]) -> float:
    """Estimate the bytes of the stored frames; `frames` is the section of the configuration."""
    pixel = BYTES_PER_PIXEL if frames["quality"] <= 95 else BYTES_PER_PIXEL_ABOVE_95
    return videos * frames["count"] * frames["short_side"] ** 2 * ASPECT * pixel


def networks_size(networks: Collection[Network], precisions: Sequence[str], states: int) -> float:
    """Estimate the bytes of weights, ONNX files of `precisions`, engines and training states."""
    exported = sum(1 if precision == "fp32" else 0.5 for precision in precisions) or 1
    total = sum(
        weights_size(one.architecture) * (one.weights + exported * (one.exported and one.engine) + one.engine)
        for one in networks
    )
    trained = [weights_size(one.architecture) for one in networks if one.weights]
    return total + states * COPIES_PER_STATE * max(trained, default=0)


def weights_size(architecture: str) -> float:
    """Estimate the bytes of a network's weights in float32."""
    words = re.split("[_.]", architecture)
    millions = max((PARAMETERS[word] for word in words if word in PARAMETERS), default=OTHER_PARAMETERS)
    return millions * 1e6 * BYTES_PER_PARAMETER


def space_warning(frames: float, networks: float, results: str) -> str | None:
    """Return a sentence if the disk of the folder `results` has less than so many bytes left."""
    free = free_space(results)
    if frames + networks <= free:
        return None
    return (
        f"This run may fill the disk: it needs about {readable_size(frames + networks)} (stored frames "
        f"{readable_size(frames)}, networks and engines {readable_size(networks)}), and "
        f"{readable_size(free)} are left for {results}; free up space, or use another disk (--directory)."
    )
