"""Error rates of scores that are high for bona fide presentations and low for attacks.

The terms follow ISO/IEC 30107-3:2023: defined in 3.2, as metrics of a PAD subsystem in 13.2. APCER
is the proportion of attack presentations that are accepted, BPCER the proportion of bona fide
presentations that are rejected.

`labels` [n] are 1 (live) or 0 (spoof); `scores` [n] are any finite floats, or probabilities of live
where a function says so. With `counts` [replicates, n], the number of times each presentation
counts, functions return one value per replicate: nan if the denominator of the rate is zero in a
replicate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from liveness.runtime.errors import InputError

CRITERIA = ("eer", "min_hter", "bpcer20")
# number of equal-width bins over [0, 1] for the expected calibration error
BINS = 10


@dataclass(frozen=True)
class ErrorCurve:
    """APCER and BPCER at every distinct threshold; scores at or above it are accepted.

    `thresholds` [m + 1] are the distinct scores in ascending order, then infinity. `apcer` and
    `bpcer` [..., m + 1] go from (1, 0), everything accepted, to (0, 1), everything rejected.
    `attacks` is the number of attack presentations.
    """

    thresholds: np.ndarray
    apcer: np.ndarray
    bpcer: np.ndarray
    attacks: int


def error_curve(labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None) -> ErrorCurve:
    """Compute the detection error trade-off, all attack types pooled.

    Raises InputError if a class is absent.
    """
    labels, scores = _checked(labels, scores)
    order = np.argsort(scores, kind="stable")
    thresholds, first = np.unique(scores[order], return_index=True)
    weights = np.ones(len(scores)) if counts is None else counts.astype(float)
    spoof = _below(weights * (labels == 0), order, first)
    live = _below(weights * (labels == 1), order, first)
    with np.errstate(invalid="ignore"):
        apcer, bpcer = 1 - spoof / spoof[..., -1:], live / live[..., -1:]
    return ErrorCurve(np.append(thresholds, np.inf), apcer, bpcer, int((labels == 0).sum()))


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> float:
    """Compute the EER, where APCER equals BPCER, on the convex hull of the ROC: see `hull_eer`."""
    return float(hull_eer(error_curve(labels, scores)))


def hull_eer(curve: ErrorCurve) -> np.ndarray:
    """Compute the EER by interpolation on the convex hull of the ROC.

    Randomising between two thresholds attains it (Provost and Fawcett 2001, Robust classification
    for imprecise environments). It is also the minimum total error, maximised over all class priors
    (Brümmer and du Preez 2013, The BOSARIS toolkit, 3.3).
    """
    apcer, bpcer = np.atleast_2d(curve.apcer), np.atleast_2d(curve.bpcer)
    rows = np.arange(len(apcer))
    # Find the hull's edge that crosses the diagonal: start from a line between two end points.
    # Among the points below the line, the farthest replaces the end point on its side of the
    # diagonal, until no point is left below. No replicate needs more than a few rounds.
    reject = np.tile([0.0, 1.0], (len(apcer), 1))
    accept = np.tile([1.0, 0.0], (len(apcer), 1))
    while True:
        across, along = reject[:, 1] - accept[:, 1], accept[:, 0] - reject[:, 0]
        line = across * reject[:, 0] + along * reject[:, 1]
        distance = across[:, None] * apcer + along[:, None] * bpcer
        nearest = distance.argmin(axis=1)
        below = distance[rows, nearest] < line - 1e-12
        if not below.any():
            rates = line / (across + along)
            rates[np.isnan(distance).any(axis=1)] = np.nan
            return rates.reshape(curve.apcer.shape[:-1])
        point = np.stack([apcer[rows, nearest], bpcer[rows, nearest]], axis=1)
        accepting = point[:, 0] >= point[:, 1]
        accept = np.where((below & accepting)[:, None], point, accept)
        reject = np.where((below & ~accepting)[:, None], point, reject)


def nearest_eer(curve: ErrorCurve) -> np.ndarray:
    """Compute the EER without interpolation, as leaderboards do.

    It is the mean of APCER and BPCER at the threshold where they are closest; ties take the lower
    mean.
    """
    gap, mean = np.abs(curve.apcer - curve.bpcer), (curve.apcer + curve.bpcer) / 2
    return np.where(gap <= gap.min(axis=-1, keepdims=True) + 1e-12, mean, _absent(mean)).min(axis=-1)


def area_under_curve(curve: ErrorCurve) -> np.ndarray:
    """Compute the area under the ROC: the probability that a live video outscores a spoof.

    Ties count half.
    """
    accepted = 1 - curve.bpcer
    return (-np.diff(curve.apcer) * (accepted[..., 1:] + accepted[..., :-1]) / 2).sum(axis=-1)


def bpcer_at_apcer(curve: ErrorCurve, apcer: float) -> np.ndarray:
    """Return the lowest BPCER over all thresholds whose APCER is at most `apcer`.

    BPCER10, BPCER20 and BPCER100 are its values at an APCER of 10, 5 and 1 % (ISO/IEC 30107-3:2023,
    13.2). 1 - BPCER is the true positive rate at a false positive rate of `apcer`.
    """
    rates = np.where(curve.apcer <= apcer + 1e-12, curve.bpcer, 1.0).min(axis=-1)
    return np.where(np.isnan(curve.apcer + curve.bpcer).any(axis=-1), np.nan, rates)


def measurable(curve: ErrorCurve, apcer: float) -> bool:
    """Return whether the sample resolves this APCER: one accepted attack must not exceed it."""
    return curve.attacks * apcer >= 1 - 1e-9


def choose_threshold(labels: ArrayLike, scores: ArrayLike, criterion: str) -> float:
    """Choose a threshold by a named criterion; scores at or above it are accepted as live.

    `eer`: APCER and BPCER are closest. `min_hter`: the lowest half total error rate. `bpcer20`: the
    lowest BPCER at an APCER of at most 5 %. The threshold lies midway between two neighbouring
    scores, so that it generalises to unseen scores.
    """
    curve = error_curve(labels, scores)
    total = curve.apcer + curve.bpcer
    match criterion:
        case "eer":
            best = np.lexsort((total, np.abs(curve.apcer - curve.bpcer).round(12)))[0]
        case "min_hter":
            best = np.lexsort((np.abs(curve.apcer - curve.bpcer), total.round(12)))[0]
        case "bpcer20":
            best = np.lexsort((curve.apcer, np.where(curve.apcer <= 0.05 + 1e-12, curve.bpcer, 2.0)))[0]
        case _:
            raise ValueError(f"no criterion {criterion}")
    if best == 0:
        return float(curve.thresholds[0])
    below, above = curve.thresholds[best - 1], curve.thresholds[best]
    if np.isinf(above):
        return float(np.nextafter(below, np.inf))
    middle = (below + above) / 2
    return float(middle if middle > below else above)


def bpcer(labels: ArrayLike, accepted: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Compute the proportion of bona fide presentations rejected (ISO/IEC 30107-3:2023, 13.2)."""
    labels, accepted = _checked(labels, accepted)
    return _mean(accepted == 0, labels == 1, counts)


def apcer(labels: ArrayLike, accepted: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Compute the proportion of attacks accepted, all types pooled: the FAR of the HTER."""
    labels, accepted = _checked(labels, accepted)
    return _mean(accepted == 1, labels == 0, counts)


def apcer_by_attack(
    labels: ArrayLike, accepted: ArrayLike, attacks: ArrayLike, counts: np.ndarray | None = None
) -> Mapping[str, np.ndarray]:
    """Compute APCER by attack type; ISO/IEC 30107-3:2023, 13.2, reports the highest.

    `attacks` [n] names the type of every attack; its values for live videos are ignored.
    """
    labels, accepted = _checked(labels, accepted)
    attacks = np.asarray(attacks)
    return {
        str(name): _mean(accepted == 1, (labels == 0) & (attacks == name), counts)
        for name in np.unique(attacks[labels == 0])
    }


def log_loss(labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Compute the mean negative log-likelihood in nats; clip probabilities to float precision."""
    labels, scores = _checked(labels, scores)
    resolution = np.finfo(float).eps
    right = np.clip(np.where(labels == 1, scores, 1 - scores), resolution, 1 - resolution)
    return _mean(-np.log(right), None, counts)


def brier_score(labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Compute the mean squared difference between probability and label.

    It is half of Brier's (1950) score, which sums over both classes.
    """
    labels, scores = _checked(labels, scores)
    return _mean((scores - labels) ** 2, None, counts)


def expected_calibration_error(
    labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None, bins: int = BINS
) -> np.ndarray:
    """Compute the mean of |share of live - mean probability| over bins, weighted by their sizes.

    Like Naeini et al. (2015), with bins of equal width, but of the probability of live rather than
    that of the predicted class.
    """
    labels, scores = _checked(labels, scores)
    member = np.eye(bins)[bin_of(scores, bins)]
    weights = np.ones(len(labels)) if counts is None else counts
    # |sum of (label - probability)| in a bin equals its size times |mean label - mean probability|
    return np.abs((weights * (labels - scores)) @ member).sum(axis=-1) / weights.sum(axis=-1)


def bin_of(scores: np.ndarray, bins: int) -> np.ndarray:
    """Return the number of the equal-width bin over [0, 1] that each probability falls in."""
    return np.clip((scores * bins).astype(int), 0, bins - 1)


def _checked(labels: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    labels = np.asarray(labels)
    present = np.unique(labels)
    if not np.array_equal(present, [0, 1]):
        raise InputError(
            f"error rates need videos of both classes, 0 (spoof) and 1 (live), but the labels are "
            f"{present.tolist()}; add videos of the missing class."
        )
    return labels, np.asarray(values, dtype=float)


def _below(weights: np.ndarray, order: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the total weight below each distinct score, then of all rows: [..., m + 1]."""
    total = np.cumsum(weights[..., order], axis=-1)
    total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    return total[..., np.append(first, len(order))]


def _mean(values: np.ndarray, among: np.ndarray | None, counts: np.ndarray | None) -> np.ndarray:
    weights = np.ones(len(values)) if counts is None else counts.astype(float)
    if among is not None:
        weights = weights * among
    with np.errstate(invalid="ignore"):
        return (weights @ values.astype(float)) / weights.sum(axis=-1)


def _absent(rates: np.ndarray) -> np.ndarray:
    """Return infinity, which never is the minimum, but keep nan."""
    return np.where(np.isnan(rates), np.nan, np.inf)
