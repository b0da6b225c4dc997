"""Every sampled frame of hundreds of kinds of videos, compared with the truth.

`make test` looks at 60 kinds, `make fuzz` at FILMS (600) of them.
"""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from clips import number
from film_grammar import CONTAINERS, RATE, RATES, Film, Truth, random_film, write_film
from liveness.video.decoder import probe, read_frames

SEEDS = [*range(60)]
MORE = range(60, int(os.environ.get("FILMS", "600")))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "0")
    av.logging.set_level(av.logging.PANIC)


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.fuzz) for seed in MORE)])
def test_frames_times_and_duration_are_true(seed: int, tmp_path: Path) -> None:
    film = random_film(seed)
    path = tmp_path / f"film.{film.container}"
    truth = write_film(film, path)
    found = probe(path)
    assert found.readable, found.problem
    assert found.duration == pytest.approx(truth.duration, abs=_slack(film)), film

    positions, times = _sampled(truth, seed)
    frames = read_frames(path, times)
    assert [number(frame.image) for frame in frames] == truth.numbers[positions].tolist(), film
    # containers round times to a millisecond
    np.testing.assert_allclose([frame.time for frame in frames], truth.times[positions], atol=2e-3)

    for frame in read_frames(path, times, snap_to_reference=True):
        assert number(frame.image) == truth.numbers[np.abs(truth.times - frame.time).argmin()], film


def test_the_grammar_reaches_every_kind() -> None:
    films = [random_film(seed) for seed in SEEDS]
    assert {film.container for film in films} == set(CONTAINERS)
    for kind in ("codec", "orientation", "offset", "open_gop", "b_frames", "wide_pixels"):
        assert len({getattr(film, kind) for film in films}) > 1, kind
    for kind in ("edit", "cut_front"):
        assert any(getattr(film, kind) for film in films), kind
    assert any(len(set(film.gaps)) > 1 for film in films)


def _sampled(truth: Truth, seed: int) -> tuple[np.ndarray, list[float]]:
    """Return positions of frames, and for each a time at which it is on screen."""
    draw = np.random.default_rng(seed)
    positions = np.sort(draw.choice(len(truth.numbers), min(8, len(truth.numbers)), replace=False))
    ends = np.append(truth.times[1:], truth.duration)
    share = draw.uniform(0.1, 0.9, len(positions))
    times = truth.times[positions] + share * (ends - truth.times)[positions]
    return positions, times.tolist()


def _slack(film: Film) -> float:
    """Return the part of the duration that a container may leave open, in s: the last frame's."""
    if len(set(film.gaps)) > 1:
        return max(film.gaps) / 1000 + 0.011
    if film.container in ("ts", "mts", "mpg"):
        return 1 / RATES.get(film.codec, RATE) + 0.011
    return 0.011
