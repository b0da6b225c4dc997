"""Intervals by resampling groups: videos of one person err together, so they are drawn together."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

REPLICATES = 1000
# counts held at once, which bounds the memory of a million videos
CHUNK = 4_000_000

Statistics = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def bootstrap(
    statistics: Statistics, groups: Sequence[Hashable] | pd.Series, seed: int, replicates: int = REPLICATES
) -> dict[str, np.ndarray]:
    """Replicates of named statistics: as many groups as there are, drawn with replacement.

    `groups` [n] names the group of each video. `statistics` takes counts [chunk, n], how often each video was
    drawn, and returns arrays [chunk] by name. Returns arrays [replicates]. The same seed draws the same
    groups.
    """
    number, names = pd.factorize(pd.Series(groups))
    generator = np.random.default_rng(seed)
    share = np.full(len(names), 1 / len(names))
    rows = max(1, CHUNK // len(number))
    parts = [
        statistics(generator.multinomial(len(names), share, min(rows, replicates - start))[:, number])
        for start in range(0, replicates, rows)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """The 95 % percentile interval (Efron and Tibshirani 1993, 13.3) of the finite replicates, if any."""
    found = replicates[np.isfinite(replicates)]
    if not len(found):
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
