"""Engine calls take any number of frames and split them into chunks."""

from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.engines.interface import Engine, EngineGroup

SIDE = 4


class Mean(Engine):
    """Score the mean pixel; like a device buffer, the result is overwritten by the next call."""

    def __init__(self, max_batch: int) -> None:
        super().__init__(SIDE, max_batch)
        self.buffer = np.empty(max_batch, np.float32)
        self.chunks: list[int] = []
        self.closed = False

    def _score(self, frames: np.ndarray) -> np.ndarray:
        assert frames.flags.c_contiguous
        self.chunks.append(len(frames))
        self.buffer[: len(frames)] = frames.mean(axis=(1, 2, 3)) / 255
        return self.buffer[: len(frames)]

    def close(self) -> None:
        self.closed = True


@given(n=st.integers(0, 40), max_batch=st.integers(1, 16), mirrored=st.booleans())
def test_any_number_of_frames_is_scored_in_chunks(n: int, max_batch: int, mirrored: bool) -> None:
    frames = np.random.default_rng(n).integers(0, 256, (n, SIDE, SIDE, 3), np.uint8)
    engine = Mean(max_batch)
    scores = engine(frames[:, :, ::-1] if mirrored else frames)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, frames.mean(axis=(1, 2, 3)) / 255, rtol=1e-6)
    full, rest = divmod(n, max_batch)
    assert engine.chunks == [max_batch] * full + [rest] * (rest > 0)


def test_scores_stay_when_the_engine_is_called_again() -> None:
    engine = Mean(4)
    black = engine(np.zeros((4, SIDE, SIDE, 3), np.uint8))
    engine(np.full((4, SIDE, SIDE, 3), 255, np.uint8))
    assert black.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("shape", "dtype", "given"),
    [
        ((2, SIDE, SIDE, 3), np.float32, r"float32 \[2, 4, 4, 3\]"),
        ((2, SIDE, SIDE + 1, 3), np.uint8, r"uint8 \[2, 4, 5, 3\]"),
        ((2, SIDE, SIDE, 4), np.uint8, r"uint8 \[2, 4, 4, 4\]"),
        ((2, 3, SIDE, SIDE), np.uint8, r"uint8 \[2, 3, 4, 4\]"),
        ((SIDE, SIDE, 3), np.uint8, r"uint8 \[4, 4, 3\]"),
    ],
)
def test_other_frames_are_refused(shape: tuple[int, ...], dtype: type, given: str) -> None:
    engine = Mean(4)
    with pytest.raises(ValueError, match=rf"expected uint8 \[n, 4, 4, 3\], not {given}$"):
        engine(np.zeros(shape, dtype))
    assert not engine.chunks


class Group(EngineGroup):
    closed = False

    def submit(self, batch: object, which: object) -> Future:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("opened", [Mean(1), Group()])
def test_leaving_the_block_closes_it_even_on_an_error(opened: Mean | Group) -> None:
    with pytest.raises(ZeroDivisionError), opened as entered:
        assert entered is opened and not opened.closed
        raise ZeroDivisionError
    assert opened.closed
