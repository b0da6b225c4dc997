"""Fixed degradations of frames and of their sampling."""

import pickle
from typing import get_args

import cv2
import numpy as np
import pytest

from liveness.augmentation.fixed_degradation import FRAMES, degraded
from liveness.settings.ensemble import DEGRADATIONS, Degradation
from liveness.video.sampling import Sampling

SAMPLING = Sampling(count=5, window=(0.2, 1.0), short_side=64)
# smooth, so that differences come from the degradation and not from noise
RNG = np.random.default_rng(0)
FRAME = cv2.resize(RNG.integers(0, 255, (6, 9, 3)).astype(np.uint8), (540, 360))


@pytest.mark.parametrize("name", FRAMES)
def test_every_degradation_is_visible_deterministic_and_keeps_its_input(name: str) -> None:
    _, damage = degraded(name, SAMPLING)
    assert damage is not None
    kept = FRAME.copy()
    first, second = damage(FRAME), pickle.loads(pickle.dumps(damage))(FRAME)  # noqa: S301 (our own)
    assert (kept == FRAME).all()
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert first.shape != FRAME.shape or (first != FRAME).mean() > 0.1


@pytest.mark.parametrize("name", FRAMES)
def test_large_and_small_frames_are_degraded_alike(name: str) -> None:
    damage = FRAMES[name]
    large = cv2.resize(FRAME, (2160, 1440))

    def seen(frame: np.ndarray) -> np.ndarray:
        return cv2.resize(frame, (54, 36), interpolation=cv2.INTER_AREA).astype(float)

    assert np.abs(seen(damage(large)) - seen(damage(FRAME))).mean() < 3


def test_effects_of_each_degradation() -> None:
    np.testing.assert_array_equal(FRAMES["crop"](FRAME), FRAME[36:324, 54:486])
    assert FRAMES["half_size"](FRAME).shape == (180, 270, 3)
    assert min(FRAMES["recompress"](FRAME).shape[:2]) == 256
    grey = np.full((8, 8, 3), 100, np.uint8)
    np.testing.assert_array_equal(FRAMES["recolour"](grey)[0, 0], [115, 100, 80])
    edge = np.repeat(np.array([0, 255], np.uint8), 180)[None, :, None].repeat(360, 0).repeat(3, 2)
    blurred = FRAMES["blur"](edge)[180, :, 0].astype(float)
    # one standard deviation beside a blurred edge, the value is 84 % of the step
    assert blurred[180 + 3] / 255 == pytest.approx(0.84, abs=0.04)


def test_fewer_frames_are_half_as_many_over_the_same_window() -> None:
    fewer, damage = degraded("fewer_frames", SAMPLING)
    assert damage is None
    np.testing.assert_allclose(fewer.times(10.0), [2.0, 2 + 8 / 3, 2 + 16 / 3])
    first, _ = degraded("fewer_frames", Sampling(count=8, window=(0.0, 1.0), short_side=64, first=2))
    assert first.times(8.0).tolist() == [0.0]


def test_the_configuration_offers_all_degradations() -> None:
    assert set(get_args(Degradation)) == {*FRAMES, "fewer_frames"} == set(DEGRADATIONS)
