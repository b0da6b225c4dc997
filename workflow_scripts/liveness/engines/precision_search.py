"""Mixed precision: which layers have to stay in float32 for an engine to agree with its model."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from liveness.engines.parity_sample import ReferenceSample

log = logging.getLogger(__name__)

# Layers are judged in runs of neighbours: as many builds as groups tell how much each of them loses.
GROUPS = 8
# frames that the search looks at: those that the fast precision moves most
FRAMES = 16
# The layers are fitted to these frames and others move further (measured: 0.021 where these showed 0.0096 and
# the limit was 0.01), so the search aims at this share of the limit.
MARGIN = 0.75

Score = Callable[[Sequence[str], NDArray[np.uint8]], NDArray[np.float32]]
"""Scores of frames by an engine with the named layers in float32 and the others in the fast precision."""


def choose_float32_layers(
    layers: Sequence[str], score: Score, sample: ReferenceSample, limit: float
) -> list[str] | None:
    """Few layers that bring an engine well within `limit` of its model in float32; None where half do not.

    Each group of neighbouring layers is first computed in the fast precision by itself; then groups go to
    float32 in the order of what they lost, until the rest agrees.
    """
    moved = _differences(score([], sample.frames), sample.probabilities)
    worst = np.argsort(-moved)[:FRAMES]
    frames, probabilities = sample.frames[worst], sample.probabilities[worst]

    def lost(float32: Sequence[str]) -> NDArray[np.float32]:
        return _differences(score(float32, frames), probabilities)

    groups = [list(group) for group in np.array_split(list(layers), min(GROUPS, len(layers)))]
    losses = []
    for group in groups:
        # the mean: which frame is moved most is chance
        losses.append(float(lost([layer for layer in layers if layer not in group]).mean()))
        first, last = layers.index(group[0]) + 1, layers.index(group[-1]) + 1
        log.info("layers %d to %d of %d lose %.6f on average", first, last, len(layers), losses[-1])
    chosen: set[str] = set()
    for position in np.argsort(losses)[::-1][: len(groups) // 2]:
        chosen.update(groups[position])
        float32 = [layer for layer in layers if layer in chosen]
        left = float(lost(float32).max())
        log.info("%d of %d layers in float32 leave a difference of %.6f", len(float32), len(layers), left)
        if left <= MARGIN * limit:
            return float32
    return None


def _differences(scores: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isfinite(scores), np.abs(scores - reference), np.inf)
