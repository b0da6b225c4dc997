"""JPEG encoding of stored frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.video.jpeg import decode_jpeg, encode_jpeg


@given(height=st.integers(1, 40), width=st.integers(1, 40), colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_jpeg_keeps_sizes_and_the_order_of_the_colours(
    height: int, width: int, colour: tuple[int, int, int]
) -> None:
    image = np.full((height, width, 3), colour, np.uint8)
    stored = decode_jpeg(encode_jpeg(image, 95))
    assert stored.shape == image.shape
    assert np.abs(stored.astype(int) - image).max() <= 4


def test_from_quality_95_on_chroma_is_not_subsampled() -> None:
    """Red and blue columns, one pixel wide, blend if chroma is stored at half resolution."""
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, ::2, 0] = 255
    image[:, 1::2, 2] = 255

    def error(quality: int) -> float:
        return float(np.abs(decode_jpeg(encode_jpeg(image, quality)).astype(int) - image).mean())

    assert error(95) < 5
    assert error(94) > 30


def test_a_damaged_frame_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="delete it to have it extracted again"):
        decode_jpeg(b"no jpeg")
