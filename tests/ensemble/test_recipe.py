"""Recipes of blends that need held-out scores, and those that do not."""

from typing import Any

import pandas as pd
import pytest

from imports import loaded
from liveness.ensemble.blend import given_blend
from liveness.ensemble.recipe import FITTED, BlendRecipe

SCORES = pd.DataFrame(
    {"fname": ["v", "v", "v"], "model": ["a", "a", "b"], "fold": [0, 1, 0], "score": [0.1, 0.3, 0.6]}
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"method": "mean"}, 0.4),
        ({"method": "weights", "weights": {"a": {0: 1.0}, "b": {0: 3.0}}}, 0.475),
    ],
)
def test_methods_without_fitting_need_no_held_out_scores(options: dict[str, Any], expected: float) -> None:
    recipe = BlendRecipe(**options)
    assert not recipe.fitted
    assert given_blend(recipe)(SCORES)["v"] == pytest.approx(expected)
    assert BlendRecipe(**options, criterion="bpcer20").fitted is False, "a threshold does not change scores"


@pytest.mark.parametrize("calibration", ["temperature", "isotonic"])
@pytest.mark.parametrize("method", ["mean", "weights", *FITTED])
def test_a_calibration_is_always_fitted(method: Any, calibration: Any) -> None:
    assert BlendRecipe(method=method, calibration=calibration).fitted


@pytest.mark.parametrize("method", ["rank_mean", "optimised", "stacking", "blending"])
def test_methods_that_learn_from_scores_are_fitted(method: Any) -> None:
    assert BlendRecipe(method=method).fitted


def test_parsing_the_rules_imports_no_numerical_library() -> None:
    """Every job of the workflow parses the rules."""
    assert not loaded("liveness.ensemble.recipe", {"numpy", "pandas", "scipy", "sklearn"})
