"""Calibration: a monotone map from scores to probabilities, fitted on held-out scores."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from liveness.metrics.error_rates import log_loss

METHODS = ("temperature", "isotonic")
# search interval for the log of the temperature, which has no optimum if the classes are separable
LOG_TEMPERATURE = (-3.0, 3.0)


def fit_calibration(method: str, labels: ArrayLike, scores: ArrayLike) -> dict[str, Any]:
    """Fit the parameters of `calibrate`, as plain data that JSON can hold.

    `labels` [n] are 1 (live) or 0 (spoof), `scores` [n] in [0, 1]. `temperature` divides logits by
    the number that minimises log loss (Guo et al. 2017, On calibration of modern neural networks,
    4.2): it preserves the order of scores and leaves 0.5 in place. `isotonic` is the best monotone
    step function (Zadrozny and Elkan 2002), interpolated: it moves even odds to 0.5, but creates
    ties. Raises InputError if a class is absent.
    """
    scores = np.asarray(scores, dtype=float)
    if method == "temperature":
        found = minimize_scalar(
            lambda log: log_loss(labels, _tempered(scores, np.exp(log))), bounds=LOG_TEMPERATURE
        )
        return {"temperature": float(np.exp(found.x))}
    if method == "isotonic":
        log_loss(labels, scores)  # raises if a class is absent
        # bounds by Laplace's rule of succession: n live videos do not make the next one certain
        least = 1 / (len(scores) + 2)
        steps = IsotonicRegression(y_min=least, y_max=1 - least).fit(scores, np.asarray(labels))
        return {"scores": steps.X_thresholds_.tolist(), "probabilities": steps.y_thresholds_.tolist()}
    raise ValueError(f"no method {method}")


def calibrate(scores: pd.Series, calibration: dict[str, Any] | None) -> pd.Series:
    """Return calibrated scores in [0, 1] with the same index; unchanged without a calibration."""
    if calibration is None:
        return scores
    if "temperature" in calibration:
        mapped = _tempered(scores.to_numpy(), calibration["temperature"])
    else:
        mapped = np.interp(scores, calibration["scores"], calibration["probabilities"])
    return pd.Series(mapped, index=scores.index, name=scores.name)


def _tempered(scores: np.ndarray, temperature: float) -> np.ndarray:
    return expit(logit(scores) / temperature)
