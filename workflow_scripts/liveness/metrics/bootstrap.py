"""Bootstrap intervals over groups: errors on videos of one person are correlated."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

REPLICATES = 1000
# counts per chunk, which bounds memory even for a million videos
CHUNK = 4_000_000

Statistics = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def bootstrap(
    statistics: Statistics, groups: Sequence[Hashable] | pd.Series, seed: int, replicates: int = REPLICATES
) -> dict[str, np.ndarray]:
    """Compute bootstrap replicates of named statistics, drawing whole groups with replacement.

    `groups` [n] names the group of each video; each replicate draws as many groups as there are.
    `statistics` takes counts [chunk, n], the number of times each video was drawn, and returns an
    array [chunk] per name. Returns an array [replicates] per name. The same seed draws the same
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
    """Return the 95 % percentile interval (Efron and Tibshirani 1993, 13.3); ignore nan replicates.

    None if no replicate is finite.
    """
    found = replicates[np.isfinite(replicates)]
    if not len(found):
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
