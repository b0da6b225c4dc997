"""Error rates, checked against worked examples, independent implementations and invariants."""

import itertools
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from sklearn import metrics as sk
from torchmetrics.functional.classification import binary_calibration_error, binary_eer

from liveness.metrics import error_rates
from liveness.metrics.error_rates import CRITERIA, ErrorCurve, choose_threshold, equal_error_rate, error_curve
from liveness.runtime.errors import InputError

# integers make ties common and keep their order under every increasing transform
scored = st.lists(st.tuples(st.integers(0, 1), st.integers(-20, 20)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)
Rows = list[tuple[int, int]]

# metrics of an error curve
CURVE_METRICS = {
    "hull_eer": error_rates.hull_eer,
    "nearest_eer": error_rates.nearest_eer,
    "auc": error_rates.area_under_curve,
    "bpcer10": lambda curve: error_rates.bpcer_at_apcer(curve, 0.1),
    "bpcer20": lambda curve: error_rates.bpcer_at_apcer(curve, 0.05),
}
PROBABILITY_METRICS = (error_rates.log_loss, error_rates.brier_score, error_rates.expected_calibration_error)

# Fawcett (2006), An introduction to ROC analysis, figure 3: 20 instances, 10 of each class
FAWCETT = [
    (1, 0.9), (1, 0.8), (0, 0.7), (1, 0.6), (1, 0.55), (1, 0.54), (0, 0.53), (0, 0.52), (1, 0.51), (0, 0.505),
    (1, 0.4), (0, 0.39), (1, 0.38), (0, 0.37), (0, 0.36), (0, 0.35), (1, 0.34), (0, 0.33), (1, 0.3), (0, 0.1),
]  # fmt: skip
# corners of the curve in the figure, as (false positive rate, true positive rate)
FAWCETT_POINTS = [(0.0, 0.2), (0.1, 0.5), (0.3, 0.6), (0.4, 0.7), (0.5, 0.8), (0.8, 0.9), (0.9, 1.0)]


def columns(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.array(rows).T
    return labels, scores.astype(float)


def curve_of(rows: Rows) -> ErrorCurve:
    return error_curve(*columns(rows))


def random_case(seed: int, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return labels, 1 / (1 + np.exp(-rng.normal(labels * 1.5, 1.0))).round(2)


# worked examples


def test_the_curve_of_fawcetts_example() -> None:
    labels, scores = np.array(FAWCETT).T
    curve = error_curve(labels, scores)
    points = {(round(a, 9), round(1 - b, 9)) for a, b in zip(curve.apcer, curve.bpcer, strict=True)}
    assert set(FAWCETT_POINTS) <= points
    assert len(points) == 21
    assert curve.attacks == 10
    # 68 of the 100 pairs are ranked correctly
    assert error_rates.area_under_curve(curve) == pytest.approx(0.68)
    # the curve meets the anti-diagonal at (.4, .6), the hull's edge from (.1, .5) to (.5, .8) at
    # 23/70
    assert error_rates.nearest_eer(curve) == pytest.approx(0.4)
    assert error_rates.hull_eer(curve) == pytest.approx(23 / 70)
    # up to a false positive rate of .1 the best true positive rate is .5
    assert error_rates.bpcer_at_apcer(curve, 0.1) == pytest.approx(0.5)
    assert error_rates.bpcer_at_apcer(curve, 0.05) == pytest.approx(0.8)


def test_a_worked_example() -> None:
    """Four spoofs, four live videos: at 0.5, one spoof is accepted and one live video rejected."""
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    scores = [0.1, 0.2, 0.3, 0.8, 0.4, 0.6, 0.7, 0.9]
    # in 3 of 16 pairs a spoof outscores a live video: the one at 0.8 those at 0.4, 0.6 and 0.7
    assert error_rates.area_under_curve(error_curve(labels, scores)) == pytest.approx(13 / 16)
    assert error_rates.nearest_eer(error_curve(labels, scores)) == pytest.approx(0.25)
    # the hull has an edge from (0, 1/4) to (1/4, 1)
    assert equal_error_rate(labels, scores) == pytest.approx(3 / 16)


def test_equal_scores_are_chance() -> None:
    assert equal_error_rate([0, 1, 1], [0.3, 0.3, 0.3]) == pytest.approx(0.5)
    # one of two spoofs ties with the only live video: the hull has an edge from (0, 0) to (1/2, 1)
    assert equal_error_rate([0, 0, 1], [0.1, 0.5, 0.5]) == pytest.approx(1 / 3)


def test_the_area_of_scikit_learns_example() -> None:
    """The example is from the documentation of roc_auc_score."""
    assert error_rates.area_under_curve(error_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])) == pytest.approx(
        0.75
    )


def test_rates_at_a_threshold() -> None:
    """ISO/IEC 30107-3:2023, 13.2, by hand: 1 of 4 prints, 1 of 2 replays and 3 of 4 live pass."""
    labels = [0] * 6 + [1] * 4
    accepted = [True, False, False, False, True, False, True, True, True, False]
    attacks = ["print"] * 4 + ["replay"] * 2 + ["", "", "", "print"]
    by_attack = error_rates.apcer_by_attack(labels, accepted, attacks)
    assert by_attack == {"print": 0.25, "replay": 0.5}
    assert error_rates.apcer(labels, accepted) == pytest.approx(2 / 6)
    assert error_rates.bpcer(labels, accepted) == 0.25


def test_the_brier_score_of_briers_example() -> None:
    """Brier (1950), Verification of forecasts expressed in terms of probability, table 1."""
    forecast = [0.7, 0.9, 0.8, 0.4, 0.2, 0, 0, 0, 0, 0.1]
    rain = [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert 2 * error_rates.brier_score(rain, forecast) == pytest.approx(0.19)


def test_the_log_loss_of_scikit_learns_example() -> None:
    """The example is from the documentation of log_loss: spam, ham, ham, spam."""
    assert error_rates.log_loss([1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65]) == pytest.approx(0.21616, abs=1e-5)


def test_the_calibration_error_of_torchmetrics_example() -> None:
    """The example is from the documentation of binary_calibration_error, with two bins."""
    scores, labels = [0.25, 0.25, 0.55, 0.75, 0.75], [0, 0, 1, 1, 1]
    assert error_rates.expected_calibration_error(labels, scores, bins=2) == pytest.approx(0.29)


# independent implementations


@pytest.mark.parametrize("seed", range(5))
def test_against_other_implementations(seed: int) -> None:
    labels, scores = random_case(seed)
    curve = error_curve(labels, scores)
    false_accept, true_accept, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.apcer[::-1], false_accept)
    np.testing.assert_allclose(1 - curve.bpcer[::-1], true_accept)
    assert error_rates.area_under_curve(curve) == pytest.approx(sk.roc_auc_score(labels, scores))
    theirs = float(binary_eer(torch.from_numpy(scores), torch.from_numpy(labels)))
    assert error_rates.nearest_eer(curve) == pytest.approx(theirs, abs=1e-6)
    assert error_rates.log_loss(labels, scores) == pytest.approx(sk.log_loss(labels, scores))
    assert error_rates.brier_score(labels, scores) == pytest.approx(sk.brier_score_loss(labels, scores))
    # torchmetrics puts a score on the edge between two bins into the lower one
    smooth = scores + 0.0013
    theirs = float(binary_calibration_error(torch.from_numpy(smooth), torch.from_numpy(labels), n_bins=10))
    assert error_rates.expected_calibration_error(labels, smooth) == pytest.approx(theirs, abs=1e-5)


@given(scored)
def test_the_hull_against_a_geometric_one(rows: Rows) -> None:
    """Intersect the diagonal with each edge of the convex hull of all (APCER, BPCER) and (1, 1)."""
    curve = curve_of(rows)
    points = np.stack([np.append(curve.apcer, 1.0), np.append(curve.bpcer, 1.0)], axis=1)
    if np.linalg.matrix_rank(points - points[0]) < 2:
        return
    corners = points[ConvexHull(points).vertices]
    crossings = []
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        before, after = x0 - y0, x1 - y1
        if before * after <= 0 and before != after:
            crossings.append(x0 + (x1 - x0) * before / (before - after))
    assert error_rates.hull_eer(curve) == pytest.approx(min(crossings), abs=1e-9)


@given(scored, st.floats(0, 1))
def test_the_hulls_eer_bounds_the_best_total_error_at_any_prior(rows: Rows, prior: float) -> None:
    curve = curve_of(rows)
    best = (prior * curve.bpcer + (1 - prior) * curve.apcer).min()
    assert error_rates.hull_eer(curve) >= best - 1e-9


@given(scored)
def test_the_area_is_the_share_of_correctly_ranked_pairs(rows: Rows) -> None:
    labels, scores = columns(rows)
    pairs = [
        float(live > spoof) + (live == spoof) / 2
        for live, spoof in itertools.product(scores[labels == 1], scores[labels == 0])
    ]
    assert error_rates.area_under_curve(error_curve(labels, scores)) == pytest.approx(np.mean(pairs))


@given(scored)
def test_counts_act_like_repeated_rows(rows: Rows) -> None:
    """Counts of one give the sample's metrics; a count of two is like repeating the row."""
    labels, scores = columns(rows)
    twice = 1 + np.arange(len(labels)) % 2
    counts = np.stack([np.ones_like(twice), twice])
    written_out = np.repeat(labels, twice), np.repeat(scores, twice)
    for metric in CURVE_METRICS.values():
        both = metric(error_curve(labels, scores, counts))
        expected = [metric(error_curve(labels, scores)), metric(error_curve(*written_out))]
        np.testing.assert_allclose(both, expected, atol=1e-9)
    probable = 1 / (1 + np.exp(-scores / 5))
    for metric in PROBABILITY_METRICS:
        expected = [metric(labels, probable), metric(written_out[0], np.repeat(probable, twice))]
        np.testing.assert_allclose(metric(labels, probable, counts), expected)
    for rate in (error_rates.apcer, error_rates.bpcer):
        expected = [rate(labels, scores > 0), rate(written_out[0], written_out[1] > 0)]
        np.testing.assert_allclose(rate(labels, scores > 0, counts), expected)


def test_a_replicate_without_a_class_has_no_rate() -> None:
    labels, scores = np.array([0, 1, 1]), np.array([0.1, 0.5, 0.9])
    counts = np.array([[0, 2, 1], [1, 1, 1]])
    for metric in CURVE_METRICS.values():
        assert np.isnan(metric(error_curve(labels, scores, counts))).tolist() == [True, False]
    assert np.isnan(error_rates.apcer(labels, scores > 0.5, counts)).tolist() == [True, False]


# invariants


@given(scored)
def test_only_the_order_of_scores_matters(rows: Rows) -> None:
    labels, scores = columns(rows)
    for transformed in (scores * 3 + 7, np.exp(scores), scores**3, np.arctan(scores)):
        for metric in CURVE_METRICS.values():
            expected = metric(error_curve(labels, scores))
            assert metric(error_curve(labels, transformed)) == pytest.approx(expected, abs=1e-9)
        for criterion in CRITERIA:
            accepted = scores >= choose_threshold(labels, scores, criterion)
            again = transformed >= choose_threshold(labels, transformed, criterion)
            assert (accepted == again).all()


@given(scored)
def test_both_classes_are_treated_alike(rows: Rows) -> None:
    labels, scores = columns(rows)
    curve, swapped = error_curve(labels, scores), error_curve(1 - labels, -scores)
    for metric in (error_rates.hull_eer, error_rates.nearest_eer, error_rates.area_under_curve):
        assert metric(swapped) == pytest.approx(metric(curve), abs=1e-9)
    probable = 1 / (1 + np.exp(-scores / 5))
    for metric in (error_rates.log_loss, error_rates.brier_score):
        assert metric(1 - labels, 1 - probable) == pytest.approx(metric(labels, probable))
    accepted = scores > 0
    assert error_rates.apcer(labels, accepted) == error_rates.bpcer(1 - labels, ~accepted)


@given(scored, st.randoms(use_true_random=False))
def test_shuffling_and_repeating_all_rows_changes_nothing(rows: Rows, random: Random) -> None:
    again = rows * 2
    random.shuffle(again)
    for metric in CURVE_METRICS.values():
        assert metric(curve_of(again)) == pytest.approx(metric(curve_of(rows)), abs=1e-9)


@given(scored)
def test_rates_lie_in_0_to_1_and_separated_classes_have_no_errors(rows: Rows) -> None:
    labels, scores = columns(rows)
    curve = error_curve(labels, scores)
    for metric in CURVE_METRICS.values():
        assert -1e-12 <= metric(curve) <= 1 + 1e-12
    separated = scores[labels == 1].min() > scores[labels == 0].max()
    for metric in (error_rates.hull_eer, error_rates.nearest_eer):
        assert (metric(curve) == pytest.approx(0, abs=1e-9)) == separated


@given(scored)
def test_the_hull_is_never_above_the_curve(rows: Rows) -> None:
    """Nor is it above one half, which random guessing attains."""
    curve = curve_of(rows)
    assert error_rates.hull_eer(curve) <= min(np.maximum(curve.apcer, curve.bpcer).min(), 0.5) + 1e-9


@given(scored, st.sampled_from(CRITERIA))
def test_a_threshold_meets_its_criterion(rows: Rows, criterion: str) -> None:
    labels, scores = columns(rows)
    accepted = scores >= choose_threshold(labels, scores, criterion)
    apcer, bpcer = error_rates.apcer(labels, accepted), error_rates.bpcer(labels, accepted)
    curve = error_curve(labels, scores)
    if criterion == "eer":
        assert abs(apcer - bpcer) == pytest.approx(np.abs(curve.apcer - curve.bpcer).min())
        assert (apcer + bpcer) / 2 == pytest.approx(error_rates.nearest_eer(curve))
    elif criterion == "min_hter":
        assert apcer + bpcer == pytest.approx((curve.apcer + curve.bpcer).min())
    else:
        assert apcer <= 0.05
        assert bpcer == pytest.approx(error_rates.bpcer_at_apcer(curve, 0.05))


def test_a_threshold_lies_between_scores() -> None:
    labels, scores = [0, 0, 1, 1], [0.125, 0.25, 0.75, 1.0]
    assert [choose_threshold(labels, scores, criterion) for criterion in CRITERIA] == [0.5, 0.5, 0.5]
    # the spoof outscores the live video: only rejecting both keeps it out
    assert choose_threshold([1, 0], [0.1, 0.9], "bpcer20") > 0.9


def test_measurable_rates_depend_on_the_number_of_attacks() -> None:
    """Measuring an APCER of 1 in 1,000 takes 1,000 attacks."""
    for attacks, measurable in ((999, False), (1000, True)):
        curve = error_curve([0] * attacks + [1], np.linspace(0, 1, attacks + 1))
        assert error_rates.measurable(curve, 1e-3) is measurable


# invalid input


@given(st.integers(0, 1), st.lists(st.floats(0, 1), max_size=5))
def test_one_class_has_no_error_rate(label: int, scores: list[float]) -> None:
    labels = [label] * len(scores)
    refusing = [error_curve, equal_error_rate, error_rates.apcer, error_rates.bpcer, *PROBABILITY_METRICS]
    refusing += [
        lambda labels, scores: error_rates.apcer_by_attack(labels, scores, [""] * len(scores)),
        *(lambda labels, scores, name=name: choose_threshold(labels, scores, name) for name in CRITERIA),
    ]
    for metric in refusing:
        with pytest.raises(InputError, match="error rates need videos of both classes"):
            metric(labels, scores)


@given(scored)
def test_labels_other_than_0_and_1_are_refused(rows: Rows) -> None:
    labels, scores = columns(rows)
    with pytest.raises(InputError):
        equal_error_rate(labels + 1, scores)
