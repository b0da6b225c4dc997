"""Error rates of a score that is high for bona fide presentations (live) and low for attacks (spoof).

The terms are those of ISO/IEC 30107-3:2023: defined in 3.2, as metrics of a PAD subsystem in 13.2. APCER is
the share of attack presentations that are accepted, BPCER the share of bona fide presentations that are
rejected.

`labels` [n] are 1 (live) or 0 (spoof), `scores` [n] any finite floats, probabilities of live where a function
says so. `counts` [replicates, n], where given, says how often each presentation counts: functions then return
one value per replicate, nan where a replicate lacks what the rate is a share of.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from liveness.runtime.errors import InputError

CRITERIA = ("eer", "min_hter", "bpcer20")
# bins of equal width over [0, 1] of the expected calibration error
BINS = 10


@dataclass(frozen=True)
class ErrorCurve:
    """Both error rates at every threshold that makes a difference, accepting scores at or above it.

    `thresholds` [m + 1] are the distinct scores in ascending order, then infinity; `apcer` and `bpcer` [...,
    m + 1] go from (1, 0), everything accepted, to (0, 1), everything rejected. `attacks` is the number of
    attack presentations.
    """

    thresholds: np.ndarray
    apcer: np.ndarray
    bpcer: np.ndarray
    attacks: int


def error_curve(labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None) -> ErrorCurve:
    """The detection error trade-off, all attacks pooled. Raises InputError when a class is absent."""
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
    """The rate at which APCER and BPCER are equal, on the convex hull of the ROC: see `hull_eer`."""
    return float(hull_eer(error_curve(labels, scores)))


def hull_eer(curve: ErrorCurve) -> np.ndarray:
    """Equal error rate, interpolated on the convex hull of the ROC.

    What randomising between two thresholds attains (Provost and Fawcett 2001, Robust classification for
    imprecise environments); it is also the worst over all class priors of the best total error (Brümmer and
    du Preez 2013, The BOSARIS toolkit, 3.3).
    """
    apcer, bpcer = np.atleast_2d(curve.apcer), np.atleast_2d(curve.bpcer)
    rows = np.arange(len(apcer))
    # The hull's edge that crosses the diagonal is found from both sides: of the points below the line between
    # the two ends, the farthest replaces the end on its side, until there is none. No replicate needs more
    # than a few rounds.
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
    """Equal error rate without interpolation, as leaderboards compute it.

    The mean of APCER and BPCER at the threshold where they are nearest to each other, the lower one of two.
    """
    gap, mean = np.abs(curve.apcer - curve.bpcer), (curve.apcer + curve.bpcer) / 2
    return np.where(gap <= gap.min(axis=-1, keepdims=True) + 1e-12, mean, _absent(mean)).min(axis=-1)


def area_under_curve(curve: ErrorCurve) -> np.ndarray:
    """Probability that a live video scores above a spoof, ties counting half: the area under the ROC."""
    accepted = 1 - curve.bpcer
    return (-np.diff(curve.apcer) * (accepted[..., 1:] + accepted[..., :-1]) / 2).sum(axis=-1)


def bpcer_at_apcer(curve: ErrorCurve, apcer: float) -> np.ndarray:
    """The lowest BPCER of all thresholds with at most this APCER.

    BPCER10, BPCER20 and BPCER100 are those at 10, 5 and 1 % (ISO/IEC 30107-3:2023, 13.2). 1 minus it is the
    true positive rate at a false positive rate of `apcer`.
    """
    rates = np.where(curve.apcer <= apcer + 1e-12, curve.bpcer, 1.0).min(axis=-1)
    return np.where(np.isnan(curve.apcer + curve.bpcer).any(axis=-1), np.nan, rates)


def measurable(curve: ErrorCurve, apcer: float) -> bool:
    """Whether there are attacks enough for one of them to make no more than this APCER."""
    return curve.attacks * apcer >= 1 - 1e-9


def choose_threshold(labels: ArrayLike, scores: ArrayLike, criterion: str) -> float:
    """The threshold that a named criterion picks; scores at or above it are accepted as live.

    `eer`: APCER and BPCER nearest to each other. `min_hter`: the lowest half total error rate. `bpcer20`: the
    lowest BPCER at an APCER of at most 5 %. It lies midway between two scores, so that it means the same for
    scores that are not among these.
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
    """Share of bona fide presentations that are rejected (ISO/IEC 30107-3:2023, 13.2)."""
    labels, accepted = _checked(labels, accepted)
    return _mean(accepted == 0, labels == 1, counts)


def apcer(labels: ArrayLike, accepted: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Share of attack presentations that are accepted, types pooled: the false acceptance rate of HTER."""
    labels, accepted = _checked(labels, accepted)
    return _mean(accepted == 1, labels == 0, counts)


def apcer_by_attack(
    labels: ArrayLike, accepted: ArrayLike, attacks: ArrayLike, counts: np.ndarray | None = None
) -> Mapping[str, np.ndarray]:
    """APCER of each type of attack; the highest is the one to report (ISO/IEC 30107-3:2023, 13.2).

    `attacks` [n] names the type of every attack; what it says of live videos does not matter.
    """
    labels, accepted = _checked(labels, accepted)
    attacks = np.asarray(attacks)
    return {
        str(name): _mean(accepted == 1, (labels == 0) & (attacks == name), counts)
        for name in np.unique(attacks[labels == 0])
    }


def log_loss(labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Mean negative log-likelihood of probabilities, in nats; these are clipped to the float's resolution."""
    labels, scores = _checked(labels, scores)
    resolution = np.finfo(float).eps
    right = np.clip(np.where(labels == 1, scores, 1 - scores), resolution, 1 - resolution)
    return _mean(-np.log(right), None, counts)


def brier_score(labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None) -> np.ndarray:
    """Mean squared difference of probability and label: half of Brier (1950), who sums over both classes."""
    labels, scores = _checked(labels, scores)
    return _mean((scores - labels) ** 2, None, counts)


def expected_calibration_error(
    labels: ArrayLike, scores: ArrayLike, counts: np.ndarray | None = None, bins: int = BINS
) -> np.ndarray:
    """Mean over bins of |share of live - mean probability|, weighted by the bins' sizes (Naeini et al. 2015).

    Of the probability of live, not of the likelier class; bins are of equal width.
    """
    labels, scores = _checked(labels, scores)
    member = np.eye(bins)[bin_of(scores, bins)]
    weights = np.ones(len(labels)) if counts is None else counts
    # |sum of (label - probability)| in a bin is its size times the difference of its means
    return np.abs((weights * (labels - scores)) @ member).sum(axis=-1) / weights.sum(axis=-1)


def bin_of(scores: np.ndarray, bins: int) -> np.ndarray:
    """Number of the bin of equal width over [0, 1] that each probability falls in."""
    return np.clip((scores * bins).astype(int), 0, bins - 1)


def _checked(labels: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    labels = np.asarray(labels)
    present = np.unique(labels)
    if not np.array_equal(present, [0, 1]):
        raise InputError(
            f"the labels {present.tolist()} are not both 0 (spoof) and 1 (live); no error rate exists."
        )
    return labels, np.asarray(values, dtype=float)


def _below(weights: np.ndarray, order: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Weight of the presentations below each distinct score [..., m], then of all."""
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
    """Never the minimum, except that nan stays nan."""
    return np.where(np.isnan(rates), np.nan, np.inf)
