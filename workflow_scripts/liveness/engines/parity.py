"""The gate between an engine and its PyTorch model: both score the same frames, and the figures decide."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from liveness.engines.engine import Engine
from liveness.errors import InputError
from liveness.outputs import whole

THRESHOLD = 0.5
DEFAULT_LIMIT = 0.01


@dataclass(frozen=True)
class ReferenceSample:
    """Frames uint8 [n, S, S, 3] and the float32 probabilities [n] that PyTorch gives them."""

    frames: NDArray[np.uint8]
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.frames)
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or not n:
            raise ValueError(f"frames are {self.frames.dtype} {self.frames.shape}, not uint8 [n, S, S, 3]")
        if self.probabilities.dtype != np.float32 or self.probabilities.shape != (n,):
            raise ValueError(f"probabilities are not float32 [{n}]")
        if not np.isfinite(self.probabilities).all():
            raise ValueError("the PyTorch model itself gives probabilities that are not finite")


@dataclass(frozen=True)
class Parity:
    """How far an engine is from its PyTorch model, in probability of live.

    Attributes:
        frames: number of frames compared.
        max_difference: largest absolute difference; infinite where the engine gave no finite number.
        mean_difference: mean absolute difference.
        rank_correlation: Spearman's; None where either side is constant.
        flips: decisions at THRESHOLD that changed, among frames whose reference is further than the limit
            from it: nearer ones are undecided, and any rounding may move them across.
        passed: max_difference is within the limit (which leaves no flips).
    """

    frames: int
    max_difference: float
    mean_difference: float
    rank_correlation: float | None
    flips: int
    passed: bool


class ParityError(InputError):
    """An engine disagrees with its PyTorch model; the message holds the figures."""


def compare(reference: NDArray[np.float32], candidate: NDArray[np.float32], limit: float) -> Parity:
    """Compare probabilities [n], n > 0, of the PyTorch model and of an engine."""
    if reference.shape != candidate.shape or reference.ndim != 1 or not len(reference):
        raise ValueError(f"cannot compare shapes {reference.shape} and {candidate.shape}")
    expected, got = reference.astype(np.float64), candidate.astype(np.float64)
    difference = np.where(np.isfinite(got), np.abs(expected - got), np.inf)
    decided = np.abs(expected - THRESHOLD) > limit
    flipped = (expected >= THRESHOLD) != (got >= THRESHOLD)
    return Parity(
        frames=len(expected),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        rank_correlation=_spearman(expected, got),
        flips=int((decided & flipped).sum()),
        passed=bool(difference.max() <= limit),
    )


def measure(engine: Engine, sample: ReferenceSample, limit: float) -> Parity:
    """Let the engine score the sample, in chunks of its largest batch and of one frame, and compare.

    One frame by itself takes another path through a dynamic batch; of the two scores the worse counts.
    """
    candidate = engine(sample.frames)
    alone = engine(sample.frames[:1])
    # written so that no number (nan) is the worse one
    if not abs(alone[0] - sample.probabilities[0]) <= abs(candidate[0] - sample.probabilities[0]):
        candidate[:1] = alone
    return compare(sample.probabilities, candidate, limit)


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation: Pearson's of the average ranks."""
    if not np.isfinite(b).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.clip(np.corrcoef(_average_ranks(a), _average_ranks(b))[0, 1], -1, 1))


def _average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def require(parity: Parity, limit: float, name: str) -> None:
    """Raise ParityError with the figures unless the engine called `name` passed."""
    if not parity.passed:
        raise ParityError(
            f"{name}: the engine disagrees with its PyTorch model by more than {limit:g} in probability; "
            f"try engine.precision: fp32, or look at the model\n{table(parity, limit)}"
        )


def table(parity: Parity, limit: float) -> str:
    """The figures, one a line."""
    rank = "none" if parity.rank_correlation is None else f"{parity.rank_correlation:.4f}"
    return (
        f"  frames compared     {parity.frames}\n"
        f"  largest difference  {parity.max_difference:.6f} (limit {limit:g})\n"
        f"  mean difference     {parity.mean_difference:.6f}\n"
        f"  rank correlation    {rank}\n"
        f"  flipped decisions   {parity.flips}"
    )


def write_sample(path: str | Path, sample: ReferenceSample) -> None:
    """Write the sample as a compressed .npz."""
    with whole(path) as temporary:
        np.savez_compressed(temporary, frames=sample.frames, probabilities=sample.probabilities)


def read_sample(path: str | Path) -> ReferenceSample:
    """Read what `write_sample` wrote; never unpickles.

    Raises:
        InputError: the file is not such a sample.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return ReferenceSample(arrays["frames"], arrays["probabilities"])
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path}: not a parity sample ({error}); expected frames and probabilities; compile again"
        ) from None
