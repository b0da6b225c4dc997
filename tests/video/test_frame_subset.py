"""Frames of a subset of the videos equal those stored for all videos."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from clips import numbered, write_clip
from liveness.video.frame_store import FrameStore, extract
from liveness.video.frame_subset import frame_subset, varied_frames
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.sampling import Sampling

SAMPLING = Sampling(3, (0.0, 1.0), short_side=48)


def test_frames_of_a_subset_equal_those_stored_for_all_videos(tmp_path: Path) -> None:
    for number in range(4):
        write_clip(tmp_path / f"{number}.mp4", numbered(8 + number))
    (tmp_path / "broken.mp4").write_bytes(b"broken")
    manifests = [tmp_path / "0.csv", tmp_path / "1.csv"]
    build_manifest(tmp_path, manifests, tmp_path / "cache.sqlite", workers=1)
    extract(
        read_manifest(manifests), tmp_path, tmp_path / "all.arrow", replace(SAMPLING, quality=80), workers=1
    )
    stored = FrameStore([tmp_path / "all.arrow"])

    asked = ["3.mp4", "broken.mp4", "1.mp4"]
    with frame_subset(asked, manifests, tmp_path, asdict(SAMPLING) | {"quality": 80}, workers=2) as few:
        assert set(few.fnames) == {"1.mp4", "3.mp4"}
        assert set(few.unreadable) == {"broken.mp4"}
        for fname in few.fnames:
            pairs = list(zip(few.rows(fname), stored.rows(fname), strict=True))
            assert len(pairs) == SAMPLING.count
            for one, other in pairs:
                assert np.array_equal(few.image(one), stored.image(other))


def test_an_empty_subset_has_no_frames(tmp_path: Path) -> None:
    write_clip(tmp_path / "0.mp4", numbered(8))
    build_manifest(tmp_path, [tmp_path / "0.csv"], tmp_path / "cache.sqlite", workers=1)
    with frame_subset(
        [], [tmp_path / "0.csv"], tmp_path, asdict(SAMPLING) | {"quality": 80}, workers=1
    ) as none:
        assert len(none) == 0


def test_varied_frames_come_from_as_many_videos_as_possible(tmp_path: Path) -> None:
    for number in range(5):
        write_clip(tmp_path / f"{number}.mp4", numbered(8))
    (tmp_path / "broken.mp4").write_bytes(b"broken")
    manifests = [tmp_path / "0.csv", tmp_path / "1.csv"]
    build_manifest(tmp_path, manifests, tmp_path / "cache.sqlite", workers=1)
    frames = asdict(SAMPLING) | {"quality": 80}
    listed = read_manifest(manifests)
    order = listed.loc[listed["readable"], "fname"].tolist()
    for count, expected in (
        (2, [order[0], order[4]]),
        (5, order),
        (6, [name for name in order for _ in range(2)]),
        (99, [name for name in order for _ in range(SAMPLING.count)]),
    ):
        with varied_frames(count, manifests, tmp_path, frames, workers=1) as store:
            assert store.fnames == expected
            assert not store.unreadable
