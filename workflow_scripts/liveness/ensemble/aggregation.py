"""Aggregation of frame scores to one score per video and engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import trim_mean


@dataclass(frozen=True)
class Aggregation:
    """The method that reduces the scores of a video's frames to one.

    `method` is mean, median, trimmed (the mean without the highest and the lowest fifth) or top_k
    (the mean of the `top_k` lowest scores, or of all if there are fewer).
    """

    method: str
    top_k: int = 0


def video_scores(frame_scores: pd.DataFrame, aggregation: Aggregation) -> pd.DataFrame:
    """Compute the video's score for each fname, model and fold: one row each."""
    groups = frame_scores.groupby(["fname", "model", "fold"], sort=True)["score"]
    match aggregation.method:
        case "trimmed":
            scores = groups.agg(lambda frames: trim_mean(frames, 0.2))
        case "top_k":
            scores = groups.agg(lambda frames: frames.nsmallest(aggregation.top_k).mean())
        case method:
            scores = groups.agg(method)
    return scores.reset_index()


def read_video_scores(shards: Iterable[str | Path], aggregation: Aggregation) -> pd.DataFrame:
    """Read the frame scores of several shards and return the scores of their videos."""
    return pd.concat(
        [video_scores(pd.read_parquet(shard), aggregation) for shard in shards], ignore_index=True
    )


def model_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Average the engines of each model: a row per fname, a column per model, nan if unscored."""
    return scores.groupby(["fname", "model"])["score"].mean().unstack().astype(float)


def single_frames(frame_scores: pd.DataFrame, folds: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Treat one model's frames as videos `fname#index`; return their scores and rows of `folds`."""
    names = frame_scores["fname"] + "#" + frame_scores["index"].astype(str)
    of_frames = folds.loc[frame_scores["fname"]].set_axis(names)
    return frame_scores.assign(fname=names), of_frames


def check_held_out(scores: pd.DataFrame, folds: pd.DataFrame) -> None:
    """Raise ValueError unless all scores are from engines that saw neither the video nor its group.

    Also raises it if a model scored a video twice. `scores` has fname, model, fold; `folds` has
    group and fold by fname. Every held-out figure rests on this, so each rule that computes one
    calls it.
    """
    own_fold = folds["fold"].reindex(scores["fname"]).to_numpy()
    _refuse(scores["fname"][own_fold != scores["fold"].to_numpy()], "was scored by an engine that saw it")
    straddling = folds.groupby("group")["fold"].transform("nunique") > 1
    _refuse(
        scores["fname"][scores["fname"].isin(folds.index[straddling])],
        "was scored by an engine that saw its group",
    )
    _refuse(scores["fname"][scores.duplicated(["fname", "model"])], "was scored twice by one model")


def _refuse(fnames: pd.Series, reason: str) -> None:
    if len(fnames):
        raise ValueError(f"the training video {fnames.iloc[0]} {reason}, so its score is not held out")
