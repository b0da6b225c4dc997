"""Error rates of a score that is high for bona fide presentations (live) and low for attacks (spoof)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve

from liveness.errors import InputError


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> float:
    """The rate at which false acceptances and false rejections are equal, interpolated along the ROC curve.

    `labels` [n] are 1 (live) or 0 (spoof), `scores` [n] any finite floats. Raises InputError when a class is
    absent.
    """
    _require_both_classes(labels)
    false_accept, true_accept, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(brentq(lambda x: 1.0 - x - np.interp(x, false_accept, true_accept), 0.0, 1.0))


def area_under_curve(labels: ArrayLike, scores: ArrayLike) -> float:
    """Probability that a live video scores above a spoof, ties counting half. Same arguments as above."""
    _require_both_classes(labels)
    return float(roc_auc_score(labels, scores))


def _require_both_classes(labels: ArrayLike) -> None:
    present = np.unique(np.asarray(labels))
    if not np.array_equal(present, [0, 1]):
        raise InputError(
            f"the labels {present.tolist()} are not both 0 (spoof) and 1 (live); no error rate exists."
        )
