"""Aggregation of frame scores to video scores, and the check that scores are held out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.aggregation import (
    Aggregation,
    check_held_out,
    model_scores,
    read_video_scores,
    single_frames,
    video_scores,
)


def table(*rows: tuple[str, str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["fname", "model", "fold", "score"])


FRAMES = table(
    ("2", "a", 0, 0.1), ("2", "a", 0, 0.1), ("2", "a", 0, 1.0), ("2", "a", 1, 0.7), ("10", "b", 0, 0.3)
)


@pytest.mark.parametrize(("method", "expected"), [("mean", 0.4), ("median", 0.1)])
def test_frames_become_one_score_per_video_and_engine(method: str, expected: float) -> None:
    scores = video_scores(FRAMES, Aggregation(method))
    assert scores.columns.tolist() == ["fname", "model", "fold", "score"]
    assert scores[["fname", "model", "fold"]].to_numpy().tolist() == [
        ["10", "b", 0],
        ["2", "a", 0],
        ["2", "a", 1],
    ]
    np.testing.assert_allclose(scores["score"], [0.3, expected, 0.7])


@pytest.mark.parametrize(
    ("method", "top_k", "expected"),
    [("trimmed", 0, 0.5), ("top_k", 1, 0.0), ("top_k", 2, 0.2), ("top_k", 9, 0.5)],
)
def test_methods_that_ignore_frames(method: str, top_k: int, expected: float) -> None:
    frames = table(*(("v", "a", 0, score) for score in (0.6, 0.0, 0.5, 0.4, 1.0)))
    scores = video_scores(frames, Aggregation(method, top_k))["score"]
    assert scores.tolist() == pytest.approx([expected])


def test_shards_are_read_together(tmp_path: Path) -> None:
    for number, shard in enumerate((FRAMES.iloc[:4], FRAMES.iloc[4:])):
        shard.to_parquet(tmp_path / f"{number}.parquet")
    scores = read_video_scores([tmp_path / "0.parquet", tmp_path / "1.parquet"], Aggregation("mean"))
    assert scores["fname"].tolist() == ["2", "2", "10"]
    assert scores.index.tolist() == [0, 1, 2]


def test_a_model_is_the_mean_of_its_engines() -> None:
    by_model = model_scores(video_scores(FRAMES, Aggregation("mean")))
    assert by_model["a"].to_dict() == {"10": pytest.approx(np.nan, nan_ok=True), "2": pytest.approx(0.55)}
    assert by_model.loc["10", "b"] == pytest.approx(0.3)


def test_single_frames_keep_their_videos_fold_and_group() -> None:
    folds = make_folds(6, 2)
    frames = pd.DataFrame(
        {"fname": ["0003.mp4", "0000.mp4"], "index": [1, 0], "model": "m", "fold": [1, 0], "score": 0.5}
    )
    scores, of_frames = single_frames(frames, folds)
    assert scores["fname"].tolist() == of_frames.index.tolist() == ["0003.mp4#1", "0000.mp4#0"]
    assert of_frames[["group", "fold"]].to_numpy().tolist() == [["person1", 1], ["person0", 0]]


FOLDS = make_folds()
SCORES = make_scores(FOLDS, {"a": 1, "b": 2}, only={"b": [0, 2]})


def test_held_out_scores_pass() -> None:
    check_held_out(SCORES, FOLDS)


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        ({"fold": 1}, "was scored by an engine that saw it"),
        ({"fname": "unknown.mp4"}, "was scored by an engine that saw it"),
        ({"model": "a"}, "was scored twice by one model"),
    ],
)
def test_a_planted_violation_is_detected(planted: dict[str, object], reason: str) -> None:
    violation = SCORES[(SCORES["model"] == "b") & (SCORES["fold"] == 0)].iloc[[7]].assign(**planted)
    with pytest.raises(ValueError, match=reason) as caught:
        check_held_out(pd.concat([SCORES, violation], ignore_index=True), FOLDS)
    assert str(violation["fname"].iloc[0]) in str(caught.value)


def test_an_engine_trained_on_the_videos_group_is_detected() -> None:
    """The engine held out the video itself, but not another one of the same person."""
    folds = FOLDS.copy()
    folds.loc["0004.mp4", "group"] = folds.loc["0000.mp4", "group"]
    with pytest.raises(ValueError, match=r"0000\.mp4 was scored by an engine that saw its group"):
        check_held_out(SCORES, folds)
