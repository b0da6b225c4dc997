"""Frames stored in memory-mapped files equal those decoded live."""

import logging
import multiprocessing
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from clips import number, numbered, write_clip
from liveness.runtime.errors import InputError
from liveness.video import frame_store
from liveness.video.frame_store import SCHEMA, UNREADABLE, FrameStore, extract, frames_digest
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.sampling import Sampling, read_video

COUNT, WINDOW = 3, (0.2, 1.0)
SAMPLING = Sampling(COUNT, WINDOW, short_side=48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for k in range(9):
        write_clip(folder / f"{k}.mp4", numbered(20 + k), rotation=90 * (k % 4))
    (folder / "broken.mp4").write_bytes(b"broken")
    return folder


@pytest.fixture(scope="module")
def manifests(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    work = tmp_path_factory.mktemp("manifest")
    build_manifest(folder, [work / "0.csv", work / "1.csv"], work / "cache.sqlite", workers=1)
    return [work / "0.csv", work / "1.csv"]


def extract_all(
    manifests: list[Path], folder: Path, work: Path, workers: int = 1, quality: int = 95
) -> list[Path]:
    outputs = [work / f"{path.stem}.arrow" for path in manifests]
    for path, output in zip(manifests, outputs, strict=True):
        extract(read_manifest([path]), folder, output, replace(SAMPLING, quality=quality), workers)
    return outputs


@pytest.fixture(scope="module")
def shards(folder: Path, manifests: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return extract_all(manifests, folder, tmp_path_factory.mktemp("frames"))


def test_every_readable_video_has_its_frames_in_the_manifests_order(
    shards: list[Path], manifests: list[Path]
) -> None:
    store = FrameStore(shards)
    names = read_manifest(manifests).query("readable")["fname"]
    assert len(names) == 9
    assert store.fnames == [name for name in names for _ in range(COUNT)]
    assert store.indices.tolist() == list(range(COUNT)) * 9
    assert len(store) == 27


def test_stored_frames_equal_live_ones(shards: list[Path], folder: Path, manifests: list[Path]) -> None:
    store = FrameStore(shards)
    for video in read_manifest(manifests).query("readable").itertuples():
        images, times, _ = read_video(folder / video.fname, video.duration, SAMPLING)
        rows = store.rows(video.fname)
        assert store.times[rows].tolist() == times.tolist()
        for row, image in zip(rows, images, strict=True):
            assert number(store.image(row)) == number(image)
            assert np.abs(store.image(row).astype(int) - image).mean() < 2


def test_unreadable_videos_are_stored_with_the_reason(
    shards: list[Path], manifests: list[Path], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FrameStore(shards)
    assert list(store.unreadable) == ["broken.mp4"]
    assert store.rows("broken.mp4").tolist() == []

    gone = read_manifest(manifests).query("fname == '3.mp4'").assign(fname="gone.mp4")
    with caplog.at_level(logging.WARNING):
        extract(gone, folder, tmp_path / "gone.arrow", SAMPLING, workers=1)
    assert "No such file" in FrameStore([tmp_path / "gone.arrow"]).unreadable["gone.mp4"]
    assert "gone.mp4" in caplog.text


def test_files_do_not_depend_on_the_number_of_workers(
    shards: list[Path], manifests: list[Path], folder: Path, tmp_path: Path
) -> None:
    again = extract_all(manifests, folder, tmp_path, workers=2)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in shards]


def test_the_digest_covers_names_indices_times_images_and_unreadable_videos(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def digest(*videos: tuple[str, list[tuple[float, bytes]] | str]) -> str:
        """Digest a file of these videos: a name, with its (time, JPEG) or an error text."""
        results = dict(videos)
        monkeypatch.setattr(frame_store, "bounded_map", lambda _, items, *__, **___: [
            (item, results[item[0]] if isinstance(results[item[0]], str) else (results[item[0]], 0))
            for item in items
        ])  # fmt: skip
        manifest = pd.DataFrame({"fname": list(results), "duration": 1.0, "readable": True, "problem": ""})
        extract(manifest, tmp_path, tmp_path / "0.arrow", SAMPLING, workers=1)
        return frames_digest(tmp_path / "0.arrow")

    one, two = (0.5, b"one"), (1.5, b"two")
    files = [
        [("a", [one, two]), ("b", "broken")],
        [("c", [one, two]), ("b", "broken")],
        [("a", [two, one]), ("b", "broken")],
        [("a", [one]), ("b", "broken")],
        [("a", [one]), ("c", [two]), ("b", "broken")],
        [("a", [(0.25, b"one"), two]), ("b", "broken")],
        [("a", [(0.5, b"One"), two]), ("b", "broken")],
        [("a", [(0.5, b"onet"), (1.5, b"wo")]), ("b", "broken")],
        [("a", [one, two]), ("b", "gone")],
        [("a", [one, two]), ("c", "broken")],
        [("a", [one, two])],
    ]
    digests = [digest(*videos) for videos in files]
    assert len(set(digests)) == len(files)
    assert digest(*files[0]) == digests[0]


def of_older_version(path: Path) -> None:
    with pa.ipc.new_file(path, SCHEMA) as writer:
        writer.write_batch(
            pa.record_batch([[], [], [], []], schema=SCHEMA), custom_metadata={UNREADABLE: "{}"}
        )


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "damage",
    [of_older_version, truncated, Path.unlink, lambda path: path.write_bytes(b"")],
    ids=["older version", "truncated", "missing", "empty"],
)
@pytest.mark.parametrize("read", [frames_digest, lambda path: FrameStore([path])], ids=["digest", "store"])
def test_a_damaged_or_older_file_is_named(
    shards: list[Path], tmp_path: Path, damage: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    path = tmp_path / "0.arrow"
    path.write_bytes(shards[0].read_bytes())
    damage(path)
    with pytest.raises(
        InputError, match=r"0\.arrow: the file is damaged or from an older version; delete it"
    ):
        read(path)


def test_a_shard_without_videos_has_no_frames(manifests: list[Path], tmp_path: Path) -> None:
    nothing = read_manifest(manifests).iloc[:0]
    extract(nothing, tmp_path, tmp_path / "empty.arrow", SAMPLING, workers=1)
    assert len(FrameStore([tmp_path / "empty.arrow"])) == 0
    assert len(FrameStore([])) == 0


def sums(store: FrameStore) -> list[int]:
    return [int(store.image(row).sum()) for row in range(len(store))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_can_be_sent_to_other_processes(shards: list[Path], method: str) -> None:
    store = FrameStore(shards)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(sums, (store,)) == sums(store)
    assert len(pickle.dumps(store)) < 1000


def test_a_manifest_from_code_needs_only_four_columns(folder: Path, tmp_path: Path) -> None:
    manifest = pd.DataFrame({"fname": ["0.mp4"], "duration": [2.0], "readable": [True], "problem": [""]})
    extract(manifest, folder, tmp_path / "one.arrow", SAMPLING, workers=1)
    assert len(FrameStore([tmp_path / "one.arrow"])) == COUNT
