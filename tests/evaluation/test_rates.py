"""Error rates of a table of held-out videos."""

import json

import numpy as np
import pandas as pd
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.blend import BlendRecipe, held_out
from liveness.evaluation.rates import held_out_rates, measure
from liveness.runtime.errors import InputError

FOLDS = make_folds()


def judged(**changes: object) -> pd.DataFrame:
    """Return 240 held-out videos, whose attacks are prints and replays."""
    table = held_out(make_scores(FOLDS, {"m": 2.0}), FOLDS, BlendRecipe("mean")).join(
        FOLDS[["liveness_score", "group"]]
    )
    attack = np.where(np.arange(len(table)) % 3, "print", "replay")
    return table.assign(attack=np.where(table["liveness_score"] == 1, "", attack)).assign(**changes)


def test_all_rates_are_present_and_can_be_written_as_json() -> None:
    found = json.loads(json.dumps(held_out_rates(judged(), seed=0), allow_nan=False))
    assert (found["videos"], found["groups"]) == (240, 80)
    assert found["live"] + found["spoof"] == 240
    rates = ("eer", "eer_nearest", "auc", "bpcer10", "bpcer20", "bpcer100", "apcer", "apcer_max", "bpcer")
    for name in (*rates, "acer", "hter", "log_loss", "brier", "ece"):
        low, high = found["intervals"][name]
        # a calibration error is biased upwards in resamples, so its interval may lie above it
        assert low <= found[name] <= high or name == "ece", name
        assert 0 <= found[name] <= 1
    assert set(found["attacks"]) == {"print", "replay"}
    assert found["apcer_max"] == max(entry["apcer"] for entry in found["attacks"].values())
    assert sum(entry["videos"] for entry in found["attacks"].values()) == found["spoof"]
    assert found["acer"] == pytest.approx((found["apcer_max"] + found["bpcer"]) / 2)
    assert found["hter"] == pytest.approx((found["apcer"] + found["bpcer"]) / 2)


def test_rates_that_the_sample_cannot_resolve_are_none() -> None:
    found = held_out_rates(judged(), seed=0)
    assert found["tpr_at_fpr_1e-3"] is None
    assert "tpr_at_fpr_1e-3" not in found["intervals"]
    many = make_folds(4400)
    table = held_out(make_scores(many, {"m": 2.0}), many, BlendRecipe("mean")).join(
        many[["liveness_score", "group"]]
    )
    values = measure(table.assign(attack=""))
    assert 0 < values["tpr_at_fpr_1e-3"] < 1
    assert values["tpr_at_fpr_1e-4"] is None


def test_unknown_attacks_count_as_unnamed_if_others_are_named() -> None:
    unknown = held_out_rates(judged(attack=""), seed=0)
    assert unknown["attacks"] == {}
    assert unknown["apcer_max"] == unknown["apcer"]
    table = judged()
    table["attack"] = table["attack"].where(table["attack"] != "replay", "")
    assert set(held_out_rates(table, seed=0)["attacks"]) == {"print", "unnamed"}


def test_attack_types_of_live_videos_are_ignored() -> None:
    table = judged()
    named = table.assign(attack=table["attack"].where(table["liveness_score"] == 0, "mask"))
    assert held_out_rates(named, seed=0) == held_out_rates(table, seed=0)


def test_without_a_threshold_there_are_no_rates_at_a_threshold() -> None:
    found = held_out_rates(judged(threshold=np.nan), seed=0)
    assert not {"apcer", "bpcer", "acer", "hter"} & set(found)
    assert found["attacks"] == {}
    assert "eer" in found


def test_the_threshold_is_applied_as_given() -> None:
    found = measure(judged(threshold=0.0))
    assert (found["apcer"], found["bpcer"], found["hter"]) == (1, 0, 0.5)


def test_one_group_has_no_intervals() -> None:
    assert held_out_rates(judged(group="one"), seed=0)["intervals"] == {}


def test_one_class_is_refused() -> None:
    table = judged()
    with pytest.raises(InputError, match="error rates need videos of both classes"):
        held_out_rates(table[table["liveness_score"] == 1], seed=0)
