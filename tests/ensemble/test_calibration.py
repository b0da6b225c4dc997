"""Calibration of scores to probabilities."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from liveness.ensemble.calibration import METHODS, calibrate, fit_calibration
from liveness.metrics.error_rates import (
    area_under_curve,
    equal_error_rate,
    error_curve,
    expected_calibration_error,
    log_loss,
)
from liveness.runtime.errors import InputError

rng = np.random.default_rng(0)
LOGITS = rng.normal(0, 1.5, 4000)
LABELS = (rng.uniform(size=4000) < expit(LOGITS)).astype(int)
# overconfident: logits three times too large
SURE = pd.Series(expit(3 * LOGITS), name="liveness_score")


def test_the_temperature_of_logits_that_are_three_times_too_large_is_three() -> None:
    """Dividing the logits by the temperature undoes the factor (Guo et al. 2017)."""
    calibration = fit_calibration("temperature", LABELS, SURE)
    assert calibration["temperature"] == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(
        calibrate(SURE, calibration), expit(logit(SURE) / calibration["temperature"]), rtol=1e-9
    )
    assert calibrate(pd.Series([0.0, 0.5, 1.0]), calibration).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("method", METHODS)
def test_calibration_generalises_to_unseen_probabilities(method: str) -> None:
    seen, new = slice(0, 2000), slice(2000, None)
    calibration = json.loads(json.dumps(fit_calibration(method, LABELS[seen], SURE[seen])))
    after = calibrate(SURE[new], calibration)
    assert after.index.equals(SURE[new].index)
    assert after.between(0, 1).all()
    assert expected_calibration_error(LABELS[new], SURE[new]) > 0.1
    assert expected_calibration_error(LABELS[new], after) < 0.05
    assert log_loss(LABELS[new], after) < log_loss(LABELS[new], SURE[new])


def test_isotonic_is_the_share_of_live_videos_in_pools() -> None:
    """Adjacent violators are pooled: 1, 0 become 0.5 each (Zadrozny and Elkan 2002, 3.2).

    With four videos, Laplace's rule of succession limits probabilities to 1/6 and 5/6.
    """
    calibration = fit_calibration("isotonic", [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    assert calibrate(pd.Series([0.0, 0.1, 0.2, 0.3, 0.35, 0.9]), calibration).tolist() == [
        1 / 6, 1 / 6, 0.5, 0.5, pytest.approx(2 / 3), 5 / 6,
    ]  # fmt: skip


scores_in_unit = st.lists(
    st.integers(1, 2**20 - 1).map(lambda number: number / 2**20), min_size=2, max_size=60
)


@given(scores_in_unit, st.floats(0.3, 20))
def test_a_temperature_preserves_order_and_error_rates(scores: list[float], temperature: float) -> None:
    before = pd.Series(scores, dtype=float)
    after = calibrate(before, {"temperature": temperature})
    labels = np.arange(len(scores)) % 2
    assert (before.rank() == after.rank()).all()
    assert equal_error_rate(labels, after) == pytest.approx(equal_error_rate(labels, before))
    areas = [float(area_under_curve(error_curve(labels, values))) for values in (before, after)]
    assert areas[0] == pytest.approx(areas[1])


@given(scores_in_unit)
def test_isotonic_never_reverses_an_order(scores: list[float]) -> None:
    calibration = fit_calibration("isotonic", np.arange(len(scores)) % 2, scores)
    after = calibrate(pd.Series(sorted(scores)), calibration)
    assert (np.diff(after) >= 0).all()


def test_without_a_calibration_scores_are_unchanged() -> None:
    assert calibrate(SURE, None) is SURE


@pytest.mark.parametrize("method", METHODS)
def test_one_class_cannot_be_calibrated(method: str) -> None:
    with pytest.raises(InputError, match="error rates need videos of both classes"):
        fit_calibration(method, [1, 1], [0.2, 0.3])
