"""Decoding ahead of the engines: order, memory, and videos that cannot be decoded."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clips import number
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Decoded, Video, decode
from liveness.video.preprocessing import WHOLE, model_input, part
from liveness.video.sampling import Sampling, read_video

SAMPLING = Sampling(count=3, window=(0.0, 1.0), short_side=64)
CORNER = (0.0, 0.0, 0.5, 0.5)
CUTS = frozenset({(32, WHOLE), (48, CORNER)})


def videos(folder: Path, *names: str, duration: float | None = 1.0) -> list[Video]:
    return [Video(folder / name, name, duration) for name in names]


@pytest.mark.parametrize("ahead", [1, 2, 9])
def test_videos_come_in_their_order_and_no_more_are_decoded_than_allowed(
    folder: Path, workers: Workers, ahead: int
) -> None:
    asked = videos(folder, "2.mp4", "0.mp4", "3.mp4", "1.mp4") * 3
    taken: list[Video] = []

    def watched() -> Iterator[Video]:
        for video in asked:
            taken.append(video)
            yield video

    seen = []
    for video, decoded in decode(watched(), SAMPLING, lambda _: None, workers, ahead):
        seen.append(video)
        assert len(taken) - len(seen) < ahead
        assert number(decoded.frames[0]) == 20 * int(video.fname[0])
    assert seen == asked


def test_each_video_is_cut_to_the_inputs_that_it_needs(folder: Path, workers: Workers) -> None:
    needed = {"0.mp4": CUTS, "1.mp4": frozenset({(32, WHOLE)}), "2.mp4": None}
    decoded = {
        video.fname: result
        for video, result in decode(videos(folder, *needed), SAMPLING, lambda v: needed[v.fname], workers, 4)
    }
    for fname, cuts in needed.items():
        frames, times, _ = read_video(folder / fname, 1.0, SAMPLING)
        result = decoded[fname]
        assert result.times.tolist() == times.tolist() and not result.problem
        assert result.inputs.keys() == (cuts or set())
        for (size, box), images in result.inputs.items():
            expected = np.stack([model_input(part(frame, box), size) for frame in frames])
            assert np.array_equal(images, expected)
        assert len(result.frames) == (0 if cuts else 3)
        assert all(np.array_equal(*pair) for pair in zip(result.frames, frames, strict=False))
        assert result.decode > 0 and (result.preprocess > 0) == bool(cuts)


def test_a_video_that_nobody_probed_is_probed(folder: Path, workers: Workers) -> None:
    def times(duration: float | None) -> list[float]:
        ((_, decoded),) = decode(
            videos(folder, "1.mp4", duration=duration), SAMPLING, lambda _: CUTS, workers, 1
        )
        return decoded.times.tolist()

    assert times(None) == times(1.0) != times(0.5)


@pytest.mark.parametrize("duration", [None, 1.0])
def test_a_broken_video_has_a_problem_instead_of_frames(
    folder: Path, workers: Workers, duration: float | None
) -> None:
    asked = videos(folder, "0.mp4", "broken.mp4", "1.mp4", duration=duration)
    results = [decoded for _, decoded in decode(asked, SAMPLING, lambda _: CUTS, workers, 4)]
    assert [bool(result.problem) for result in results] == [False, True, False]
    assert "Invalid data" in results[1].problem
    assert not results[1].inputs and not len(results[1].times)


def die_on_number_20(frame: np.ndarray) -> np.ndarray:
    if 20 <= number(frame) < 30:
        os.kill(os.getpid(), signal.SIGSEGV)
    return frame


def test_a_video_that_kills_its_decoder_is_a_problem_of_its_own(folder: Path) -> None:
    asked = videos(folder, "0.mp4", "1.mp4", "2.mp4")
    with Workers(2) as workers:
        results: list[Decoded] = [
            decoded for _, decoded in decode(asked, SAMPLING, lambda _: None, workers, 3, die_on_number_20)
        ]
    assert "died twice" in results[1].problem and "SIGSEGV" in results[1].problem
    assert [number(results[n].frames[0]) for n in (0, 2)] == [0, 40]
