"""Held-out videos by how badly they were misjudged."""

import numpy as np
import pandas as pd

from liveness.frames import FrameStore
from liveness.pages import Card


def judged(held_out: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """What is known of each held-out video: liveness_score, attack, group, fold, score, threshold, wrong.

    `held_out` is blend/held_out.csv by fname, `folds` has liveness_score, attack and group by fname. `wrong`
    is true where the threshold, if there is one, accepts an attack or rejects a live video.
    """
    table = folds[["liveness_score", "attack", "group"]].join(held_out, how="inner")
    accepted = table["score"] >= table["threshold"]
    table["wrong"] = table["threshold"].notna() & (accepted != (table["liveness_score"] == 1))
    return table


def worst(videos: pd.DataFrame, label: int, count: int) -> pd.DataFrame:
    """Of the videos of a label, those judged worst: the wrong ones first, since thresholds differ by fold.

    For attacks (label 0) the highest score is the worst, for live videos the lowest.
    """
    own = videos[videos["liveness_score"] == label]
    return own.sort_values(["wrong", "score"], ascending=[False, bool(label)], kind="stable").head(count)


def sheet(videos: pd.DataFrame, store: FrameStore, frames: int) -> list[Card]:
    """A card per row of `videos`, with up to `frames` of its frames spread evenly over it."""
    cards = []
    for fname, video in videos.iterrows():
        rows = store.rows(str(fname))
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(frames, len(rows))).round().astype(int))]
        known = {"attack": video["attack"], "group": video["group"], "fold": str(video["fold"])}
        threshold = "" if pd.isna(video["threshold"]) else f" (threshold {video['threshold']:.3f})"
        text = f"score {video['score']:.3f}{threshold}; " + ", ".join(
            f"{name} {value}" for name, value in known.items() if value
        )
        cards.append(Card(str(fname), text, [store.image(row) for row in chosen], bool(video["wrong"])))
    return cards
