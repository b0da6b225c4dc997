"""Bootstrap bands around curves."""

import numpy as np
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.aggregation import model_scores
from liveness.evaluation.rates import held_out_rates
from liveness.metrics import error_rates
from liveness.metrics.confidence_bands import bpcer_band, share_band

FOLDS = make_folds(videos=60)
SCORES = model_scores(make_scores(FOLDS, {"a": 2.0}))["a"].loc[FOLDS.index]
SAMPLE = FOLDS["liveness_score"].to_numpy(), SCORES.to_numpy(), FOLDS["group"]


def test_a_band_equals_the_interval_of_the_rate_at_each_level() -> None:
    videos = FOLDS.assign(score=SCORES, threshold=0.5, attack="")
    measured = held_out_rates(videos, seed=3)
    band = bpcer_band(*SAMPLE, np.array([0.1, 0.05]), seed=3)
    assert band[0] == pytest.approx(measured["intervals"]["bpcer10"])
    assert band[1] == pytest.approx(measured["intervals"]["bpcer20"])


def test_both_limits_of_the_bpcer_band_fall_as_apcer_rises() -> None:
    """A higher permitted APCER allows a lower threshold, which rejects fewer live videos."""
    band = bpcer_band(*SAMPLE, np.linspace(0, 1, 50), seed=0)
    assert (np.diff(band, axis=0) <= 0).all()
    assert (band[:, 0] <= band[:, 1]).all()
    assert band[-1].tolist() == [0, 0]


def test_the_band_of_a_share_agrees_with_the_standard_error_of_a_proportion() -> None:
    """In one bin, 100 of 400 people are live: 0.25 plus or minus 1.96 standard errors."""
    labels = np.repeat([1, 0], [100, 300])
    scores = np.full(400, 0.55)
    band = share_band(labels, scores, range(400), seed=0, bins=10)
    error = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert band[5] == pytest.approx([0.25 - error, 0.25 + error], abs=0.1 * error)
    assert np.isnan(np.delete(band, 5, axis=0)).all(), "a bin without videos has no share"


def test_videos_of_one_person_count_as_one() -> None:
    labels, scores = np.repeat(SAMPLE[0], 5), np.repeat(SAMPLE[1], 5)
    levels = np.array([0.05, 0.2])
    copied = bpcer_band(labels, scores, np.repeat(SAMPLE[2], 5), levels, seed=1)
    np.testing.assert_allclose(copied, bpcer_band(*SAMPLE, levels, seed=1))
    shares = share_band(labels, scores, np.repeat(SAMPLE[2], 5), seed=1)
    np.testing.assert_allclose(shares, share_band(*SAMPLE, seed=1))


def test_one_person_gives_no_band() -> None:
    labels, scores, _ = SAMPLE
    groups = ["one"] * len(labels)
    assert (
        np.isnan(bpcer_band(labels, scores, groups, np.array([0.1, 0.2]), seed=0)).tolist()
        == [[True] * 2] * 2
    )
    assert np.isnan(share_band(labels, scores, groups, seed=0)).all()


def test_the_default_bins_are_those_of_the_calibration_error() -> None:
    assert share_band(*SAMPLE, seed=0).shape == (error_rates.BINS, 2)
