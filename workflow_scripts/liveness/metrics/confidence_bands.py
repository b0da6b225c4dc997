"""Pointwise 95 % bootstrap bands around curves, resampled by group."""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from liveness.metrics import error_rates
from liveness.metrics.bootstrap import Statistics, bootstrap, interval

Groups = Sequence[Hashable] | pd.Series


def bpcer_band(
    labels: np.ndarray, scores: np.ndarray, groups: Groups, levels: np.ndarray, seed: int
) -> np.ndarray:
    """Return intervals, float64 [k, 2], of the lowest BPCER at each APCER of `levels` [k].

    They are nan if there is only one group.
    """

    def statistics(counts: np.ndarray) -> dict[str, np.ndarray]:
        curve = error_rates.error_curve(labels, scores, counts)
        rates = np.array([_bpcer(*row, levels) for row in zip(curve.apcer, curve.bpcer, strict=True)])
        return {str(number): rates[:, number] for number in range(len(levels))}

    return _intervals(statistics, groups, seed, len(levels))


def share_band(
    labels: np.ndarray, scores: np.ndarray, groups: Groups, seed: int, bins: int = error_rates.BINS
) -> np.ndarray:
    """Return intervals, float64 [bins, 2], of the share of live videos in each reliability bin.

    They are nan for empty bins, and if there is only one group.
    """
    member = np.eye(bins)[error_rates.bin_of(scores, bins)]

    def statistics(counts: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):
            shares = (counts * labels) @ member / (counts @ member)
        return {str(number): shares[:, number] for number in range(bins)}

    return _intervals(statistics, groups, seed, bins)


def _bpcer(apcer: np.ndarray, bpcer: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Compute error_rates.bpcer_at_apcer for one replicate at many levels; needs falling APCER."""
    if np.isnan(apcer).any() or np.isnan(bpcer).any():
        return np.full(len(levels), np.nan)
    return bpcer[np.searchsorted(-apcer, -levels - 1e-12)]


def _intervals(statistics: Statistics, groups: Groups, seed: int, count: int) -> np.ndarray:
    if pd.Series(groups).nunique() < 2:
        return np.full((count, 2), np.nan)
    replicates = bootstrap(statistics, groups, seed)
    found = [interval(replicates[str(number)]) for number in range(count)]
    return np.array([(np.nan, np.nan) if pair is None else pair for pair in found])
