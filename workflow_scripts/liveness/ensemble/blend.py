"""The blend: combination of engines, calibration and threshold, fitted on held-out scores."""

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
    """A fitted blend.

    Scores of at least `threshold` are live; `videos` is the number of videos it was fitted on.
    """

    method: str
    parameters: Parameters
    calibration: dict[str, Any] | None = None
    criterion: str | None = None
    threshold: float | None = None
    videos: int = 0

    def __call__(self, scores: pd.DataFrame) -> pd.Series:
        """Combine and calibrate `scores` (fname, model, fold, score): a score per fname, sorted."""
        return calibrate(combine(self.method, self.parameters, scores), self.calibration)


def write_blend(blend: Blend, path: str | Path) -> None:
    Path(path).write_text(json.dumps(asdict(blend), indent=2), encoding="utf-8")


def read_blend(path: str | Path) -> Blend:
    """Read a blend from a file of `write_blend`. Raises InputError if the file is missing."""
    try:
        return Blend(**json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `snakemake evaluation` to fit the blend.") from None


def given_blend(recipe: BlendRecipe) -> Blend:
    """Return the blend of a recipe without fitting (method weights or mean, no calibration)."""
    weights = {"weights": recipe.weights} if recipe.method == "weights" else {}
    return Blend(recipe.method, weights)


def fit_blend(scores: pd.DataFrame, folds: pd.DataFrame, recipe: BlendRecipe) -> Blend:
    """Fit combination, then calibration, then threshold. Arguments are those of `fit_combination`.

    The calibration is fitted on out-of-fold scores: each video's combination was fitted on the
    other folds, as it will be for test videos. (If only one fold has scores of every model, which
    can happen in a nested fit, the combination is fitted on that fold itself.) Raises InputError if
    a class is absent.
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
    """Compute each video's score and threshold from a blend that was fitted without its fold.

    If `judged` is given, the blends are fitted on `scores` but applied to `judged`, for example
    scores of the same videos after degradation. Returns fold, score, threshold by fname, sorted. If
    all scores are of one fold, there is no threshold (nan), and only methods without fitting give
    scores. Videos for which the method gives no score are left out.
    """
    parts = []
    for own, others in _splits(scores, folds, judged):
        blend = given_blend(recipe) if others.empty else fit_blend(others, folds, recipe)
        parts.append(blend(own).rename("score").to_frame().assign(threshold=blend.threshold))
    table = pd.concat(parts).sort_index()
    table.insert(0, "fold", folds["fold"].loc[table.index])
    return table.astype({"threshold": float})


def read_held_out(path: str | Path) -> pd.DataFrame:
    """Read a table of `held_out` from CSV: fold, score, threshold by fname."""
    types = {"fname": str, "fold": int, "score": float, "threshold": float}
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"threshold": [""]}).set_index(
        "fname"
    )


def shared_folds(scores: pd.DataFrame, folds: pd.DataFrame) -> int:
    """Count the folds with a video that every model scored; some models lack some folds."""
    complete = model_scores(scores).dropna().index
    return folds["fold"].loc[complete].nunique()


def _splits(
    scores: pd.DataFrame, folds: pd.DataFrame, judged: pd.DataFrame | None = None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield, per fold, the scores of its videos (from `judged` if given) and all other scores."""
    judged = scores if judged is None else judged
    fold, own_fold = (folds["fold"].loc[table["fname"]].to_numpy() for table in (scores, judged))
    for number in np.unique(own_fold):
        yield judged[own_fold == number], scores[fold != number]
