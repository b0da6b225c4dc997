"""Preprocessing from a decoded frame to a model's input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.video.preprocessing import WHOLE, View, canonical, model_input, part, sample_times, views

sides = st.integers(1, 80)


def test_the_winning_recipe() -> None:
    d = 5.0
    np.testing.assert_allclose(
        sample_times(d, 3, (0.2, 1.0)), [0.2 * d, 0.2 * d + 0.8 * d / 3, 0.2 * d + 2 * 0.8 * d / 3]
    )


@given(
    duration=st.floats(0, 1e4),
    count=st.integers(1, 50),
    window=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda ends: (min(ends), max(ends))),
)
def test_sample_times_rise_and_stay_in_the_window(
    duration: float, count: int, window: tuple[float, float]
) -> None:
    times = sample_times(duration, count, window)
    assert times.shape == (count,)
    assert times.dtype == np.float64
    assert (np.diff(times) >= 0).all()
    assert times[0] == window[0] * duration
    assert times[-1] <= window[1] * duration * (1 + 1e-12)


@given(height=sides, width=sides, short_side=sides)
def test_canonical_frames_keep_the_aspect_and_never_grow(height: int, width: int, short_side: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    small = canonical(image, short_side)
    assert min(small.shape[:2]) == min(height, width, short_side)
    scale = min(small.shape[:2]) / min(height, width)
    np.testing.assert_allclose(small.shape[:2], [height * scale, width * scale], atol=0.5)


@given(height=sides, width=sides, size=sides, value=st.integers(0, 255))
def test_model_inputs_are_square_and_keep_a_plain_colour(
    height: int, width: int, size: int, value: int
) -> None:
    square = model_input(np.full((height, width, 3), value, np.uint8), size)
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    assert (square == value).all()


@pytest.mark.parametrize(("height", "width"), [(16, 64), (64, 16), (64, 64)])
def test_shrinking_averages_instead_of_aliasing(height: int, width: int) -> None:
    """Stripes one pixel wide, across the sides that shrink, become grey."""
    stripes = np.indices((height, width)).sum(axis=0) % 2 * 255
    if height == 16:
        stripes = np.tile(np.arange(width) % 2 * 255, (height, 1))
    if width == 16:
        stripes = np.tile((np.arange(height) % 2 * 255)[:, None], (1, width))
    image = np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8)
    square = model_input(image, 32)
    assert abs(square.astype(int) - 127).max() <= 1


def test_an_image_of_the_right_size_is_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert (model_input(image, 32) == image).all()


def test_views_by_name() -> None:
    assert views(["whole", "whole+hflip", "center+hflip+vflip", "bottom_right"], 0.5) == [
        View(),
        View(WHOLE, hflip=True),
        View((0.25, 0.25, 0.75, 0.75), hflip=True, vflip=True),
        View((0.5, 0.5, 1.0, 1.0)),
    ]


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("top_left", (0, 8), (0, 16)),
        ("bottom_right", (2, 10), (4, 20)),
        ("top_right", (0, 8), (4, 20)),
        ("bottom_left", (2, 10), (0, 16)),
        ("center", (1, 9), (2, 18)),
        ("whole", (0, 10), (0, 20)),
    ],
)
def test_parts_of_a_frame(name: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    frame = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    (view,) = views([name], 0.8)
    assert (part(frame, view.box) == frame[slice(*rows), slice(*columns)]).all()
