"""The order of the classes: models whose scores rank live videos below attacks."""

from math import sqrt

import pandas as pd

from liveness.ensemble.aggregation import model_scores
from liveness.metrics.error_rates import area_under_curve, error_curve

# Chance alone puts one model in 700 so far below an AUC of 0.5.
DEVIATIONS = 3


def reversed_models(scores: pd.DataFrame, folds: pd.DataFrame) -> list[str]:
    """Return a sentence per model whose held-out scores run against the labels.

    The AUC of such a model is more than DEVIATIONS standard errors below 0.5. The standard error is
    that of random scores, sqrt((n + m + 1) / (12 n m)), from the Mann-Whitney U statistic. n and m
    are the numbers of groups with live videos and with attacks, since videos of one person are
    alike; with fewer than 7 of each, no model is reported.

    Args:
        scores: fname, model, fold and score (1 live) of videos (see `aggregation.video_scores`).
        folds: liveness_score and group by fname.
    """
    sentences = []
    for name, own in model_scores(scores).items():
        known = folds.join(own.dropna().rename("score"), how="inner")
        live = known["liveness_score"] == 1
        n, m = (known["group"][which].nunique() for which in (live, ~live))
        if not n or not m:
            continue
        auc = float(area_under_curve(error_curve(known["liveness_score"], known["score"])))
        if auc < 0.5 - DEVIATIONS * sqrt((n + m + 1) / (12 * n * m)):
            sentences.append(
                f"{name} scores live videos below attacks (held-out AUC {auc:.3f}, far below 0.5): its "
                "classes seem to be in reversed order; expected 1 for live in the labels, and live as the "
                "second class of weights from outside."
            )
    return sentences
