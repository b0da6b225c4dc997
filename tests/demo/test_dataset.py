"""Demo data: real encoded clips whose colour and sharpness do not reveal the class."""

import csv
import hashlib
from collections import Counter
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from liveness.augmentation import recapture
from liveness.augmentation.recapture import Image
from liveness.demo import dataset
from liveness.runtime.errors import InputError

SEED, PEOPLE, PAIRS = 5, (0, 1, 2), 1


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    dataset.make_split(folder / "videos", folder / "labels.csv", PEOPLE, PAIRS, SEED, workers=2)
    return folder


@pytest.fixture(scope="module")
def rows(split: Path) -> list[dict[str, str]]:
    with (split / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def decode(path: Path) -> list[Image]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def plain_features(frames: list[Image]) -> np.ndarray:
    """Return mean and deviation of each colour, and sharpness, (7,): none may separate classes."""
    colour = [np.concatenate([frame.mean(axis=(0, 1)), frame.std(axis=(0, 1))]) for frame in frames]
    sharp = [cv2.Laplacian(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var() for f in frames]
    return np.append(np.mean(colour, axis=0), np.mean(sharp))


def test_rows_and_files_correspond(split: Path, rows: list[dict[str, str]]) -> None:
    assert tuple(rows[0]) == dataset.COLUMNS == ("fname", "liveness_score", "group", "attack")
    files = {path.relative_to(split / "videos").as_posix() for path in (split / "videos").rglob("*.mp4")}
    assert {row["fname"] for row in rows} == files
    assert len(rows) == len(files) == 2 * PAIRS * len(PEOPLE)


def test_names_contain_a_space_an_apostrophe_an_accent_and_a_folder(rows: list[dict[str, str]]) -> None:
    names = " ".join(row["fname"] for row in rows)
    for odd in ("clip 0", "o'clip", "vidéo", "more/clip"):
        assert odd in names


def test_classes_and_people_are_balanced_and_live_clips_have_no_attack(rows: list[dict[str, str]]) -> None:
    assert Counter((row["group"], row["liveness_score"]) for row in rows) == {
        (f"person_{person:02d}", label): PAIRS for person in PEOPLE for label in "01"
    }
    for row in rows:
        assert (row["attack"] == "") == (row["liveness_score"] == "1")
    assert {row["attack"] for row in rows} == {"", *recapture.KINDS}


def test_clips_are_portrait_h264_of_two_to_three_seconds(split: Path, rows: list[dict[str, str]]) -> None:
    for row in rows:
        with av.open(str(split / "videos" / row["fname"])) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert stream.height > stream.width >= 256
            assert stream.duration is not None
            assert stream.time_base is not None
            assert 2 <= float(stream.duration * stream.time_base) <= 3


def test_files_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    digests = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        dataset.make_split(folder / "videos", folder / "labels.csv", (4,), 1, SEED, workers)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append([(f.relative_to(folder), hashlib.sha256(f.read_bytes()).hexdigest()) for f in files])
    assert len(digests[0]) == 3
    assert digests[0] == digests[1]


def test_twins_share_colour_brightness_and_sharpness(split: Path, rows: list[dict[str, str]]) -> None:
    features = {
        (row["group"], row["liveness_score"]): plain_features(decode(split / "videos" / row["fname"])[::6])
        for row in rows
    }
    for person in PEOPLE:
        live, spoof = (features[f"person_{person:02d}", label] for label in "10")
        assert np.abs(live[:6] - spoof[:6]).max() < 12
        # compression affects some pictures more than others
        assert 1 / 3 < live[6] / spoof[6] < 3


def test_splits_with_disjoint_numbers_show_different_people() -> None:
    seen = {clip.person_seed for clip in dataset.cast(range(3), 1, SEED)}
    assert seen.isdisjoint(clip.person_seed for clip in dataset.cast(range(3, 5), 1, SEED))


def depth_of_movement(clip: dataset.Clip) -> float:
    """Return the distance in pixels of tracked corners, after 0.5 s, from the motion of a plane.

    It is the median over the half of the corners that deviate most.
    """
    look, frames = dataset.film(clip)
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in islice(frames, look.rate // 2)]
    start = cv2.goodFeaturesToTrack(grey[0], 300, 0.01, 5)
    end, found, _ = cv2.calcOpticalFlowPyrLK(grey[0], grey[-1], start, None)
    start, end = start[found == 1], end[found == 1]
    plane, _ = cv2.findHomography(start, end, cv2.RANSAC, 1.0)
    there = cv2.perspectiveTransform(start[:, None], plane)[:, 0]
    return float(np.median(np.sort(np.linalg.norm(there - end, axis=1))[len(end) // 2 :]))


def test_prints_move_as_a_plane_and_live_scenes_do_not() -> None:
    clips = dataset.cast((0, 1, 2), 2, SEED)
    prints = [depth_of_movement(clip) for clip in clips if clip.attack == "print"]
    live = [depth_of_movement(clip) for clip in clips[:6] if not clip.attack]
    assert np.median(live) > 2 * np.median(prints)


def test_live_eyes_blink() -> None:
    person = dataset.draw_person(np.random.default_rng(1))
    scene = dataset.draw_scene(np.random.default_rng(2), person, seconds=2.4)
    shut, wide = scene.heads[0].astype(int), scene.heads[-1].astype(int)
    change = np.abs(shut - wide).mean(axis=(1, 2))
    assert change.argmax() in range(150, 200), "only the eyes' rows change"
    assert change[:140].max() == change[215:].max() == 0
    assert 0 < scene.blinks[0] < 2.4


@pytest.mark.parametrize("people, pairs, workers", [((), 1, 1), ((1,), 0, 1), ((1,), 1, 0)])
def test_nothing_to_generate_is_an_input_error(
    tmp_path: Path, people: tuple[int, ...], pairs: int, workers: int
) -> None:
    with pytest.raises(InputError, match="expected at least 1 of each"):
        dataset.make_split(tmp_path / "videos", tmp_path / "labels.csv", people, pairs, SEED, workers)
