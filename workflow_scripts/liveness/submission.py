"""From the scores of frames to one score per video, and to the rows that were asked for."""

from collections.abc import Mapping, Sequence

import pandas as pd
from scipy.stats import trim_mean

from liveness.errors import InputError

BlendWeights = Mapping[str, Mapping[int, float]]


def video_scores(frame_scores: pd.DataFrame, aggregate: str, top_k: int = 3) -> pd.DataFrame:
    """Aggregate frames: one row per fname, model and fold, with its score.

    `aggregate` is mean, median, trimmed (the mean without the highest and the lowest fifth) or top_k (the
    mean of the `top_k` lowest, or of all where there are fewer).
    """
    groups = frame_scores.groupby(["fname", "model", "fold"], sort=True)["score"]
    match aggregate:
        case "trimmed":
            scores = groups.agg(lambda frames: trim_mean(frames, 0.2))
        case "top_k":
            scores = groups.agg(lambda frames: frames.nsmallest(top_k).mean())
        case _:
            scores = groups.agg(aggregate)
    return scores.reset_index()


def blend(scores: pd.DataFrame, weights: BlendWeights) -> pd.Series:
    """Weighted mean over the engines that scored a video: score per fname, sorted.

    `scores` has fname, model, fold, score. `weights` maps model and fold to a weight; empty means all alike.
    Weights are rescaled per video, so a held-out video, which only some engines may score, gets a mean too;
    one whose engines all weigh 0 gets none.
    """
    if weights:
        known = {(model, fold): weight for model, folds in weights.items() for fold, weight in folds.items()}
        engines = zip(scores["model"], scores["fold"], strict=True)
        weight = pd.Series([known.get(engine, 0.0) for engine in engines], index=scores.index, dtype=float)
    else:
        weight = pd.Series(1.0, index=scores.index)
    parts = pd.DataFrame({"fname": scores["fname"], "sum": scores["score"] * weight, "weight": weight})
    parts = parts.groupby("fname", sort=True).sum()
    parts = parts[parts["weight"] > 0]
    return (parts["sum"] / parts["weight"]).clip(0.0, 1.0).rename("liveness_score")


def submission_rows(
    rows: Sequence[str],
    scores: pd.Series,
    unreadable: Mapping[str, str],
    fallback: float,
    max_unreadable: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the submission (fname, liveness_score) in `rows`' order, and what is unreadable (fname, reason).

    A row without a score gets `fallback`. Raises InputError when their share exceeds `max_unreadable`.
    """
    missing = [fname for fname in rows if fname not in scores.index]
    reasons = [unreadable.get(fname, "it is not in data.test.videos") for fname in missing]
    if missing and len(missing) / len(rows) > max_unreadable:
        raise InputError(
            f"{len(missing)} of {len(rows)} videos cannot be read, more than inference.max_unreadable "
            f"({max_unreadable:.0%}) allows; the first is {missing[0]} ({reasons[0]}). "
            "Mend the videos or raise the limit."
        )
    table = pd.DataFrame(
        {"fname": list(rows), "liveness_score": scores.reindex(list(rows)).fillna(fallback).to_numpy()}
    )
    return table, pd.DataFrame({"fname": missing, "reason": reasons})
