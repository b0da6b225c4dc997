"""The search for the layers that a mixed engine computes in float32."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liveness.engines.parity_sample import ReferenceSample
from liveness.engines.precision_search import Score, choose_float32_layers

SAMPLE = ReferenceSample(
    np.zeros((4, 2, 2, 3), np.uint8), np.full(4, 0.5, np.float32), np.full(4, -1, np.int8)
)


def additive(losses: Sequence[float]) -> tuple[list[str], Score]:
    """Create a model in which each layer outside float32 shifts every score by its own loss."""
    layers = [f"layer{i}" for i in range(len(losses))]

    def score(float32: Sequence[str], frames: np.ndarray) -> np.ndarray:
        moved = sum(loss for layer, loss in zip(layers, losses, strict=True) if layer not in float32)
        return np.full(len(frames), 0.5 + moved, np.float32)

    return layers, score


def test_the_layers_that_lose_most_are_chosen() -> None:
    layers, score = additive([0.0001] * 4 + [0.02] * 2 + [0.0001] * 10)
    assert choose_float32_layers(layers, score, SAMPLE, 0.01) == ["layer4", "layer5"]


def test_losses_everywhere_are_not_worth_mixing() -> None:
    layers, score = additive([0.02] * 16)
    assert choose_float32_layers(layers, score, SAMPLE, 0.01) is None


@given(st.lists(st.floats(0, 0.02), min_size=1, max_size=40))
def test_what_is_chosen_is_half_of_the_layers_at_most_and_enough(losses: list[float]) -> None:
    layers, score = additive(losses)
    chosen = choose_float32_layers(layers, score, SAMPLE, 0.01)
    if chosen is not None:
        assert set(chosen) <= set(layers) and len(chosen) <= max(1, len(layers)) / 2 + len(layers) / 8 + 1
        assert abs(score(chosen, SAMPLE.frames) - 0.5).max() <= 0.01
