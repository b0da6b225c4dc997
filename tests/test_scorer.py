"""Scoring real videos with engines that can be checked by hand: their score is the mean of what they see."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from clips import numbered, write_clip
from liveness.frames import read_video
from liveness.preprocessing import model_input
from liveness.scorer import SCORES, Member, Sampling, Scorer, Video

SAMPLING = Sampling(count=4, window=(0.0, 1.0), short_side=64, first=3)


class Brightness:
    """An engine whose score is a frame's mean brightness; remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.batches.append(len(images))
        return (images.mean(axis=(1, 2, 3)) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for n in range(7):
        write_clip(folder / f"{n}.mp4", numbered(10 + 20 * n)[20 * n :], fps=10)
    (folder / "broken.mp4").write_bytes(b"nothing")
    return folder


def run(
    folder: Path, members: list[Member], videos: list[Video], batch_size: int
) -> tuple[pd.DataFrame, dict[str, str]]:
    problems: dict[str, str] = {}
    scorer = Scorer(members, folder, SAMPLING, batch_size, workers=2)
    parts = list(scorer.score(videos, lambda video, reason: problems.update({video.fname: reason})))
    assert sum(finished for finished, _ in parts) == len([v for v in videos if scored(v, members)])
    return pa.concat_tables([table for _, table in parts]).to_pandas(), problems


def scored(video: Video, members: list[Member]) -> bool:
    return video.fold is None or any(member.fold == video.fold for member in members)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_every_engine_scores_every_frame_in_batches_that_mix_videos(folder: Path, batch_size: int) -> None:
    small, large = Brightness(), Brightness()
    members = [Member("small", 0, 32, small), Member("large", 1, 48, large)]
    videos = [Video(f"{n}.mp4", 1.0) for n in range(7)]
    scores, problems = run(folder, members, videos, batch_size)
    assert not problems
    assert len(scores) == 7 * 3 * 2
    assert small.batches == large.batches
    assert small.batches[:-1] == [batch_size] * (21 // batch_size - (21 % batch_size == 0))
    for row in scores.itertuples():
        frames, times = read_video(folder / row.fname, 1.0, 4, (0.0, 1.0), 64)
        size = {"small": 32, "large": 48}[row.model]
        assert row.score == pytest.approx(model_input(frames[row.index], size).mean() / 255, abs=1e-5)
        assert row.time == times[row.index]


def test_held_out_videos_are_scored_by_the_engines_of_their_fold_only(folder: Path) -> None:
    engines = {name: Brightness() for name in ("a0", "a1", "b0")}
    members = [
        Member("a", 0, 32, engines["a0"]),
        Member("a", 1, 32, engines["a1"]),
        Member("b", 0, 48, engines["b0"]),
    ]
    videos = [Video(f"{n}.mp4", 1.0, fold=n % 3) for n in range(7)]
    scores, _ = run(folder, members, videos, batch_size=4)
    folds = {video.fname: video.fold for video in videos}
    assert all(folds[row.fname] == row.fold for row in scores.itertuples())
    assert set(zip(scores["model"], scores["fold"], strict=True)) == {("a", 0), ("a", 1), ("b", 0)}
    assert not set(scores["fname"]) & {name for name, fold in folds.items() if fold == 2}


def test_a_broken_video_is_told_and_the_others_are_scored(folder: Path) -> None:
    videos = [Video("0.mp4", 1.0), Video("broken.mp4", 1.0), Video("1.mp4", 1.0)]
    scores, problems = run(folder, [Member("m", 0, 32, Brightness())], videos, batch_size=4)
    assert set(scores["fname"]) == {"0.mp4", "1.mp4"}
    assert set(problems) == {"broken.mp4"}
    assert "broken.mp4" in problems["broken.mp4"]


def test_tables_have_the_declared_columns(folder: Path) -> None:
    scorer = Scorer([Member("m", 0, 32, Brightness())], folder, SAMPLING, 8, workers=1)
    for _, table in scorer.score([Video("0.mp4", 1.0)], lambda *_: None):
        assert table.schema == SCORES
