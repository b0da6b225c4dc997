"""Combination of the scores of several engines, by given or fitted parameters.

`mean` and all fitted methods combine *models*, each represented by the mean of its engines. A
held-out video has a score from at most one engine per model, the one trained without the video's
fold; a test video has a score from every engine. Fitted parameters are plain data that JSON can
hold.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from liveness.ensemble.aggregation import model_scores
from liveness.runtime.errors import InputError
from liveness.settings.ensemble import BlendWeights

Parameters = dict[str, Any]

# number of quantiles that represent the distribution of a model's scores
REFERENCE_POINTS = 1001
# minimum distance of probabilities from 0 and 1: one certain engine must not outvote all others
CLOSEST = 1e-6


def weighted_mean(scores: pd.DataFrame, weights: BlendWeights) -> pd.Series:
    """Average the scores of each video, weighted by engine: one score per fname, sorted.

    `scores` has fname, model, fold, score. `weights` maps model and fold to a weight. Weights are
    rescaled per video over the engines that scored it, because only some engines score a held-out
    video. A video whose engines all have weight 0 gets no score.
    """
    known = {(model, int(fold)): weight for model, folds in weights.items() for fold, weight in folds.items()}
    engines = zip(scores["model"], scores["fold"], strict=True)
    weight = pd.Series([known.get(engine, 0.0) for engine in engines], index=scores.index, dtype=float)
    parts = pd.DataFrame({"fname": scores["fname"], "sum": scores["score"] * weight, "weight": weight})
    parts = parts.groupby("fname", sort=True).sum()
    parts = parts[parts["weight"] > 0]
    return (parts["sum"] / parts["weight"]).clip(0.0, 1.0).rename("liveness_score")


def fit_combination(method: str, scores: pd.DataFrame, folds: pd.DataFrame) -> Parameters:
    """Fit the parameters of `combine` for one of the FITTED methods.

    `scores` are held-out scores (fname, model, fold, score); `folds` has liveness_score and fold by
    fname. `rank_mean` stores the score distribution of each model. The other methods are fitted on
    the videos that every model scored:

    - `optimised`: non-negative weights that sum to 1 and minimise log loss, which is convex,
      whereas the error rate is a step function.
    - `stacking`: logistic regression on the logits (Wolpert 1992) with scikit-learn's default
      penalty.
    - `blending`: the same on one fold, the first that all models scored. The other folds then
      evaluate the very blend that is used later, unlike the nested estimate of stacking; but it is
      fitted on fewer videos.

    Raises InputError if the videos that every model scored are not of both classes.
    """
    by_model = model_scores(scores)
    if method == "rank_mean":
        return {"reference": {model: _reference(by_model[model].dropna().to_numpy()) for model in by_model}}
    complete = by_model.dropna()
    if method == "blending" and len(complete):
        fold = folds["fold"].loc[complete.index]
        complete = complete[fold == fold.min()]
    labels = folds["liveness_score"].loc[complete.index].to_numpy()
    if len(np.unique(labels)) < 2:
        raise InputError(
            f"ensemble.method {method} needs videos of both classes that every model held out, but "
            f"{', '.join(map(str, by_model))} share {len(complete)}, of at most one class; train them on "
            "more common folds, or use mean."
        )
    if method == "optimised":
        return {
            "weights": dict(
                zip(by_model, _simplex_weights(complete.to_numpy(), labels).tolist(), strict=True)
            )
        }
    if method not in ("stacking", "blending"):
        raise ValueError(f"no method {method}")
    regression = LogisticRegression().fit(_logits(complete.to_numpy()), labels)
    return {
        "intercept": float(regression.intercept_[0]),
        "coefficients": dict(zip(by_model, regression.coef_[0].tolist(), strict=True)),
    }


def combine(method: str, parameters: Parameters, scores: pd.DataFrame) -> pd.Series:
    """Combine `scores` (fname, model, fold, score) to one score in [0, 1] per fname, sorted.

    A video that some models did not score gets the (weighted) mean of the others; stacking and
    blending give it no score.
    """
    if method == "weights":
        return weighted_mean(scores, parameters["weights"])
    by_model = model_scores(scores)
    if method == "mean":
        combined = by_model.mean(axis=1)
    elif method == "rank_mean":
        reference = parameters["reference"]
        ranks = {
            model: np.interp(by_model[model], reference[model]["scores"], reference[model]["ranks"])
            for model in by_model.columns.intersection(list(reference))
        }
        combined = pd.DataFrame(ranks, index=by_model.index).mean(axis=1)
    elif method == "optimised":
        weights = pd.Series(parameters["weights"], dtype=float)
        by_model = by_model.reindex(columns=weights.index)
        # the sum of weights is 0 if all models that scored a video have weight 0
        combined = (by_model * weights).sum(axis=1) / by_model.notna().mul(weights).sum(axis=1).replace(
            0.0, np.nan
        )
    else:
        coefficients = pd.Series(parameters["coefficients"])
        logits = _logits(by_model.reindex(columns=coefficients.index).to_numpy())
        combined = pd.Series(
            expit(logits @ coefficients.to_numpy() + parameters["intercept"]), by_model.index
        )
    return combined.dropna().clip(0.0, 1.0).rename("liveness_score")


def _reference(scores: np.ndarray) -> dict[str, list[float]]:
    """Return the distinct scores and their ranks in (0, 1); ties share one rank.

    The end points (0, 0) and (1, 1) are added, so that scores outside the range keep their order.
    """
    if len(scores) > REFERENCE_POINTS:
        scores = np.quantile(scores, np.linspace(0, 1, REFERENCE_POINTS))
    distinct, first = np.unique(scores, return_index=True)
    ranks = ((rankdata(scores) - 0.5) / len(scores))[first]
    inside = (distinct > 0) & (distinct < 1)
    return {
        "scores": [0.0, *distinct[inside].tolist(), 1.0],
        "ranks": [0.0, *ranks[inside].tolist(), 1.0],
    }


def _logits(scores: np.ndarray) -> np.ndarray:
    return logit(np.clip(scores, CLOSEST, 1 - CLOSEST))


def _simplex_weights(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Find the weights [models] whose mean of `scores` [videos, models] has the lowest log loss."""
    right = np.clip(np.where(labels[:, None] == 1, scores, 1 - scores), CLOSEST, 1 - CLOSEST)
    models = right.shape[1]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        blended = right @ weights
        return -np.log(blended).mean(), -(right / blended[:, None]).mean(axis=0)

    found = minimize(
        loss,
        np.full(models, 1 / models),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * models,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-10},
    )
    weights = np.clip(found.x, 0.0, None)
    return weights / weights.sum()
