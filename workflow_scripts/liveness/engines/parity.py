"""Parity check: an engine must reproduce its PyTorch model's scores on a sample of frames."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from liveness.engines.interface import Engine
from liveness.engines.parity_sample import ReferenceSample
from liveness.metrics.error_rates import equal_error_rate
from liveness.runtime.errors import InputError

# below this many labelled frames a change of the EER may be due to a single frame
EER_FRAMES = 1000


@dataclass(frozen=True)
class Limits:
    """Limits of the parity check; config.yaml documents each under engine.parity."""

    max_difference: float = 0.01
    threshold: float = 0.5
    max_eer_change: float = 0.005


@dataclass(frozen=True)
class Parity:
    """Differences between an engine and its PyTorch model, in probability of live.

    Attributes:
        frames: number of frames compared.
        max_difference: largest absolute difference; infinite if the engine gave a score that is not
            finite.
        mean_difference: mean absolute difference.
        rank_correlation: Spearman's rank correlation; None if either side is constant.
        flips: decisions at the threshold that changed, among frames whose reference differs from it
            by more than the limit max_difference. Nearer frames are borderline: any rounding may
            flip them.
        eer_reference, eer: EER of the PyTorch model and of the engine on frames of labelled videos;
            None if a class is missing.
        passed: max_difference is within its limit (which rules out flips) and, with at least
            EER_FRAMES labelled frames, so is the change of the EER.
    """

    frames: int
    max_difference: float
    mean_difference: float
    rank_correlation: float | None
    flips: int
    eer_reference: float | None
    eer: float | None
    passed: bool


class ParityError(InputError):
    """An engine disagrees with its PyTorch model; the message contains the figures."""


def compare(sample: ReferenceSample, candidate: NDArray[np.float32], limits: Limits) -> Parity:
    """Compare an engine's probabilities for the sample, float32 [n], with the PyTorch model's."""
    if candidate.shape != sample.probabilities.shape:
        raise ValueError(f"cannot compare shapes {sample.probabilities.shape} and {candidate.shape}")
    expected, got = sample.probabilities.astype(np.float64), candidate.astype(np.float64)
    difference = np.where(np.isfinite(got), np.abs(expected - got), np.inf)
    decided = np.abs(expected - limits.threshold) > limits.max_difference
    flipped = (expected >= limits.threshold) != (got >= limits.threshold)
    eers = _error_rates(sample.labels, expected, got)
    passed = bool(difference.max() <= limits.max_difference)
    if eers is not None and (sample.labels >= 0).sum() >= EER_FRAMES:
        passed = passed and abs(eers[0] - eers[1]) <= limits.max_eer_change
    return Parity(
        frames=len(expected),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        rank_correlation=_spearman(expected, got),
        flips=int((decided & flipped).sum()),
        eer_reference=eers and eers[0],
        eer=eers and eers[1],
        passed=passed,
    )


def measure(engine: Engine, sample: ReferenceSample, limits: Limits) -> Parity:
    """Score the sample with the engine and compare, also with the first frame as a batch of one.

    A single frame may take another code path through a dynamic batch; the worse score counts.
    """
    candidate = engine(sample.frames)
    alone = engine(sample.frames[:1])
    # phrased so that NaN counts as the worse score
    if not abs(alone[0] - sample.probabilities[0]) <= abs(candidate[0] - sample.probabilities[0]):
        candidate[:1] = alone
    return compare(sample, candidate, limits)


def _error_rates(
    labels: NDArray[np.int8], expected: NDArray[np.float64], got: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return both equal error rates; None if a class is missing or a score is not finite."""
    known = labels >= 0
    if len(np.unique(labels[known])) < 2 or not np.isfinite(got).all():
        return None
    return equal_error_rate(labels[known], expected[known]), equal_error_rate(labels[known], got[known])


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return Spearman's rank correlation; None if a side is constant or not finite."""
    if not np.isfinite(b).all():
        return None
    # by pandas, which a scoring job imports anyway; scipy.stats would cost each of them seconds
    correlation = pd.DataFrame({"a": a, "b": b}).corr("spearman").to_numpy()[0, 1]
    return None if np.isnan(correlation) else float(correlation)


def require(parity: Parity, limits: Limits, name: str) -> None:
    """Raise ParityError with the figures unless the engine `name` passed."""
    if not parity.passed:
        raise ParityError(
            f"{name}: the engine disagrees with its PyTorch model by more than engine.parity allows; "
            f"set engine.precision to auto or fp32, or check the model\n{table(parity, limits)}"
        )


def table(parity: Parity, limits: Limits) -> str:
    """Format the figures, one per line."""
    eers = f"{_rounded(parity.eer_reference)} -> {_rounded(parity.eer)}"
    return (
        f"  frames compared     {parity.frames}\n"
        f"  largest difference  {parity.max_difference:.6f} (limit {limits.max_difference:g})\n"
        f"  mean difference     {parity.mean_difference:.6f}\n"
        f"  rank correlation    {_rounded(parity.rank_correlation)}\n"
        f"  EER                 {eers} (checked from {EER_FRAMES} labelled frames on)\n"
        f"  flipped decisions   {parity.flips} at {limits.threshold:g}"
    )


def _rounded(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
