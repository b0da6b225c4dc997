"""Near-duplicate frames: the hash and the exhaustive search."""

import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from clips import write_clip
from liveness.dataset import near_duplicates
from liveness.dataset.groups import merge_groups
from liveness.dataset.near_duplicates import HASH_BITS, find_near_duplicates, frame_hash, hash_frames
from liveness.video.frame_store import FrameStore
from liveness.video.jpeg import decode_jpeg, encode_jpeg
from liveness.video.sampling import Sampling
from running import SHARED
from stored_frames import extract_folder

DATA = SHARED
# the default of folds.max_distance
LIMIT = 20
COPY = "duplicate_of_train_0001.avi"


def distance(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(frame_hash(one) ^ frame_hash(other)).sum())


def scenes() -> dict[str, np.ndarray]:
    """Return ten different scenes: two photographs and four disjoint parts of each."""
    found = dict(zip(("china", "flower"), load_sample_images().images, strict=True))
    for name, image in list(found.items()):
        height, width = image.shape[0] // 2, image.shape[1] // 2
        for row, column in itertools.product((0, 1), repeat=2):
            part = image[row * height : (row + 1) * height, column * width : (column + 1) * width]
            found[f"{name} {row} {column}"] = part
    return found


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


SLIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG 95": lambda image: decode_jpeg(encode_jpeg(image, 95)),
    "JPEG 50": lambda image: decode_jpeg(encode_jpeg(image, 50)),
    "half size": lambda image: resized(image, 0.5),
    "brighter": lambda image: np.clip(image.astype(int) + 20, 0, 255).astype(np.uint8),
    "darker": lambda image: (image * 0.8).astype(np.uint8),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 2),
    "cropped": lambda image: image[4:-4, 6:-6],
}


@pytest.mark.parametrize("change", SLIGHT)
@pytest.mark.parametrize("scene", ["china", "flower"])
def test_a_slightly_changed_picture_is_a_near_duplicate(scene: str, change: str) -> None:
    image = scenes()[scene]
    assert distance(image, SLIGHT[change](image)) <= LIMIT


def test_different_scenes_are_not_near_duplicates() -> None:
    close = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(scenes().items(), 2)
        if distance(a, b) <= LIMIT
    ]
    assert not close


def test_a_hash_has_128_bits() -> None:
    hashed = frame_hash(np.zeros((48, 64, 3), np.uint8))
    assert (hashed.shape, hashed.dtype) == ((2,), np.uint64)
    assert hashed.nbytes * 8 == HASH_BITS


def brute_force(fnames: list[str], hashes: np.ndarray, limit: int) -> list[tuple[str, str, int]]:
    closest: dict[tuple[str, str], int] = {}
    for (one, a), (other, b) in itertools.combinations(zip(fnames, hashes.tolist(), strict=True), 2):
        bits = sum((x ^ y).bit_count() for x, y in zip(a, b, strict=True))
        pair = (min(one, other), max(one, other))
        if one != other and bits <= limit:
            closest[pair] = min(bits, closest.get(pair, HASH_BITS))
    return sorted((*pair, bits) for pair, bits in closest.items())


# few bits set, so that close pairs are common
words = st.sets(st.integers(0, 63), max_size=4).map(lambda bits: sum(1 << bit for bit in bits))
frames = st.lists(st.tuples(st.integers(0, 6), words, words), max_size=25)


@given(frames=frames, limit=st.integers(0, 12), rows=st.integers(1, 9))
def test_the_search_agrees_with_brute_force(
    frames: list[tuple[int, int, int]], limit: int, rows: int
) -> None:
    fnames = [f"{video}.mp4" for video, _, _ in frames]
    hashes = np.array([words for _, *words in frames], np.uint64).reshape(-1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "_ROWS_AT_ONCE", rows)
        found = find_near_duplicates(fnames, hashes, limit)
    assert list(found.columns) == ["first", "second", "distance"]
    assert list(found.itertuples(index=False, name=None)) == brute_force(fnames, hashes, limit)


def extracted(folder: Path, work: Path, count: int) -> FrameStore:
    return FrameStore([extract_folder(folder, work, Sampling(count, (0.0, 1.0), 64))])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.Series]:
    """Return near-duplicates among real videos (three per person, one copied), and the persons."""
    if not (DATA / "real/train/groups.csv").is_file():
        pytest.skip("needs the real videos")
    everybody = pd.read_csv(DATA / "real/train/groups.csv", dtype=str).set_index("fname")["group"]
    person = everybody.groupby(everybody).head(3)
    folder, work = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("work")
    for path in [*(DATA / "real/train/videos" / name for name in person.index), DATA / f"edge/{COPY}"]:
        (folder / path.name).symlink_to(path.resolve())
    store = extracted(folder, work, 8)
    fnames, hashes = hash_frames(store, workers=2)
    assert fnames == store.fnames
    assert np.array_equal(hashes[-1], frame_hash(store.image(len(store) - 1)))
    return find_near_duplicates(fnames, hashes, LIMIT), pd.concat(
        [person, person[["0001.mp4"]].set_axis([COPY])]
    )


def test_a_known_copy_is_found(real: tuple[pd.DataFrame, pd.Series]) -> None:
    pairs, _ = real
    copies = pairs[(pairs == COPY).any(axis=1)]
    assert copies[["first", "second"]].to_numpy().tolist() == [["0001.mp4", COPY]]


def test_real_videos_of_one_person_are_merged_but_never_those_of_two(
    real: tuple[pd.DataFrame, pd.Series],
) -> None:
    pairs, person = real
    alone = pd.Series(person.index, index=person.index)
    groups, _ = merge_groups(alone, pairs)
    joined = {
        same: [
            groups[a] == groups[b]
            for a, b in itertools.combinations(person.index, 2)
            if (person[a] == person[b]) == same
        ]
        for same in (True, False)
    }
    assert np.mean(joined[True]) > 0.5
    assert not any(joined[False])


def test_dark_frames_do_not_make_unrelated_videos_near_duplicates(tmp_path: Path) -> None:
    """Videos often fade in from black."""
    black = np.zeros((96, 96, 3), np.uint8)
    rng = np.random.default_rng(0)
    for n in range(3):
        scene = rng.integers(0, 255, (8, 8, 3)).repeat(12, 0).repeat(12, 1).astype(np.uint8)
        write_clip(tmp_path / f"{n}.mp4", [black, black, scene, scene])
    fnames, hashes = hash_frames(extracted(tmp_path, tmp_path, 4), workers=1)
    assert fnames == ["0.mp4"] * 2 + ["1.mp4"] * 2 + ["2.mp4"] * 2
    assert find_near_duplicates(fnames, hashes, LIMIT).empty
