"""Random degradations: the size is kept, the generator decides, and each does what its name says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.augmentation import random_degradation
from liveness.augmentation.random_degradation import KINDS, degrade

Kind = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# large shapes under fine noise, as faces under grain
SHAPES = np.random.default_rng(0).integers(40, 215, (8, 6, 3)).astype(np.uint8)
NOISE = np.random.default_rng(1).integers(-25, 25, (320, 240, 3))
FRAME = (cv2.resize(SHAPES, (240, 320)) + NOISE).clip(0, 255).astype(np.uint8)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def detail(frame: np.ndarray) -> float:
    """Variance of the Laplacian."""
    return float(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def thumbnail(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (12, 16), interpolation=cv2.INTER_AREA).astype(int)


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kind=st.sampled_from([*KINDS.values(), degrade]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_frame_keeps_its_size_and_is_not_written_to(size: tuple[int, int], kind: Kind, seed: int) -> None:
    frame = generator(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = frame.copy()
    seen = kind(frame, generator(seed))
    assert seen.shape == frame.shape
    assert seen.dtype == np.uint8
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("kind", [*KINDS, "degrade"])
def test_the_generator_decides(kind: str) -> None:
    change = getattr(random_degradation, kind)
    first, again, other = (change(FRAME, generator(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, FRAME)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["blur", "shrink"])
def test_blur_and_shrink_take_detail_and_leave_shapes(kind: str, seed: int) -> None:
    seen = KINDS[kind](FRAME, generator(seed))
    assert detail(seen) < 0.3 * detail(FRAME)
    assert np.abs(thumbnail(seen) - thumbnail(FRAME)).mean() < 4


@pytest.mark.parametrize("seed", range(5))
def test_compress_makes_blocks_and_leaves_shapes(seed: int) -> None:
    seen = KINDS["compress"](FRAME, generator(seed))
    assert np.abs(thumbnail(seen) - thumbnail(FRAME)).mean() < 4
    steps = np.abs(np.diff(seen.astype(int), axis=1)).mean(axis=(0, 2))
    borders = steps[7::8].mean()
    assert borders > 1.05 * np.delete(steps, np.s_[7::8]).mean()


@pytest.mark.parametrize("seed", range(5))
def test_zoom_shows_a_part_of_the_frame_larger(seed: int) -> None:
    """A ramp becomes one of fewer values, still from left to right and from top to bottom."""
    y, x = np.mgrid[0:320, 0:240]
    ramp = np.stack([x, y * 0.75, np.zeros_like(x)], axis=2).astype(np.uint8)
    seen = KINDS["zoom"](ramp, generator(seed)).astype(int)
    for channel, axis in ((0, 1), (1, 0)):
        values = seen[..., channel]
        assert (np.diff(values, axis=axis) >= 0).all()
        assert 0.68 * 239 < np.ptp(values) < 0.97 * 239


@pytest.mark.parametrize("seed", range(5))
def test_recolour_changes_colours_and_moves_nothing(seed: int) -> None:
    seen = KINDS["recolour"](FRAME, generator(seed))
    assert np.abs(seen.mean(axis=(0, 1)) - FRAME.mean(axis=(0, 1))).max() > 2
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).ravel() for image in (seen, FRAME)]
    assert np.corrcoef(grey)[0, 1] > 0.95
    black = KINDS["recolour"](np.zeros((4, 4, 3), np.uint8), generator(seed))
    assert (black == 0).all()


def test_a_frame_suffers_once_or_twice_in_the_order_of_camera_and_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suffered: list[str] = []

    def kind(name: str) -> Kind:
        return lambda frame, rng: suffered.append(name) or frame

    for name in KINDS:
        monkeypatch.setitem(KINDS, name, kind(name))
    counts = []
    for seed in range(100):
        suffered.clear()
        degrade(FRAME, generator(seed))
        places = [list(KINDS).index(name) for name in suffered]
        assert places == sorted(set(places))
        counts.append(len(places))
    assert counts.count(1) + counts.count(2) == 100
    assert 30 < counts.count(1) < 70
