"""Combination of engines by given weights, means, ranks, fitted weights and regressions."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from held_out_scores import make_folds, make_scores, on_test
from liveness.ensemble.aggregation import model_scores
from liveness.ensemble.combination import combine, fit_combination, weighted_mean
from liveness.ensemble.recipe import FITTED
from liveness.runtime.errors import InputError

ENGINES = [("a", 0), ("a", 1), ("b", 0)]
FOLDS = make_folds()
SKILL = {"good": 3.0, "fair": 2.0, "coin": 0.0}
SCORES = make_scores(FOLDS, SKILL)


def table(*rows: tuple[str, str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["fname", "model", "fold", "score"])


def labels_of(scores: pd.Series) -> pd.Series:
    return FOLDS["liveness_score"].loc[scores.index]


# given weights


def test_weights_are_rescaled_over_the_engines_that_scored_a_video() -> None:
    weights = {"a": {0: 0.3, 1: 0.1}, "b": {0: 0.6}}
    every = table(("all", "a", 0, 1.0), ("all", "a", 1, 0.0), ("all", "b", 0, 0.5))
    some = table(("some", "a", 0, 1.0), ("some", "a", 1, 0.0))
    blended = weighted_mean(pd.concat([every, some]), weights)
    np.testing.assert_allclose(blended[["all", "some"]], [0.6, 0.75])
    assert blended.name == "liveness_score"


def test_engines_without_a_weight_are_ignored() -> None:
    scores = table(("v", "a", 0, 0.2), ("v", "b", 0, 0.9), ("u", "b", 0, 0.9), ("w", "a", 1, 0.9))
    blended = weighted_mean(scores, {"a": {0: 2.0, 1: 0.0}})
    assert blended.to_dict() == {"v": 0.2}


def test_the_winning_blend() -> None:
    """One model has weight 0.3 and the other 0.7, each distributed over its own folds."""
    large, xlarge = [0.3, 0.3, 0.4], [0.25, 0.3, 0.15, 0.15, 0.15]
    rows = [("v", "l", fold, fold / 10) for fold in range(3)] + [
        ("v", "xl", fold, fold / 5) for fold in range(5)
    ]
    weights = {
        "l": {fold: 0.3 * weight for fold, weight in enumerate(large)},
        "xl": {fold: 0.7 * weight for fold, weight in enumerate(xlarge)},
    }
    expected = 0.3 * np.dot(large, [0.0, 0.1, 0.2]) + 0.7 * np.dot(xlarge, [0.0, 0.2, 0.4, 0.6, 0.8])
    # after a round trip through JSON, fold numbers are text
    for given_weights in (weights, json.loads(json.dumps(weights))):
        assert combine("weights", {"weights": given_weights}, table(*rows))["v"] == pytest.approx(expected)


unit = st.floats(0, 1)


@given(
    scores=st.dictionaries(st.tuples(st.sampled_from("uvw"), st.sampled_from(ENGINES)), unit, min_size=1),
    weights=st.fixed_dictionaries({engine: st.sampled_from([0, 1e-3, 0.5, 1, 7]) for engine in ENGINES}),
)
def test_a_weighted_mean_lies_between_its_parts(
    scores: dict[tuple[str, tuple[str, int]], float], weights: dict[tuple[str, int], float]
) -> None:
    rows = table(*((fname, *engine, score) for (fname, engine), score in scores.items()))
    named: dict[str, dict[int, float]] = {}
    for (model, fold), weight in weights.items():
        named.setdefault(model, {})[fold] = weight
    blended = weighted_mean(rows, named)
    for fname in "uvw":
        parts = [score for (name, engine), score in scores.items() if name == fname and weights[engine] > 0]
        assert (fname in blended) == bool(parts)
        if parts:
            assert min(parts) - 1e-12 <= blended[fname] <= max(parts) + 1e-12
            assert 0 <= blended[fname] <= 1


# means


def test_the_mean_is_over_models_not_over_engines() -> None:
    """Two engines of a model count as much as one; a held-out video has only one per model."""
    scores = table(("v", "a", 0, 0.0), ("v", "a", 1, 0.2), ("v", "b", 0, 0.9), ("u", "a", 0, 0.2))
    assert combine("mean", {}, scores).to_dict() == {"u": 0.2, "v": 0.5}


def test_ranks_are_relative_to_the_reference() -> None:
    reference = table(*((str(number), "a", 0, score) for number, score in enumerate((0.1, 0.2, 0.2, 0.7))))
    parameters = fit_combination("rank_mean", reference, FOLDS)
    asked = table(*((f"{score}", "a", 0, score) for score in (0.0, 0.05, 0.1, 0.2, 0.7, 0.85, 1.0)))
    # midranks of four scores: 1/8, 4/8 for the tie, 7/8; linear in between and outside
    expected = [0.0, 1 / 16, 1 / 8, 1 / 2, 7 / 8, 15 / 16, 1.0]
    np.testing.assert_allclose(combine("rank_mean", parameters, asked), expected)


@given(st.lists(st.floats(0.001, 0.999), min_size=2, max_size=50), st.lists(unit, min_size=2, max_size=20))
def test_ranks_preserve_every_order(reference: list[float], asked: list[float]) -> None:
    held_out = table(*((str(number), "a", 0, score) for number, score in enumerate(reference)))
    parameters = fit_combination("rank_mean", held_out, FOLDS)
    asked = sorted(asked)
    rows = table(*((f"{number:03}", "a", 0, score) for number, score in enumerate(asked)))
    ranks = combine("rank_mean", parameters, rows)
    assert (np.diff(ranks) >= 0).all()


def test_rank_mean_does_not_depend_on_a_models_scale() -> None:
    """Squashing a model's scores towards 0 does not change its influence, unlike in a mean."""
    squashed = SCORES.assign(score=SCORES["score"].where(SCORES["model"] != "good", SCORES["score"] ** 9))
    ranks = [combine("rank_mean", fit_combination("rank_mean", s, FOLDS), s) for s in (SCORES, squashed)]
    np.testing.assert_allclose(*ranks)


def test_a_long_reference_is_shortened() -> None:
    folds = make_folds(6000)
    reference = fit_combination("rank_mean", make_scores(folds, {"a": 1}), folds)["reference"]["a"]
    assert len(reference["scores"]) <= 1003
    assert (np.diff(reference["scores"]) > 0).all()
    assert (np.diff(reference["ranks"]) > 0).all()


# fitted methods


def test_optimised_weights_are_on_the_simplex_and_beat_the_mean_and_every_model() -> None:
    parameters = fit_combination("optimised", SCORES, FOLDS)
    weights = parameters["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0
    assert weights["good"] > weights["fair"] > weights["coin"] - 1e-9
    combined = combine("optimised", parameters, SCORES)
    loss = log_loss(labels_of(combined), combined)
    others = [combine("mean", {}, SCORES), *(model_scores(SCORES)[model] for model in SKILL)]
    assert all(loss <= log_loss(labels_of(other), other) + 1e-9 for other in others)


def test_stacking_recovers_the_skills_that_generated_the_scores() -> None:
    parameters = fit_combination("stacking", SCORES, FOLDS)
    # for normal logits, `skill` apart with variance 1, the log-likelihood ratio is `skill` times
    # the logit
    for model, skill in SKILL.items():
        assert parameters["coefficients"][model] == pytest.approx(skill, abs=1.0)
    combined = combine("stacking", parameters, SCORES)
    assert roc_auc_score(labels_of(combined), combined) >= max(
        roc_auc_score(FOLDS["liveness_score"], model_scores(SCORES)[model]) for model in SKILL
    )


def test_blending_is_stacking_on_the_first_fold() -> None:
    first = SCORES[SCORES["fold"] == 0]
    assert fit_combination("blending", SCORES, FOLDS) == fit_combination("stacking", first, FOLDS)


@pytest.mark.parametrize("method", FITTED)
def test_fitted_parameters_survive_json_and_score_test_videos(method: str) -> None:
    parameters = fit_combination(method, SCORES, FOLDS)
    again = json.loads(json.dumps(parameters))
    test = on_test(SKILL, folds=4)
    combined = combine(method, parameters, test)
    assert combined.index.tolist() == [f"t{number}.mp4" for number in range(5)]
    assert combined.between(0, 1).all()
    pd.testing.assert_series_equal(combine(method, again, test), combined)


@pytest.mark.parametrize("method", FITTED)
def test_scores_of_0_and_1_are_handled(method: str) -> None:
    sure = SCORES.assign(score=SCORES["score"].round())
    assert combine(method, fit_combination(method, sure, FOLDS), sure).notna().all()


# models with some folds only


@pytest.mark.parametrize(
    ("method", "videos"), [("mean", 240), ("rank_mean", 240), ("optimised", 240), ("stacking", 120)]
)
def test_a_video_that_one_model_did_not_score(method: str, videos: int) -> None:
    """It gets the mean of the other models; a regression gives it no score."""
    scores = make_scores(FOLDS, SKILL, only={"fair": [0, 1]})
    parameters = fit_combination(method, scores, FOLDS) if method != "mean" else {}
    combined = combine(method, parameters, scores)
    assert len(combined) == videos
    if method == "optimised":
        weights = parameters["weights"]
        rest = model_scores(scores)[["good", "coin"]].loc[FOLDS.index[FOLDS["fold"] > 1]]
        expected = (rest * pd.Series(weights)).sum(axis=1) / (weights["good"] + weights["coin"])
        np.testing.assert_allclose(combined.loc[rest.index], expected)


@pytest.mark.parametrize("method", ["optimised", "stacking", "blending"])
def test_models_without_a_fold_in_common_cannot_be_fitted(method: str) -> None:
    scores = make_scores(FOLDS, {"a": 2, "b": 2}, only={"a": [0, 1], "b": [2, 3]})
    with pytest.raises(InputError, match=f"ensemble.method {method} needs videos .*a, b share 0"):
        fit_combination(method, scores, FOLDS)
