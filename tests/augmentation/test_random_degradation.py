"""Random degradations keep the size, depend on the generator only and have the named effect."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.augmentation import random_degradation
from liveness.augmentation.random_degradation import KINDS, degrade

Kind = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# large shapes under fine noise, like faces under grain
SHAPES = np.random.default_rng(0).integers(40, 215, (8, 6, 3)).astype(np.uint8)
NOISE = np.random.default_rng(1).integers(-25, 25, (320, 240, 3))
FRAME = (cv2.resize(SHAPES, (240, 320)) + NOISE).clip(0, 255).astype(np.uint8)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def detail(frame: np.ndarray) -> float:
    """Return the variance of the Laplacian."""
    return float(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def thumbnail(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (12, 16), interpolation=cv2.INTER_AREA).astype(int)


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kind=st.sampled_from([*KINDS.values(), degrade]),
    seed=st.integers(0, 2**32 - 1),
)
def test_frames_keep_their_size_and_are_not_modified(size: tuple[int, int], kind: Kind, seed: int) -> None:
    frame = generator(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = frame.copy()
    seen = kind(frame, generator(seed))
    assert seen.shape == frame.shape
    assert seen.dtype == np.uint8
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("kind", [*KINDS, "degrade"])
def test_degradations_depend_on_the_generator(kind: str) -> None:
    change = getattr(random_degradation, kind)
    first, again, other = (change(FRAME, generator(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, FRAME)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["blur", "shrink"])
def test_blur_and_shrink_remove_detail_but_keep_shapes(kind: str, seed: int) -> None:
    seen = KINDS[kind](FRAME, generator(seed))
    assert detail(seen) < 0.3 * detail(FRAME)
    assert np.abs(thumbnail(seen) - thumbnail(FRAME)).mean() < 4


@pytest.mark.parametrize("seed", range(5))
def test_compress_creates_blocks_but_keeps_shapes(seed: int) -> None:
    seen = KINDS["compress"](FRAME, generator(seed))
    assert np.abs(thumbnail(seen) - thumbnail(FRAME)).mean() < 4
    steps = np.abs(np.diff(seen.astype(int), axis=1)).mean(axis=(0, 2))
    borders = steps[7::8].mean()
    assert borders > 1.05 * np.delete(steps, np.s_[7::8]).mean()


@pytest.mark.parametrize("seed", range(5))
def test_zoom_enlarges_a_part_of_the_frame(seed: int) -> None:
    """A ramp keeps its direction but covers a smaller range of values."""
    y, x = np.mgrid[0:320, 0:240]
    ramp = np.stack([x, y * 0.75, np.zeros_like(x)], axis=2).astype(np.uint8)
    seen = KINDS["zoom"](ramp, generator(seed)).astype(int)
    for channel, axis in ((0, 1), (1, 0)):
        values = seen[..., channel]
        assert (np.diff(values, axis=axis) >= 0).all()
        assert 0.68 * 239 < np.ptp(values) < 0.97 * 239


@pytest.mark.parametrize("seed", range(5))
def test_recolour_changes_colours_but_not_shapes(seed: int) -> None:
    seen = KINDS["recolour"](FRAME, generator(seed))
    assert np.abs(seen.mean(axis=(0, 1)) - FRAME.mean(axis=(0, 1))).max() > 2
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).ravel() for image in (seen, FRAME)]
    assert np.corrcoef(grey)[0, 1] > 0.95
    black = KINDS["recolour"](np.zeros((4, 4, 3), np.uint8), generator(seed))
    assert (black == 0).all()


def test_one_or_two_degradations_are_applied_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    applied: list[str] = []

    def kind(name: str) -> Kind:
        return lambda frame, rng: applied.append(name) or frame

    for name in KINDS:
        monkeypatch.setitem(KINDS, name, kind(name))
    counts = []
    for seed in range(100):
        applied.clear()
        degrade(FRAME, generator(seed))
        places = [list(KINDS).index(name) for name in applied]
        assert places == sorted(set(places))
        counts.append(len(places))
    assert counts.count(1) + counts.count(2) == 100
    assert 30 < counts.count(1) < 70
