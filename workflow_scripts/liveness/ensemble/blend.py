"""The blend: a combination of engines, its calibration and its threshold, fitted on held-out scores."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from liveness.ensemble.aggregation import model_scores
from liveness.ensemble.calibration import calibrate, fit_calibration
from liveness.ensemble.combination import Parameters, combine, fit_combination
from liveness.ensemble.recipe import FITTED, BlendRecipe
from liveness.metrics.error_rates import choose_threshold
from liveness.runtime.errors import InputError


@dataclass(frozen=True)
class Blend:
    """A fitted blend. Scores of at least `threshold` are live; `videos` is how many it was fitted on."""

    method: str
    parameters: Parameters
    calibration: dict[str, Any] | None = None
    criterion: str | None = None
    threshold: float | None = None
    videos: int = 0

    def __call__(self, scores: pd.DataFrame) -> pd.Series:
        """One calibrated score per fname, sorted, of `scores` (fname, model, fold, score)."""
        return calibrate(combine(self.method, self.parameters, scores), self.calibration)


def write_blend(blend: Blend, path: str | Path) -> None:
    Path(path).write_text(json.dumps(asdict(blend), indent=2), encoding="utf-8")


def read_blend(path: str | Path) -> Blend:
    """Read what `write_blend` wrote. Raises InputError where it is missing."""
    try:
        return Blend(**json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `snakemake evaluation` fits the blend.") from None


def given_blend(recipe: BlendRecipe) -> Blend:
    """The blend of a recipe that fits nothing (method weights or mean, no calibration)."""
    weights = {"weights": recipe.weights} if recipe.method == "weights" else {}
    return Blend(recipe.method, weights)


def fit_blend(scores: pd.DataFrame, folds: pd.DataFrame, recipe: BlendRecipe) -> Blend:
    """Fit combination, then calibration, then threshold. Arguments are those of `fit_combination`.

    The calibration sees each video as scored by a combination fitted on the other folds, as it will see test
    videos. (Where only one fold has scores of every model, which a nested fit may meet, there is no other to
    fit on.) Raises InputError where a class is absent.
    """
    labels = folds["liveness_score"]
    if recipe.method in FITTED:
        parameters = fit_combination(recipe.method, scores, folds)
    else:
        parameters = given_blend(recipe).parameters
    combined = combine(recipe.method, parameters, scores)
    if recipe.method in FITTED and shared_folds(scores, folds) > 1:
        combined = pd.concat(
            combine(recipe.method, fit_combination(recipe.method, others, folds), own)
            for own, others in _splits(scores, folds)
        ).sort_index()
    truth = labels.loc[combined.index]
    calibration = fit_calibration(recipe.calibration, truth, combined) if recipe.calibration else None
    threshold = choose_threshold(truth, calibrate(combined, calibration), recipe.criterion)
    return Blend(recipe.method, parameters, calibration, recipe.criterion, threshold, len(combined))


def held_out(
    scores: pd.DataFrame, folds: pd.DataFrame, recipe: BlendRecipe, judged: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Score and threshold of each video, by a blend that was fitted without its fold.

    `judged` are other scores of these videos, to which the blends that `scores` fitted are applied: those of
    the same videos degraded. Returns fold, score, threshold by fname, sorted. Where all scores are of one
    fold there is no threshold (nan), and only methods that fit nothing have scores. A video that the method
    has no score for is left out.
    """
    parts = []
    for own, others in _splits(scores, folds, judged):
        blend = given_blend(recipe) if others.empty else fit_blend(others, folds, recipe)
        parts.append(blend(own).rename("score").to_frame().assign(threshold=blend.threshold))
    table = pd.concat(parts).sort_index()
    table.insert(0, "fold", folds["fold"].loc[table.index])
    return table.astype({"threshold": float})


def read_held_out(path: str | Path) -> pd.DataFrame:
    """Read what `held_out` gave: fold, score, threshold by fname."""
    types = {"fname": str, "fold": int, "score": float, "threshold": float}
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"threshold": [""]}).set_index(
        "fname"
    )


def shared_folds(scores: pd.DataFrame, folds: pd.DataFrame) -> int:
    """Number of folds in which some video has a score of every model; a model may have some folds only."""
    complete = model_scores(scores).dropna().index
    return folds["fold"].loc[complete].nunique()


def _splits(
    scores: pd.DataFrame, folds: pd.DataFrame, judged: pd.DataFrame | None = None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """For each fold the scores of its videos (of `judged`, if given), and those of the others."""
    judged = scores if judged is None else judged
    fold, own_fold = (folds["fold"].loc[table["fname"]].to_numpy() for table in (scores, judged))
    for number in np.unique(own_fold):
        yield judged[own_fold == number], scores[fold != number]
