"""Held-out error rates of all models and of the blend: the content of metrics.json."""

from typing import Any

import pandas as pd

from liveness.ensemble.aggregation import check_held_out, model_scores, single_frames
from liveness.ensemble.blend import Blend, held_out
from liveness.ensemble.recipe import BlendRecipe
from liveness.evaluation.divisions import divided_rates
from liveness.evaluation.rates import held_out_rates


def held_out_metrics(
    scores: pd.DataFrame,
    folds: pd.DataFrame,
    blend: Blend,
    blended: pd.DataFrame,
    recipe: BlendRecipe,
    seed: int,
    divisions: pd.DataFrame,
    frame_scores: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Compute the error rates of each model alone and of the blend.

    Args:
        scores: held-out scores of videos by model and fold (see `aggregation.video_scores`).
        folds: liveness_score, group, attack and fold by fname.
        blend: the blend fitted on all scores.
        blended: score and threshold by fname, from blends fitted without the video's fold.
        recipe: the recipe of the blend; single models share its criterion.
        seed: seed of the bootstrap.
        divisions: values by fname of the columns that the blend's rates are divided by.
        frame_scores: scores of single frames; adds frame-level rates to each model.

    Raises:
        ValueError: a score is not held out.
    """
    alone = BlendRecipe("mean", criterion=recipe.criterion)

    def rates(table: pd.DataFrame, folds: pd.DataFrame) -> dict[str, Any]:
        return held_out_rates(table.join(folds[["liveness_score", "group", "attack"]]), seed)

    check_held_out(scores, folds)
    models = {
        name: rates(held_out(own, folds, alone), folds) for name, own in scores.groupby("model", sort=True)
    }
    for name, own in [] if frame_scores is None else frame_scores.groupby("model"):
        single, of_frames = single_frames(own, folds)
        models[name]["frame_level"] = rates(held_out(single, of_frames, alone), of_frames)
    return {
        "models": models,
        "blend": rates(blended, folds)
        | {
            "method": blend.method,
            "calibration": recipe.calibration,
            "scored": int(scores["fname"].nunique()),
            "complete": len(model_scores(scores).dropna()),
        },
        "by": {
            str(name): divided_rates(
                blended.join(folds[["liveness_score", "group"]]), folds, column, recipe.criterion, seed
            )
            for name, column in divisions.items()
        },
        "threshold": {"criterion": blend.criterion, "value": blend.threshold},
    }
