"""Error analysis: the worst misclassified held-out videos and their most misleading frames."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from liveness.video.frame_store import FrameStore

FALSE_ACCEPT, FALSE_REJECT, CORRECT = "false accept", "false reject", "correct"


def verdicts(held_out: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """Join held-out scores with labels and add the columns margin and verdict.

    `held_out` is blend/held_out.csv by fname; `folds` has liveness_score, attack and group by
    fname. `margin` is the score minus the threshold of the video's fold; `verdict` is FALSE_ACCEPT,
    FALSE_REJECT or CORRECT. Without a threshold the margin is the score and the verdict is "".
    Returns liveness_score, attack, group, fold, score, threshold, margin, verdict by fname.
    """
    table = folds[["liveness_score", "attack", "group"]].join(held_out, how="inner")
    live, accepted = table["liveness_score"] == 1, table["score"] >= table["threshold"]
    table["margin"] = table["score"] - table["threshold"].fillna(0)
    table["verdict"] = np.select(
        [table["threshold"].isna(), ~live & accepted, live & ~accepted],
        ["", FALSE_ACCEPT, FALSE_REJECT],
        CORRECT,
    )
    return table


def worst(videos: pd.DataFrame, label: int, count: int) -> pd.DataFrame:
    """Return the `count` worst videos of a label.

    These are the attacks (label 0) with the highest margins, or the live videos with the lowest.
    """
    own = videos[videos["liveness_score"] == label]
    return own.sort_values("margin", ascending=bool(label), kind="stable").head(count)


def telling_frames(frame_scores: pd.DataFrame, labels: Mapping[str, int]) -> pd.DataFrame:
    """Select the frame of each video in `labels` that a model gets most wrong.

    `frame_scores` are the model's (fname, fold, index, score). Returns fold, index, score by fname;
    videos that the model has not scored are left out.
    """
    own = frame_scores[frame_scores["fname"].isin(list(labels))]
    wrong = own["score"].where(own["fname"].map(labels) == 0, -own["score"])
    chosen = own.loc[wrong.groupby(own["fname"]).idxmax()].set_index("fname")
    return chosen.loc[[name for name in labels if name in chosen.index], ["fold", "index", "score"]]


def spread_frames(store: FrameStore, fname: str, count: int) -> dict[str, np.ndarray]:
    """Return up to `count` evenly spaced frames of a video, uint8 RGB [H, W, 3], by caption."""
    rows = store.rows(fname)
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))
    return {f"frame {place}": store.image(rows[place]) for place in chosen}


def describe_video(video: pd.Series) -> str:
    """Describe a video of `verdicts` in one line: score, threshold, attack, group and fold."""
    threshold = "" if pd.isna(video["threshold"]) else f" (threshold {video['threshold']:.3f})"
    known = [f"{name} {video[name]}" for name in ("attack", "group", "fold") if video[name] != ""]
    return f"score {video['score']:.3f}{threshold}; {', '.join(known)}"
