"""Rates by the values of a column, against a table worked by hand and against scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from held_out_scores import make_folds, make_scores
from liveness.ensemble.blend import BlendRecipe, held_out
from liveness.evaluation.divisions import divided_rates
from liveness.metrics.error_rates import equal_error_rate

# value, label, score, person, fold
BY_HAND = pd.DataFrame(
    [
        ("A", 0, 0.10, "a1", 0), ("A", 0, 0.40, "a1", 0), ("A", 1, 0.60, "a2", 0), ("A", 1, 0.90, "a3", 0),
        ("B", 0, 0.50, "b", 1), ("B", 0, 0.70, "b", 1), ("B", 1, 0.65, "b", 1), ("B", 1, 0.80, "b", 1),
        ("", 1, 0.30, "c1", 0), ("", 1, 0.58, "c2", 1),
    ],
    columns=["camera", "liveness_score", "score", "group", "fold"],
).assign(threshold=0.55)  # fmt: skip


def test_a_table_worked_by_hand() -> None:
    found = divided_rates(BY_HAND, BY_HAND, BY_HAND["camera"], "eer", seed=0)
    rates = {
        name: [one[rate] for rate in ("eer", "auc", "apcer", "bpcer", "hter")]
        for name, one in {**found["values"], "macro": found["macro"]}.items()
    }
    # The threshold for A, chosen on the others, is between 0.58 and 0.65 and rejects one of two
    # live videos; that for B is between 0.40 and 0.58 and accepts both attacks.
    assert rates == {
        "A": [0, 1, 0, 0, 0.25],
        "B": [pytest.approx(0.25), 0.75, 0.5, 0, 0.5],
        "unnamed": [None, None, None, 0.5, None],
        "macro": [pytest.approx(0.125), 0.875, 0.25, pytest.approx(1 / 6), 0.375],
    }
    counts = {
        name: [one[key] for key in ("videos", "live", "spoof", "groups", "unseen")]
        for name, one in found["values"].items()
    }
    assert counts == {"A": [4, 2, 2, 3, True], "B": [4, 2, 2, 1, True], "unnamed": [2, 2, 0, 2, False]}


def test_what_rests_on_one_person_has_no_interval() -> None:
    found = divided_rates(BY_HAND, BY_HAND, BY_HAND["camera"], "eer", seed=0)
    # both attacks on A are on one person
    assert set(found["values"]["A"]["intervals"]) == {"eer", "auc", "bpcer", "hter"}
    assert found["values"]["B"]["intervals"] == {}
    assert set(found["values"]["unnamed"]["intervals"]) == {"bpcer"}
    assert found["values"]["unnamed"]["intervals"]["bpcer"] == (0, 1)
    assert set(found["macro"]["intervals"]) == {"eer", "auc", "apcer", "bpcer", "hter"}
    one = divided_rates(BY_HAND.assign(group="one"), BY_HAND, BY_HAND["camera"], "eer", seed=0)
    assert not any(rates["intervals"] for rates in [*one["values"].values(), one["macro"]])


def judged() -> pd.DataFrame:
    """Return 480 held-out videos of 160 people, on four devices."""
    folds = make_folds(480)
    table = held_out(make_scores(folds, {"m": 2.0}), folds, BlendRecipe("mean"))
    table = table.join(folds[["liveness_score", "group"]])
    device = np.array(["phone", "tablet", "laptop", "door"])[np.arange(480) // 3 % 4]
    return table.assign(device=device)


def test_rates_are_those_of_each_part_alone() -> None:
    table = judged()
    found = divided_rates(table, table, table["device"], "eer", seed=0)
    assert list(found["values"]) == ["door", "laptop", "phone", "tablet"]
    for name, rates in found["values"].items():
        own = table[table["device"] == name]
        live, accepted = own["liveness_score"] == 1, own["score"] >= own["threshold"]
        assert rates["auc"] == pytest.approx(roc_auc_score(own["liveness_score"], own["score"]))
        assert rates["eer"] == pytest.approx(equal_error_rate(own["liveness_score"], own["score"]))
        assert rates["apcer"] == pytest.approx(accepted[~live].mean())
        assert rates["bpcer"] == pytest.approx(1 - accepted[live].mean())
        for rate, (low, high) in rates["intervals"].items():
            assert low <= rates[rate] <= high
    assert json.loads(json.dumps(found, allow_nan=False))["warnings"] == found["warnings"] == []


def test_a_value_far_off_is_a_warning() -> None:
    """The interval of its BPCER lies above that of all other videos; nobody else is warned of."""
    table = judged()
    table.loc[(table["device"] == "door") & (table["liveness_score"] == 1), "score"] *= 0.7
    (warning,) = divided_rates(table, table, table["device"], "eer", seed=0)["warnings"]
    assert warning.startswith("The BPCER of device door is 0.")
    others = table[(table["device"] != "door") & (table["liveness_score"] == 1)]
    assert f"all other videos, {(others['score'] < others['threshold']).mean():.3f} (" in warning


def test_a_value_drawn_twice_counts_twice_in_the_macro_mean() -> None:
    """With one group per value, the bootstrap is that of a mean of as many numbers."""
    table = judged()
    table["device"] = table["group"] = (np.arange(480) // 24).astype(str)
    found = divided_rates(table, table, table["device"], "eer", seed=0)
    aucs = np.array([rates["auc"] for rates in found["values"].values()])
    low, high = found["macro"]["intervals"]["auc"]
    error = 1.96 * aucs.std() / np.sqrt(len(aucs))
    assert found["macro"]["auc"] == pytest.approx(aucs.mean())
    assert (low, high) == pytest.approx((aucs.mean() - error, aucs.mean() + error), abs=0.15 * error)


def test_without_a_threshold_there_are_no_rates_at_it() -> None:
    table = judged().assign(threshold=np.nan)
    found = divided_rates(table, table, table["device"], "eer", seed=0)
    assert {rate for rate, value in found["macro"].items() if value is None} == {"apcer", "bpcer"}
    assert found["warnings"] == []


def test_one_value_has_no_others() -> None:
    table = judged().assign(device="phone")
    found = divided_rates(table, table, table["device"], "eer", seed=0)
    assert found["values"]["phone"]["hter"] is None
    assert found["values"]["phone"]["unseen"] is False
    assert found["warnings"] == []
