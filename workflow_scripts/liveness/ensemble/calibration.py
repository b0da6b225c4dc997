"""Calibration: a monotone map of scores after which they are probabilities, fitted on held-out scores."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from liveness.metrics.error_rates import log_loss

METHODS = ("temperature", "isotonic")
# the logarithm of the temperature is searched in between: separable scores have no best one
LOG_TEMPERATURE = (-3.0, 3.0)


def fit_calibration(method: str, labels: ArrayLike, scores: ArrayLike) -> dict[str, Any]:
    """What `calibrate` needs: plain data. `labels` [n] are 1 (live) or 0 (spoof), `scores` [n] in [0, 1].

    `temperature` divides logits by one number, that of least log loss (Guo et al. 2017, On calibration of
    modern neural networks, 4.2): it keeps every order, and 0.5 where it is. `isotonic` is the best monotone
    step function (Zadrozny and Elkan 2002), interpolated: it moves 0.5 to even odds, and makes ties. Raises
    InputError when a class is absent.
    """
    scores = np.asarray(scores, dtype=float)
    if method == "temperature":
        found = minimize_scalar(
            lambda log: log_loss(labels, _tempered(scores, np.exp(log))), bounds=LOG_TEMPERATURE
        )
        return {"temperature": float(np.exp(found.x))}
    if method == "isotonic":
        log_loss(labels, scores)  # refuses one class
        # Laplace's rule of succession bounds it: n videos, all alive, do not make the next one certain
        least = 1 / (len(scores) + 2)
        steps = IsotonicRegression(y_min=least, y_max=1 - least).fit(scores, np.asarray(labels))
        return {"scores": steps.X_thresholds_.tolist(), "probabilities": steps.y_thresholds_.tolist()}
    raise ValueError(f"no method {method}")


def calibrate(scores: pd.Series, calibration: dict[str, Any] | None) -> pd.Series:
    """Calibrated scores in [0, 1], of the same index; without a calibration, the scores."""
    if calibration is None:
        return scores
    if "temperature" in calibration:
        mapped = _tempered(scores.to_numpy(), calibration["temperature"])
    else:
        mapped = np.interp(scores, calibration["scores"], calibration["probabilities"])
    return pd.Series(mapped, index=scores.index, name=scores.name)


def _tempered(scores: np.ndarray, temperature: float) -> np.ndarray:
    return expit(logit(scores) / temperature)
