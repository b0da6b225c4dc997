"""The scores that engines give: one per frame, then one per video and engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import trim_mean


@dataclass(frozen=True)
class Aggregation:
    """How the scores of a video's frames become one.

    `method` is mean, median, trimmed (the mean without the highest and the lowest fifth) or top_k
    (the mean of the `top_k` lowest scores, or of all if there are fewer).
    """

    method: str
    top_k: int = 0


def video_scores(frame_scores: pd.DataFrame, aggregation: Aggregation) -> pd.DataFrame:
    """Return one row per fname, model and fold, with the score of the video."""
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
    """Read the scores of the frames of several shards; return those of their videos."""
    return pd.concat(
        [video_scores(pd.read_parquet(shard), aggregation) for shard in shards], ignore_index=True
    )


def model_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over a model's engines: a row per fname, a column per model, nan where none scored."""
    return scores.groupby(["fname", "model"])["score"].mean().unstack().astype(float)


def single_frames(frame_scores: pd.DataFrame, folds: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One model's frames as if each were a video, named `fname#index`: scores, and rows of `folds`."""
    names = frame_scores["fname"] + "#" + frame_scores["index"].astype(str)
    of_frames = folds.loc[frame_scores["fname"]].set_axis(names)
    return frame_scores.assign(fname=names), of_frames


def check_held_out(scores: pd.DataFrame, folds: pd.DataFrame) -> None:
    """Raise ValueError unless every score is from an engine that saw neither the video nor its group.

    `scores` has fname, model, fold; `folds` has group and fold by fname. Also for a video that a model scored
    twice. It is what every held-out figure rests on, so each rule that makes one asks.
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
        raise ValueError(f"the training video {fnames.iloc[0]} {reason}; no held-out figure exists")
