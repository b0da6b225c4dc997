"""Simulated held-out scores of models with known skill on labelled videos with groups and folds."""

import numpy as np
import pandas as pd
from scipy.special import expit


def make_folds(videos: int = 240, count: int = 4, seed: int = 0) -> pd.DataFrame:
    """Create groups of three videos, assigned to the folds in turn."""
    rng = np.random.default_rng(seed)
    group = np.arange(videos) // 3
    return pd.DataFrame(
        {
            "liveness_score": rng.integers(0, 2, videos),
            "group": [f"person{number}" for number in group],
            "fold": group % count,
        },
        index=pd.Index([f"{number:04}.mp4" for number in range(videos)], name="fname"),
    )


def make_scores(
    folds: pd.DataFrame, skill: dict[str, float], only: dict[str, list[int]] | None = None, seed: int = 1
) -> pd.DataFrame:
    """Draw scores of models whose class means of logits are `skill` standard deviations apart.

    `only` restricts models to some folds.
    """
    rng = np.random.default_rng(seed)
    tables = []
    for model, distance in skill.items():
        logits = rng.normal((folds["liveness_score"] - 0.5) * distance)
        table = pd.DataFrame(
            {"fname": folds.index, "model": model, "fold": folds["fold"].to_numpy(), "score": expit(logits)}
        )
        tables.append(table[table["fold"].isin((only or {}).get(model, folds["fold"].unique()))])
    return pd.concat(tables, ignore_index=True)


def on_test(models: dict[str, float], folds: int, videos: int = 5, seed: int = 2) -> pd.DataFrame:
    """Draw scores of test videos by the engine of every model and fold."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"t{video}.mp4", model, fold, rng.uniform())
        for video in range(videos)
        for model in models
        for fold in range(folds)
    ]
    return pd.DataFrame(rows, columns=["fname", "model", "fold", "score"])
