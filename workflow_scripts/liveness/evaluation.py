"""Error rates on held-out videos: every video scored only by engines that did not see it or its group."""

from typing import Any

import pandas as pd

from liveness.metrics import area_under_curve, equal_error_rate
from liveness.submission import BlendWeights, blend


def held_out_metrics(scores: pd.DataFrame, folds: pd.DataFrame, weights: BlendWeights) -> dict[str, Any]:
    """Figures of every model and of the blend.

    `scores` has fname, model, fold, score (one row per video and engine), `folds` liveness_score and fold by
    fname. Returns {"models": {name: figures}, "blend": figures}; figures are eer, auc, videos, live, spoof,
    pooled over the folds that the model was trained on. Raises ValueError where an engine scored a video that
    it was trained on.
    """
    own_fold = folds["fold"].reindex(scores["fname"]).to_numpy()
    if not (own_fold == scores["fold"].to_numpy()).all():
        raise ValueError("a training video was scored by an engine that saw it")
    models = {
        name: _figures(group.set_index("fname")["score"], folds["liveness_score"])
        for name, group in scores.groupby("model")
    }
    return {"models": models, "blend": _figures(blend(scores, weights), folds["liveness_score"])}


def _figures(scores: pd.Series, labels: pd.Series) -> dict[str, float | int]:
    truth = labels.loc[scores.index]
    return {
        "eer": equal_error_rate(truth, scores),
        "auc": area_under_curve(truth, scores),
        "videos": len(scores),
        "live": int((truth == 1).sum()),
        "spoof": int((truth == 0).sum()),
    }
