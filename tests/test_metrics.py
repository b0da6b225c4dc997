"""Equal error rate and area under the curve."""

import itertools
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_eer

from liveness.errors import InputError
from liveness.metrics import area_under_curve, equal_error_rate

# whole numbers make ties common and survive every transform that keeps the order
scored = st.lists(st.tuples(st.integers(0, 1), st.integers(-20, 20)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)
Rows = list[tuple[int, int]]


def columns(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.array(rows).T
    return labels, scores.astype(float)


def test_a_worked_example() -> None:
    """Four spoofs and four live: at 0.5, one spoof of four is accepted and one live of four is rejected."""
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    scores = [0.1, 0.2, 0.3, 0.8, 0.4, 0.6, 0.7, 0.9]
    assert equal_error_rate(labels, scores) == pytest.approx(0.25)
    # of 16 pairs, the spoof at 0.8 beats the live at 0.4, 0.6 and 0.7
    assert area_under_curve(labels, scores) == pytest.approx(13 / 16)


def test_between_two_thresholds_the_rate_is_interpolated() -> None:
    """All scores equal: the curve is the diagonal, and it crosses at one half."""
    assert equal_error_rate([0, 1, 1], [0.3, 0.3, 0.3]) == pytest.approx(0.5)
    # one spoof of two ties with one live of one: from (0, 0) straight to (1/2, 1)
    assert equal_error_rate([0, 0, 1], [0.1, 0.5, 0.5]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_against_torchmetrics(seed: int) -> None:
    """It takes the nearest threshold and does not interpolate: they agree to within one video of a class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 600)
    scores = 1 / (1 + np.exp(-rng.normal(labels * 1.5, 1.0)))
    theirs = float(binary_eer(torch.from_numpy(scores), torch.from_numpy(labels)))
    assert equal_error_rate(labels, scores) == pytest.approx(theirs, abs=1 / min(np.bincount(labels)))


@given(scored)
def test_the_area_is_the_share_of_pairs_in_order(rows: Rows) -> None:
    labels, scores = columns(rows)
    pairs = [
        float(live > spoof) + (live == spoof) / 2
        for live, spoof in itertools.product(scores[labels == 1], scores[labels == 0])
    ]
    assert area_under_curve(labels, scores) == pytest.approx(np.mean(pairs))


@given(scored)
def test_only_the_order_of_scores_counts(rows: Rows) -> None:
    labels, scores = columns(rows)
    for transformed in (scores * 3 + 7, np.exp(scores), scores**3, np.arctan(scores)):
        assert equal_error_rate(labels, transformed) == pytest.approx(equal_error_rate(labels, scores))
        assert area_under_curve(labels, transformed) == pytest.approx(area_under_curve(labels, scores))


@given(scored)
def test_both_classes_are_treated_alike(rows: Rows) -> None:
    labels, scores = columns(rows)
    assert equal_error_rate(1 - labels, -scores) == pytest.approx(equal_error_rate(labels, scores), abs=1e-9)
    assert area_under_curve(1 - labels, -scores) == pytest.approx(area_under_curve(labels, scores))


@given(scored, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_rows_counts(rows: Rows, random: Random) -> None:
    again = rows * 2
    random.shuffle(again)
    for metric in (equal_error_rate, area_under_curve):
        assert metric(*columns(again)) == pytest.approx(metric(*columns(rows)))


@given(scored)
def test_rates_are_rates_and_separated_classes_have_none(rows: Rows) -> None:
    labels, scores = columns(rows)
    rate = equal_error_rate(labels, scores)
    assert 0 <= rate <= 1
    separated = scores[labels == 1].min() > scores[labels == 0].max()
    assert (rate == pytest.approx(0, abs=1e-9)) == separated


@given(scored)
def test_at_some_threshold_one_error_is_at_least_the_rate_and_the_other_at_most(rows: Rows) -> None:
    """The rate lies between the errors of the best threshold without interpolation."""
    labels, scores = columns(rows)
    rate = equal_error_rate(labels, scores)
    thresholds = [*np.unique(scores), np.inf]
    errors = [
        ((scores[labels == 0] >= threshold).mean(), (scores[labels == 1] < threshold).mean())
        for threshold in thresholds
    ]
    assert rate <= min(max(pair) for pair in errors) + 1e-9
    assert rate >= min(min(pair) for pair in errors) - 1e-9


@given(st.integers(0, 1), st.lists(st.floats(0, 1), max_size=5))
def test_one_class_has_no_error_rate(label: int, scores: list[float]) -> None:
    for metric in (equal_error_rate, area_under_curve):
        with pytest.raises(InputError, match="not both 0"):
            metric([label] * len(scores), scores)


@given(scored)
def test_other_labels_than_0_and_1_are_refused(rows: Rows) -> None:
    labels, scores = columns(rows)
    with pytest.raises(InputError):
        equal_error_rate(labels + 1, scores)
