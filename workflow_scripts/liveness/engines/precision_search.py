"""Choose the layers of a mixed-precision engine that must stay in float32."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from liveness.engines.parity_sample import ReferenceSample

log = logging.getLogger(__name__)

# Layers are tested in groups of neighbours, with one build per group.
GROUPS = 8
# frames used by the search: those whose scores change most in the fast precision
FRAMES = 16
# The search aims at this share of the limit: layers are fitted to its frames, and other frames
# differ more (measured: 0.021 where these showed 0.0096 and the limit was 0.01).
MARGIN = 0.75

Score = Callable[[Sequence[str], NDArray[np.uint8]], NDArray[np.float32]]
"""Score frames with an engine that computes the named layers in float32, all others in the fast
precision."""


def choose_float32_layers(
    layers: Sequence[str], score: Score, sample: ReferenceSample, limit: float
) -> list[str] | None:
    """Choose a small set of float32 layers that keeps an engine well within `limit` of its model.

    First each group of neighbouring layers is computed in the fast precision alone to measure its
    error. Then groups move to float32, largest error first, until the engine agrees.

    Returns:
        The layers, or None if half of the groups in float32 are not enough.
    """
    moved = _differences(score([], sample.frames), sample.probabilities)
    worst = np.argsort(-moved)[:FRAMES]
    frames, probabilities = sample.frames[worst], sample.probabilities[worst]

    def errors(float32: Sequence[str]) -> NDArray[np.float32]:
        return _differences(score(float32, frames), probabilities)

    groups = [list(group) for group in np.array_split(list(layers), min(GROUPS, len(layers)))]
    losses = []
    for group in groups:
        # the mean, because the maximum depends on a single frame
        losses.append(float(errors([layer for layer in layers if layer not in group]).mean()))
        first, last = layers.index(group[0]) + 1, layers.index(group[-1]) + 1
        log.info(
            "layers %d to %d of %d change scores by %.6f on average", first, last, len(layers), losses[-1]
        )
    chosen: set[str] = set()
    for position in np.argsort(losses)[::-1][: len(groups) // 2]:
        chosen.update(groups[position])
        float32 = [layer for layer in layers if layer in chosen]
        remaining = float(errors(float32).max())
        log.info("%d of %d layers in float32: largest difference %.6f", len(float32), len(layers), remaining)
        if remaining <= MARGIN * limit:
            return float32
    return None


def _differences(scores: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isfinite(scores), np.abs(scores - reference), np.inf)
