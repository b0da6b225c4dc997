"""Frames stored in memory-mapped files, equal to those that are decoded live."""

import logging
import multiprocessing
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clips import number, numbered, write_clip
from liveness.video.frame_store import FrameStore, extract
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


def test_stored_frames_are_the_live_ones(shards: list[Path], folder: Path, manifests: list[Path]) -> None:
    store = FrameStore(shards)
    for video in read_manifest(manifests).query("readable").itertuples():
        images, times, _ = read_video(folder / video.fname, video.duration, SAMPLING)
        rows = store.rows(video.fname)
        assert store.times[rows].tolist() == times.tolist()
        for row, image in zip(rows, images, strict=True):
            assert number(store.image(row)) == number(image)
            assert np.abs(store.image(row).astype(int) - image).mean() < 2


def test_unreadable_videos_are_remembered_with_the_reason(
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


def test_a_shard_without_videos_is_a_file_without_frames(manifests: list[Path], tmp_path: Path) -> None:
    nothing = read_manifest(manifests).iloc[:0]
    extract(nothing, tmp_path, tmp_path / "empty.arrow", SAMPLING, workers=1)
    assert len(FrameStore([tmp_path / "empty.arrow"])) == 0
    assert len(FrameStore([])) == 0


def sums(store: FrameStore) -> list[int]:
    return [int(store.image(row).sum()) for row in range(len(store))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_goes_to_other_processes(shards: list[Path], method: str) -> None:
    store = FrameStore(shards)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(sums, (store,)) == sums(store)
    assert len(pickle.dumps(store)) < 1000


def test_a_manifest_from_code_needs_only_four_columns(folder: Path, tmp_path: Path) -> None:
    manifest = pd.DataFrame({"fname": ["0.mp4"], "duration": [2.0], "readable": [True], "problem": [""]})
    extract(manifest, folder, tmp_path / "one.arrow", SAMPLING, workers=1)
    assert len(FrameStore([tmp_path / "one.arrow"])) == COUNT
