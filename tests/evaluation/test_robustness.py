"""Robustness tables: rates of degraded videos, attack types, folds and groups."""

import numpy as np
import pandas as pd
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.blend import held_out
from liveness.ensemble.recipe import BlendRecipe
from liveness.evaluation.robustness import RATES, by_group, robustness

FOLDS = make_folds()
ATTACK = np.where(FOLDS["liveness_score"] == 1, "", np.where(np.arange(len(FOLDS)) % 2, "print", "replay"))
ABOUT = FOLDS[["liveness_score", "group"]].assign(attack=ATTACK)
SCORES = make_scores(FOLDS, {"m": 3.0})
STACKED = BlendRecipe("stacking")


def judged(scores: pd.DataFrame | None = None, recipe: BlendRecipe = STACKED) -> pd.DataFrame:
    return held_out(SCORES, FOLDS, recipe, scores).join(ABOUT)


def test_every_condition_has_a_row_with_intervals() -> None:
    worse = make_scores(FOLDS, {"m": 1.0})
    table = robustness(judged(), {"same": judged(SCORES), "worse": judged(worse)}, seed=0)
    table = table.set_index(["kind", "name"])
    assert table.index.tolist() == [
        ("plain", "plain"), ("degradation", "same"), ("degradation", "worse"),
        ("attack", "print"), ("attack", "replay"), *(("fold", str(fold)) for fold in range(4)),
    ]  # fmt: skip
    for rate in RATES:
        assert table[f"{rate}_low"].le(table[rate]).all()
        assert table[f"{rate}_high"].ge(table[rate]).all()
    same, worse_row = table.loc[("degradation", "same")], table.loc[("degradation", "worse")]
    assert same[["eer_difference", "eer_difference_low", "eer_difference_high"]].tolist() == [0, 0, 0]
    assert worse_row["eer_difference_low"] > 0
    assert worse_row["eer_difference"] == pytest.approx(
        worse_row["eer"] - table.loc[("plain", "plain"), "eer"]
    )
    attacks = table.loc["attack"]
    assert attacks["spoof"].sum() == table.loc[("plain", "plain"), "spoof"]
    assert attacks["live"].eq(table.loc[("plain", "plain"), "live"]).all()
    assert table.loc["fold", "live"].sum() == table.loc[("plain", "plain"), "live"]


def test_blend_and_thresholds_are_fitted_on_the_plain_scores() -> None:
    """Nothing is fitted on the scores of degraded videos."""
    damaged = SCORES.assign(score=SCORES["score"] ** 3)
    plain, other = judged(), judged(damaged)
    pd.testing.assert_series_equal(plain["threshold"], other["threshold"])
    one = damaged[damaged["fname"] == "0000.mp4"]
    assert held_out(SCORES, FOLDS, STACKED, one)["score"].tolist() == [other.loc["0000.mp4", "score"]]


def test_a_fold_of_one_class_has_no_row() -> None:
    plain = judged(recipe=BlendRecipe("mean"))
    plain = plain[(plain["fold"] != 2) | (plain["liveness_score"] == 1)]
    table = robustness(plain, {}, seed=0)
    assert table.loc[table["kind"] == "fold", "name"].tolist() == ["0", "1", "3"]


def test_errors_are_counted_by_group_worst_first() -> None:
    rows = {
        "score": [0.9, 0.2, 0.8, 0.1],
        "threshold": [0.5] * 4,
        "liveness_score": [1, 1, 0, 0],
        "group": ["a", "a", "b", "c"],
        "fold": [0, 0, 1, 0],
    }
    table = by_group(pd.DataFrame(rows))
    assert table.columns.tolist() == [
        "group", "fold", "live", "spoof", "false_rejects", "false_accepts", "wrong",
    ]  # fmt: skip
    assert table.to_numpy().tolist() == [
        ["b", 1, 0, 1, 0, 1, 1.0],
        ["a", 0, 2, 0, 1, 0, 0.5],
        ["c", 0, 0, 1, 0, 0, 0.0],
    ]
