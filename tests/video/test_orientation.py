"""Display matrices: all eight ways in which a picture can be stored."""

from pathlib import Path

import av
import numpy as np
import pytest

from clips import number, numbered
from film_grammar import ORIENTATIONS, random_film, write_film
from liveness.video.decoder import probe, read_frames
from liveness.video.orientation import Orientation, orientation

ROTATIONS = {"turned 90": 90, "turned 180": 180, "upside down": 180, "turned 270": 270}
TRANSPOSED = {"transposed": 270, "transposed 180": 90}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_video_is_shown_upright(name: str, tmp_path: Path) -> None:
    film = next(
        film for film in map(random_film, range(10_000)) if film.orientation == name and not film.edit
    )
    path = tmp_path / f"film.{film.container}"
    truth = write_film(film, path)
    (frame,) = read_frames(path, [float(truth.times[3]) + 0.02])
    assert number(frame.image) == 3
    found = probe(path)
    assert (found.height, found.width) == frame.image.shape[:2]
    assert found.rotation == (ROTATIONS | TRANSPOSED).get(name, 0)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_mirrored_picture_is_known(turns: int, mirrored: bool) -> None:
    picture = np.arange(12).reshape(2, 2, 3)
    shown = np.rot90(picture[:, ::-1] if mirrored else picture, turns)
    (found,) = [
        one
        for bits in range(8)
        if (one := Orientation(bool(bits & 1), bool(bits & 2), bool(bits & 4)))
        and np.array_equal(one.upright(picture), shown)
    ]
    assert found.is_mirrored == mirrored
    assert found.rotation == -turns % 4 * 90


def test_without_a_matrix_a_picture_is_upright() -> None:
    frame = av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")
    assert orientation(frame) == Orientation()
