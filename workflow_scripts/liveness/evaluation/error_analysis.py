"""Held-out videos by how badly they were misjudged, and what of them to show."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from liveness.video.frame_store import FrameStore

FALSE_ACCEPT, FALSE_REJECT, RIGHT = "false accept", "false reject", "right"


def judged(held_out: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """What is known of each held-out video: liveness_score, attack, group, fold, score, threshold, margin,
    verdict.

    `held_out` is blend/held_out.csv by fname, `folds` has liveness_score, attack and group by fname. `margin`
    is by how much the score exceeds the threshold of the video's fold; `verdict` is FALSE_ACCEPT,
    FALSE_REJECT or RIGHT. Without a threshold the margin is the score, and the verdict "".
    """
    table = folds[["liveness_score", "attack", "group"]].join(held_out, how="inner")
    live, accepted = table["liveness_score"] == 1, table["score"] >= table["threshold"]
    table["margin"] = table["score"] - table["threshold"].fillna(0)
    table["verdict"] = np.select(
        [table["threshold"].isna(), ~live & accepted, live & ~accepted],
        ["", FALSE_ACCEPT, FALSE_REJECT],
        RIGHT,
    )
    return table


def worst(videos: pd.DataFrame, label: int, count: int) -> pd.DataFrame:
    """Of the judged videos of a label, those judged worst: attacks (label 0) of the highest margin, live
    videos of the lowest.
    """
    own = videos[videos["liveness_score"] == label]
    return own.sort_values("margin", ascending=bool(label), kind="stable").head(count)


def telling_frames(frame_scores: pd.DataFrame, labels: Mapping[str, int]) -> pd.DataFrame:
    """The frame of each video of `labels` that one model is most wrong about: fold, index, score by fname.

    `frame_scores` are that model's (fname, fold, index, score); what it has not scored is left out.
    """
    own = frame_scores[frame_scores["fname"].isin(list(labels))]
    wrong = own["score"].where(own["fname"].map(labels) == 0, -own["score"])
    chosen = own.loc[wrong.groupby(own["fname"]).idxmax()].set_index("fname")
    return chosen.loc[[name for name in labels if name in chosen.index], ["fold", "index", "score"]]


def spread_frames(store: FrameStore, fname: str, count: int) -> dict[str, np.ndarray]:
    """Up to `count` stored frames of a video, spread evenly over it, uint8 RGB [H, W, 3] by what they are."""
    rows = store.rows(fname)
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))
    return {f"frame {place}": store.image(rows[place]) for place in chosen}


def about(video: pd.Series) -> str:
    """A judged video's figures and what is known of it, for people."""
    threshold = "" if pd.isna(video["threshold"]) else f" (threshold {video['threshold']:.3f})"
    known = [f"{name} {video[name]}" for name in ("attack", "group", "fold") if video[name] != ""]
    return f"score {video['score']:.3f}{threshold}; {', '.join(known)}"
