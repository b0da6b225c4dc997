"""Score real videos with engines whose scores, mean pixel values, can be checked by hand."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from liveness.engines.interface import Engine, Frames, Inputs
from liveness.engines.runner import SerialEngines
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Video
from liveness.scoring.pipeline import SCORE_SCHEMA, Member, Pipeline
from liveness.scoring.timing import Finished
from liveness.video.preprocessing import View, model_input, part, views
from liveness.video.sampling import Sampling, read_video

SAMPLING = Sampling(count=4, window=(0.0, 1.0), short_side=64, first=3)


class Brightness(Engine):
    """Score the mean brightness of the left half, so that mirroring matters; count batches."""

    def __init__(self, image_size: int) -> None:
        super().__init__(image_size, max_batch=1000)
        self.batches: list[int] = []

    def _score(self, frames: np.ndarray) -> np.ndarray:
        self.batches.append(len(frames))
        return brightness(frames)

    def close(self) -> None:
        pass


def brightness(frames: np.ndarray) -> np.ndarray:
    return (frames[:, :, : frames.shape[2] // 2].mean(axis=(1, 2, 3)) / 255).astype(np.float32)


class FromFrames(SerialEngines):
    """Take canonical frames, like engines on a GPU."""

    takes_frames = True

    def submit(self, batch: Inputs | Frames, which: Sequence[int]):  # type: ignore[no-untyped-def]
        assert not isinstance(batch, Mapping)
        cuts = {(size, view.box) for size in self.sizes for view in self._views}
        return super().submit(
            {(size, box): np.stack([model_input(part(f, box), size) for f in batch]) for size, box in cuts},
            which,
        )


Engines = dict[tuple[str, int], Brightness]


def run(
    folder: Path,
    workers: Workers,
    engines: Engines,
    folds: Mapping[str, int | None],
    batch_size: int,
    looks: Sequence[View] = (View(),),
    kind: type[SerialEngines] = SerialEngines,
    duration: float | None = 1.0,
) -> tuple[pd.DataFrame, dict[str, Finished]]:
    videos = [Video(folder / fname, fname, duration, fold) for fname, fold in folds.items()]
    with kind(list(engines.values()), looks) as ensemble:
        members = [Member(*name) for name in engines]
        parts = list(Pipeline(members, ensemble, looks, SAMPLING, workers, batch_size).score(videos))
    finished = [video for part in parts for video in part.finished]
    assert len({video.fname for video in finished}) == len(finished)
    return pa.concat_tables([part.scores for part in parts]).to_pandas(), {v.fname: v for v in finished}


SEVEN = {f"{n}.mp4": None for n in range(7)}


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_every_engine_scores_every_frame_in_batches_that_mix_videos(
    folder: Path, workers: Workers, batch_size: int
) -> None:
    engines = {("small", 0): Brightness(32), ("large", 1): Brightness(48)}
    scores, finished = run(folder, workers, engines, SEVEN, batch_size)
    assert set(finished) == set(SEVEN)
    assert not any(video.problem for video in finished.values())
    assert len(scores) == 7 * 3 * 2
    small, large = engines.values()
    assert small.batches == large.batches
    assert small.batches[:-1] == [batch_size] * (21 // batch_size - (21 % batch_size == 0))
    for row in scores.itertuples():
        frames, times, _ = read_video(folder / row.fname, 1.0, replace(SAMPLING, first=None))
        size = {"small": 32, "large": 48}[row.model]
        expected = brightness(model_input(frames[row.index], size)[None])
        assert row.score == pytest.approx(expected[0], abs=1e-5)
        assert row.time == times[row.index]


def test_the_score_of_a_frame_is_the_mean_over_its_views(folder: Path, workers: Workers) -> None:
    looks = views(["whole", "whole+hflip", "top_left+vflip", "center"], 0.5)
    scores, _ = run(folder, workers, {("m", 0): Brightness(32)}, {"1.mp4": None}, 4, looks)
    frames, _, _ = read_video(folder / "1.mp4", 1.0, SAMPLING)
    for row in scores.itertuples():
        frame = frames[row.index]
        assert frame.shape == (64, 85, 3)
        seen = [
            model_input(frame, 32),
            model_input(frame, 32)[:, ::-1],
            model_input(frame[:32, :42], 32)[::-1],
            model_input(frame[16:48, 21:64], 32),
        ]
        assert row.score == pytest.approx(brightness(np.stack(seen)).mean(), abs=1e-5)


def test_frames_may_be_cut_by_the_ensemble_itself(folder: Path, workers: Workers) -> None:
    looks = views(["whole", "bottom_right+hflip"], 0.7)
    one, other = (
        run(folder, workers, {("a", 0): Brightness(32), ("b", 0): Brightness(48)}, SEVEN, 5, looks, kind)[0]
        for kind in (SerialEngines, FromFrames)
    )
    pd.testing.assert_frame_equal(one, other)


def test_held_out_videos_are_scored_by_the_engines_of_their_fold_only(folder: Path, workers: Workers) -> None:
    engines = {("a", 0): Brightness(32), ("a", 1): Brightness(32), ("b", 0): Brightness(48)}
    folds = {f"{n}.mp4": n % 3 for n in range(7)}
    scores, finished = run(folder, workers, engines, folds, batch_size=4)
    assert all(folds[row.fname] == row.fold for row in scores.itertuples())
    assert set(zip(scores["model"], scores["fold"], strict=True)) == {("a", 0), ("a", 1), ("b", 0)}
    assert set(finished) == set(scores["fname"]) == {name for name, fold in folds.items() if fold != 2}


@pytest.mark.parametrize("duration", [1.0, None])
def test_a_broken_video_is_told_and_the_others_are_scored(
    folder: Path, workers: Workers, duration: float | None
) -> None:
    folds = {"0.mp4": None, "broken.mp4": None, "1.mp4": None}
    scores, finished = run(folder, workers, {("m", 0): Brightness(32)}, folds, 4, duration=duration)
    assert set(scores["fname"]) == {"0.mp4", "1.mp4"}
    assert [fname for fname, video in finished.items() if video.problem] == ["broken.mp4"]


def test_what_is_not_probed_before_is_probed_then(folder: Path, workers: Workers) -> None:
    known, unknown = (
        run(folder, workers, {("m", 0): Brightness(32)}, SEVEN, 8, duration=duration)[0]
        for duration in (1.0, None)
    )
    # these clips of ten frames last 1.0 s
    pd.testing.assert_frame_equal(known, unknown)


def darker(frame: np.ndarray) -> np.ndarray:
    """Halve brightness and size; frames smaller than the canonical form must not be enlarged."""
    return (frame[::4, ::4] // 2).astype(np.uint8)


@pytest.mark.parametrize("kind", [SerialEngines, FromFrames])
def test_degraded_frames_are_what_engines_see(
    folder: Path, workers: Workers, kind: type[SerialEngines]
) -> None:
    with kind([Brightness(32)], [View()]) as ensemble:
        pipeline = Pipeline([Member("m", 0)], ensemble, [View()], SAMPLING, workers, 4, darker)
        (scores,) = [part.scores.to_pandas() for part in pipeline.score([Video(folder / "6.mp4", "6", 1.0)])]
    plain, _ = run(folder, workers, {("m", 0): Brightness(32)}, {"6.mp4": None}, 4)
    np.testing.assert_allclose(scores["score"], plain["score"] / 2, atol=0.01)


def test_frames_without_a_face_are_scored_whole_and_counted(
    folder: Path, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    with SerialEngines([Brightness(32)], [View()]) as ensemble, caplog.at_level(logging.INFO):
        sampling = replace(SAMPLING, crop="face")
        pipeline = Pipeline([Member("m", 0)], ensemble, [View()], sampling, workers, 4)
        videos = [Video(folder / name, name, 1.0) for name in ("1.mp4", "broken.mp4", "2.mp4")]
        scores = pa.concat_tables([part.scores for part in pipeline.score(videos)]).to_pandas()
    assert "no face found in 6 of 6 frames, which are used uncropped" in caplog.text
    assert "videos without any face: 2 of 2" in caplog.text
    plain, _ = run(folder, workers, {("m", 0): Brightness(32)}, {"1.mp4": None, "2.mp4": None}, 4)
    pd.testing.assert_frame_equal(scores, plain)


def test_the_time_of_a_batch_is_shared_by_its_frames(folder: Path, workers: Workers) -> None:
    with SerialEngines([Brightness(32)], [View()]) as ensemble:
        pipeline = Pipeline([Member("m", 0)], ensemble, [View()], SAMPLING, workers, batch_size=4)
        videos = [Video(folder / fname, fname, 1.0) for fname in SEVEN]
        finished = [video for part in pipeline.score(videos) for video in part.finished]
    for stage in ("decode", "preprocess", "compute"):
        times = [getattr(video, stage) for video in finished]
        assert min(times) > 0
        assert sum(times) == pytest.approx(pipeline.seconds[stage])


def test_scores_that_are_no_numbers(folder: Path, workers: Workers) -> None:
    class Broken(Brightness):
        def _score(self, frames: np.ndarray) -> np.ndarray:
            return np.full(len(frames), np.nan, np.float32)

    with pytest.raises(
        InputError, match=r"the engine of m, fold 0 gives scores that are not finite for 0\.mp4"
    ):
        run(folder, workers, {("m", 0): Broken(32)}, SEVEN, 4)


def test_tables_have_the_declared_columns(folder: Path, workers: Workers) -> None:
    with SerialEngines([Brightness(32)], [View()]) as ensemble:
        pipeline = Pipeline([Member("m", 0)], ensemble, [View()], SAMPLING, workers, batch_size=8)
        for part in pipeline.score([Video(folder / "0.mp4", "0.mp4", 1.0)]):
            assert part.scores.schema == SCORE_SCHEMA
