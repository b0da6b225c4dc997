"""A model whose scores run against the labels is told, unless that may be chance."""

import numpy as np
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.class_order import reversed_models

FOLDS = make_folds()


def test_only_the_reversed_model_is_told() -> None:
    scores = make_scores(FOLDS, {"good": 2.0, "turned": -2.0, "useless": 0.0}, only={"turned": [1, 3]})
    (sentence,) = reversed_models(scores, FOLDS)
    assert sentence.startswith("turned scores live videos below attacks (held-out AUC 0.0")
    assert "reversed order" in sentence


@pytest.mark.parametrize(("people", "told"), [(6, False), (7, True)])
def test_the_number_of_people_decides(people: int, told: bool) -> None:
    """Even a perfectly reversed order of few people may be chance, whatever their videos."""
    folds = make_folds(videos=2 * 3 * people, count=2)
    folds["liveness_score"] = (folds["group"].str[6:].astype(int) >= people).astype(int)
    scores = make_scores(folds, {"turned": -50.0})
    assert bool(reversed_models(scores, folds)) == told


def test_chance_is_not_told() -> None:
    told = [reversed_models(make_scores(FOLDS, {"m": 0.0}, seed=seed), FOLDS) for seed in range(200)]
    assert sum(map(bool, told)) <= 3


def test_one_class_has_no_order() -> None:
    folds = FOLDS.assign(liveness_score=1)
    assert reversed_models(make_scores(FOLDS, {"m": 2.0}).assign(score=np.nan), folds) == []
