"""Blends fitted on held-out scores and evaluated on folds that they were not fitted on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from held_out_scores import make_folds, make_scores, on_test
from liveness.ensemble.blend import (
    Blend,
    fit_blend,
    given_blend,
    held_out,
    read_blend,
    read_held_out,
    write_blend,
)
from liveness.ensemble.combination import combine, fit_combination
from liveness.ensemble.recipe import FITTED, BlendRecipe
from liveness.metrics.error_rates import choose_threshold, equal_error_rate

FOLDS = make_folds()
SKILL = {"good": 3.0, "fair": 2.0}
SCORES = make_scores(FOLDS, SKILL)
WEIGHTS = {"good": dict.fromkeys(range(4), 3.0), "fair": dict.fromkeys(range(4), 1.0)}
RECIPES = [
    BlendRecipe("mean"),
    BlendRecipe("weights", WEIGHTS),
    *map(BlendRecipe, FITTED),
    BlendRecipe("mean", calibration="isotonic"),
    BlendRecipe("stacking", calibration="temperature", criterion="bpcer20"),
]


def relabelled(fold: int) -> pd.DataFrame:
    """Return the table of folds with all labels of one fold flipped."""
    folds = FOLDS.copy()
    folds.loc[folds["fold"] == fold, "liveness_score"] = 1 - folds["liveness_score"]
    return folds


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.method}-{recipe.calibration}")
def test_scores_and_thresholds_of_a_fold_do_not_depend_on_its_labels(recipe: BlendRecipe) -> None:
    """Held-out figures are nested: flipping the labels of a fold does not change its results."""
    as_is = held_out(SCORES, FOLDS, recipe)
    assert as_is.index.tolist() == FOLDS.index.tolist()
    assert as_is.groupby("fold")["threshold"].nunique().eq(1).all()
    for fold in range(4):
        changed = held_out(SCORES, relabelled(fold), recipe)
        own = as_is["fold"] == fold
        pd.testing.assert_frame_equal(changed[own], as_is[own])


def test_nested_stacking_does_not_overfit() -> None:
    """On ten random models and few videos, a regression fits noise that does not generalise."""
    folds = make_folds(60)
    coins = make_scores(folds, {f"coin{number}": 0.0 for number in range(10)})
    labels = folds["liveness_score"]
    fitted = combine("stacking", fit_combination("stacking", coins, folds), coins)
    nested = held_out(coins, folds, BlendRecipe("stacking"))["score"]
    assert equal_error_rate(labels, fitted) < 0.35
    assert equal_error_rate(labels, nested) > 0.4


def test_the_calibration_is_fitted_on_out_of_fold_scores() -> None:
    """A regression on noise is overconfident; in-sample, its temperature would stay near 1."""
    folds = make_folds(60)
    coins = make_scores(folds, {f"coin{number}": 0.0 for number in range(10)})
    blend = fit_blend(coins, folds, BlendRecipe("stacking", calibration="temperature"))
    assert blend.calibration is not None
    assert blend.calibration["temperature"] > 3


def test_without_fitting_held_out_scores_are_computed_like_those_of_the_submission() -> None:
    table = held_out(SCORES, FOLDS, BlendRecipe("weights", WEIGHTS))
    pd.testing.assert_series_equal(
        table["score"], given_blend(BlendRecipe("weights", WEIGHTS))(SCORES), check_names=False
    )


def test_the_threshold_is_chosen_by_its_criterion_on_all_videos() -> None:
    for criterion in ("eer", "min_hter", "bpcer20"):
        blend = fit_blend(SCORES, FOLDS, BlendRecipe("mean", criterion=criterion))
        scores = combine("mean", {}, SCORES)
        assert blend.threshold == choose_threshold(FOLDS["liveness_score"], scores, criterion)
        assert blend.videos == 240


def test_a_temperature_moves_the_threshold_with_the_scores() -> None:
    plain = held_out(SCORES, FOLDS, BlendRecipe("mean"))
    warm = held_out(SCORES, FOLDS, BlendRecipe("mean", calibration="temperature"))
    assert (warm["score"].rank() == plain["score"].rank()).groupby(FOLDS["fold"]).mean().min() > 0
    for _, own in FOLDS.groupby("fold"):
        assert (warm["score"][own.index].rank() == plain["score"][own.index].rank()).all()
        for table in (plain, warm):
            assert table["threshold"][own.index].nunique() == 1
    accepted = [table["score"] >= table["threshold"] for table in (plain, warm)]
    assert (accepted[0] == accepted[1]).mean() > 0.98


def test_models_of_some_folds() -> None:
    """The winner's larger model has folds 0 to 2 of 5: regressions score only these, means all."""
    folds = make_folds(300, 5)
    scores = make_scores(folds, {"xl": 2, "l": 3}, only={"l": [0, 1, 2]})
    assert len(held_out(scores, folds, BlendRecipe("mean"))) == 300
    stacked = held_out(scores, folds, BlendRecipe("stacking", calibration="isotonic"))
    assert set(stacked["fold"]) == {0, 1, 2}
    blend = fit_blend(scores, folds, BlendRecipe("stacking"))
    assert blend.videos == len(stacked) == 180
    test = on_test({"xl": 5, "l": 3}, folds=3)
    assert len(blend(test)) == 5


def test_a_single_fold_has_scores_but_no_threshold(tmp_path: Path) -> None:
    """There is no other fold on which to choose the threshold."""
    scores = make_scores(FOLDS, SKILL, only={"good": [2], "fair": [2]})
    table = held_out(scores, FOLDS, BlendRecipe("mean"))
    assert len(table) == 60
    assert table["threshold"].isna().all()
    table.to_csv(tmp_path / "held_out.csv")
    pd.testing.assert_frame_equal(read_held_out(tmp_path / "held_out.csv"), table)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.method}-{recipe.calibration}")
def test_blends_and_their_scores_are_read_back_unchanged(recipe: BlendRecipe, tmp_path: Path) -> None:
    blend = fit_blend(SCORES, FOLDS, recipe)
    write_blend(blend, tmp_path / "blend.json")
    again = read_blend(tmp_path / "blend.json")
    test = on_test(SKILL, folds=4)
    pd.testing.assert_series_equal(again(test), blend(test))
    assert blend(test).between(0, 1).all()
    table = held_out(SCORES, FOLDS, recipe).rename(index={"0000.mp4": "NA"})
    table.to_csv(tmp_path / "held_out.csv")
    pd.testing.assert_frame_equal(read_held_out(tmp_path / "held_out.csv"), table)


def test_given_blends_need_no_scores() -> None:
    test = on_test(SKILL, folds=2)
    assert given_blend(BlendRecipe("mean")) == Blend("mean", {})
    by_model = test.groupby(["fname", "model"])["score"].mean().unstack()
    np.testing.assert_allclose(given_blend(BlendRecipe("mean"))(test), by_model.mean(axis=1))


def test_which_recipes_count_as_fitted() -> None:
    fitted = {(recipe.method, recipe.calibration): recipe.fitted for recipe in RECIPES}
    assert [key for key, value in fitted.items() if not value] == [("mean", None), ("weights", None)]
