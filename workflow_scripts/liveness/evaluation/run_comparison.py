"""Comparison of two runs on the videos that both held out."""

from pathlib import Path

import numpy as np
import pandas as pd

from liveness.dataset.file_names import as_listed
from liveness.dataset.groups import join_groupings
from liveness.dataset.labels import read_folds
from liveness.ensemble.blend import read_held_out
from liveness.evaluation.rates import measure
from liveness.metrics.bootstrap import bootstrap, interval
from liveness.planning.result_paths import FOLDS, HELD_OUT, PREDICT_BENCHMARK, SCORES
from liveness.runtime.errors import InputError
from liveness.scoring.shard_files import SCORES_FILE

# rates that need attack types, which runs are read without
NOT_COMPARED = ("apcer_max", "acer")


def read_run(results: str | Path) -> pd.DataFrame:
    """Read the held-out videos of a run: score, threshold, liveness_score, group by fname.

    Raises InputError if the run has none.
    """
    results = Path(results)
    paths = results / FOLDS, results / HELD_OUT
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file; runs names two folders that `evaluation` created.")
    folds = read_folds(paths[0])[["liveness_score", "group"]]
    return read_held_out(paths[1])[["score", "threshold"]].join(folds)


def compare(first: pd.DataFrame, second: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compare the rates of the blends of two runs (see `read_run`).

    Returns by rate: first, second, difference (second - first), each with its 95 % interval in the
    columns _low and _high, and `videos`. Both runs are evaluated on the videos that both held out
    with the same label, and on the same bootstrap draws of groups. The interval of this paired
    difference is more sensitive than checking whether two separate intervals overlap. Groups of
    either run stay together. Raises InputError if the runs share no such videos.
    """
    second = second.set_axis(as_listed(second.index, first.index))
    common = first.index.intersection(second.index)
    common = common[first.loc[common, "liveness_score"] == second.loc[common, "liveness_score"]]
    if common.empty:
        raise InputError(
            "runs: the two share no held-out video with the same label; compare runs of the same videos."
        )
    runs = [run.loc[common].assign(attack="") for run in (first, second)]

    def both(counts: np.ndarray | None = None) -> dict[str, dict[str, np.ndarray]]:
        one, other = (measure(run, counts) for run in runs)
        names = [name for name in one if name not in NOT_COMPARED and one[name] is not None and name in other]
        differences = {name: other[name] - one[name] for name in names}
        return {"first": one, "second": other, "difference": differences}

    def flat(counts: np.ndarray) -> dict[str, np.ndarray]:
        return {
            f"{column} {name}": values
            for column, rates in both(counts).items()
            for name, values in rates.items()
            if values is not None
        }

    values = both()
    groups, _ = join_groupings(runs[0]["group"], runs[1]["group"])
    replicates = bootstrap(flat, groups, seed)
    rows = {}
    for name in values["difference"]:
        row: dict[str, float] = {}
        for column, rates in values.items():
            low, high = interval(replicates[f"{column} {name}"]) or (np.nan, np.nan)
            row |= {column: float(rates[name]), f"{column}_low": low, f"{column}_high": high}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rate").assign(videos=len(common))


def videos_per_second(results: str | Path) -> float | None:
    """Compute test videos per second of the scoring jobs, startup included; None if unknown."""
    results = Path(results)
    seconds, videos = 0.0, 0
    for benchmark in sorted(results.glob(PREDICT_BENCHMARK.format(split="test", shard="*"))):
        scores = results / SCORES.format(split="test", shard=benchmark.stem) / SCORES_FILE
        if scores.is_file():
            seconds += float(pd.read_csv(benchmark, sep="\t")["s"].mean())
            videos += pd.read_parquet(scores, columns=["fname"])["fname"].nunique()
    return videos / seconds if seconds else None
