"""Simulated recapture: it looks like a medium filmed by hand and works on any frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveness.augmentation import recapture
from liveness.augmentation.recapture import Image

seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(recapture.KINDS)


def session(kind: str, seed: int) -> recapture.Recapture:
    return recapture.draw(np.random.default_rng(seed), kind)


def smooth_picture(height: int = 480, width: int = 270) -> Image:
    """Return a picture without detail, so that every fine pattern comes from the medium."""
    y, x = np.mgrid[0:height, 0:width]
    red = 90 + 80 * x / width
    return np.stack([red, 90 + 60 * y / height, np.full_like(red, 120)], axis=2).astype(np.uint8)


def fine_pattern(image: Image, channel: int, cycles: tuple[float, float]) -> float:
    """Return the share of the centre's spectral energy in the band `cycles` per short side."""
    side = min(image.shape[:2]) // 2
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    patch = image[top : top + side, left : left + side, channel].astype(float)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
    frequency = 2 * np.fft.fftfreq(side, 1 / side)  # in cycles per short side of the picture
    radius = np.hypot(frequency[:, None], frequency[None, :])
    return float(power[(radius >= cycles[0]) & (radius < cycles[1])].sum() / power[radius >= 2].sum())


@given(kind=kinds, seed=seeds, size=st.tuples(st.integers(1, 40), st.integers(1, 40)), t=st.floats(-10, 1000))
@settings(max_examples=60, deadline=None)
def test_shape_and_dtype_are_kept_at_any_size_and_time(
    kind: str, seed: int, size: tuple[int, int], t: float
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = image.copy()
    seen = session(kind, seed).apply(image, t)
    assert seen.shape == image.shape
    assert seen.dtype == np.uint8
    assert np.array_equal(image, before), "the input was modified"


@given(kind=kinds, seed=seeds)
@settings(max_examples=15, deadline=None)
def test_sessions_depend_on_the_seed_and_change_the_picture(kind: str, seed: int) -> None:
    image = smooth_picture(120, 90)
    assert session(kind, seed) == session(kind, seed)
    seen = session(kind, seed).apply(image, 0.3)
    assert np.array_equal(seen, session(kind, seed).apply(image, 0.3))
    assert np.abs(seen.astype(int) - image).mean() > 3
    assert not np.array_equal(seen, session(kind, seed + 1).apply(image, 0.3))


@pytest.mark.parametrize("kind", recapture.KINDS)
def test_the_hand_moves_the_medium(kind: str) -> None:
    image, held = smooth_picture(), session(kind, 3)
    assert not np.array_equal(held.apply(image, 0.0), held.apply(image, 0.5))


@pytest.mark.parametrize("kind", recapture.KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_each_medium_leaves_a_fine_pattern_on_a_smooth_picture(kind: str, seed: int) -> None:
    """Moire and halftone stay below 128 cycles per short side, the limit of a 256-pixel input."""
    image = smooth_picture()
    assert fine_pattern(image, 0, (6, 128)) < 0.1
    seen = session(kind, seed).apply(image, 0.2)
    assert max(fine_pattern(seen, channel, (6, 128)) for channel in range(3)) > 0.3


@pytest.mark.parametrize("seed", range(3))
def test_the_moire_of_a_screen_is_coloured_even_on_a_grey_picture(seed: int) -> None:
    grey = np.full((300, 200, 3), 128, np.uint8)
    held = session("replay_monitor", seed)
    saturation = np.ptp(held.apply(grey, 0.0).astype(int), axis=2)
    cast = np.ptp(held.tone.table()[0, 128].astype(int))
    assert np.percentile(saturation, 90) > cast + 8


def test_refresh_bands_roll_on_a_screen_that_is_held_still() -> None:
    held = session("replay_monitor", 1)
    still = recapture.Wave(0, 0, 0)
    pose = recapture.Pose(((0, 0), (1, 0), (1, 1), (0, 1)), still, still, still, still)
    screen = recapture.Screen((8, 8), 0, 0, bands=2, band_depth=0.1, band_hertz=0.5)
    held = recapture.Recapture(pose, screen, held.tone, (), held.surround)
    grey = np.full((200, 100, 3), 128, np.uint8)
    rows = [held.apply(grey, t)[5:-5, 5:-5].mean(axis=(1, 2)) for t in (0.0, 0.5, 2.0)]
    assert np.ptp(rows[0]) > 10
    assert np.abs(rows[0] - rows[1]).max() > 5
    assert np.allclose(rows[0], rows[2], atol=1)


@pytest.mark.parametrize("kind", ["replay_phone", "print"])
def test_edges_of_the_medium_are_visible_in_some_sessions_only(kind: str) -> None:
    def edges_show(held: recapture.Recapture) -> bool:
        u, v = held.pose.locate(96, 54, 0.0)
        return bool(min(u.min(), v.min(), 1 - u.max(), 1 - v.max()) < 0)

    share = np.mean([edges_show(session(kind, seed)) for seed in range(60)])
    assert 0.35 < share < 0.85


def test_an_unknown_kind_and_a_wrong_array_are_refused() -> None:
    with pytest.raises(ValueError, match="replay_phone, replay_monitor, print"):
        session("hologram", 0)
    for wrong in (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\)"):
            session("print", 0).apply(wrong, 0.0)


@pytest.mark.parametrize("kind", recapture.KINDS)
def test_a_faint_session_differs_only_in_the_strength_of_the_pattern(kind: str) -> None:
    image, held = smooth_picture(), session(kind, 2)
    assert held.faint(1) == held
    none, full = (held.faint(share).apply(image, 0.2).astype(int) for share in (0, 1))
    half = held.faint(0.5).apply(image, 0.2).astype(int)
    assert np.abs(half - none).mean() == pytest.approx(np.abs(full - none).mean() / 2, rel=0.2)
    assert held.faint(0.3).pose == held.pose
