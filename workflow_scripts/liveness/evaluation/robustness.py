"""Robustness of held-out error rates: under degradations, by attack type, by fold, by group.

Tables of held-out videos have fold, score, threshold (see `blend.held_out`), liveness_score, group
and attack ("" if unknown) by fname.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from liveness.evaluation.rates import held_out_rates
from liveness.evaluation.run_comparison import compare

# The last three use the thresholds of the plain videos, as deployment would.
RATES = ("eer", "auc", "apcer", "bpcer", "hter")


def robustness(plain: pd.DataFrame, degraded: Mapping[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """Tabulate error rates by condition.

    Columns: kind, name, live, spoof, groups, and each of RATES with its 95 % interval in the
    columns _low and _high (nan if it does not exist). Kinds of rows:

    - `plain`: all videos as they are.
    - `degradation`: degraded videos, with `eer_difference` from plain on the same videos, by a
      paired bootstrap.
    - `attack`: all live videos and the attacks of one type.
    - `fold`: the videos of one fold, that is other people scored by another training run.

    Attacks and folds that lack a class have no row.
    """
    rows = [_row("plain", "plain", plain, seed)]
    for name, videos in degraded.items():
        row = _row("degradation", name, videos, seed)
        pair = compare(plain, videos, seed).loc["eer"]
        rows.append(
            row | {f"eer_{key}": pair[key] for key in pair.index if str(key).startswith("difference")}
        )
    for kind, name, videos in _parts(plain):
        if videos["liveness_score"].nunique() == 2:
            rows.append(_row(kind, name, videos, seed))
    return pd.DataFrame(rows)


def _parts(plain: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    live, attack = plain["liveness_score"] == 1, plain["attack"]
    for name in sorted(set(attack[~live]) - {""}):
        yield "attack", name, plain[live | (attack == name)]
    for fold, videos in plain.groupby("fold"):
        yield "fold", str(fold), videos


def _row(kind: str, name: str, videos: pd.DataFrame, seed: int) -> dict[str, object]:
    found = held_out_rates(videos, seed)
    row: dict[str, object] = {"kind": kind, "name": name}
    row |= {column: found[column] for column in ("live", "spoof", "groups")}
    for rate in RATES:
        low, high = found["intervals"].get(rate) or (np.nan, np.nan)
        row |= {rate: found.get(rate, np.nan), f"{rate}_low": low, f"{rate}_high": high}
    return row


def by_group(plain: pd.DataFrame) -> pd.DataFrame:
    """Count the errors of each group of people or scenes, worst first.

    No engine that scored a group was trained on it. Columns: group, fold, live, spoof,
    false_rejects, false_accepts (both at the threshold), wrong (the proportion of errors).
    """
    plain = plain[plain["threshold"].notna()]
    live, accepted = plain["liveness_score"] == 1, plain["score"] >= plain["threshold"]
    counted = (
        pd.DataFrame(
            {
                "live": live,
                "spoof": ~live,
                "false_rejects": live & ~accepted,
                "false_accepts": ~live & accepted,
            }
        )
        .groupby([plain["group"], plain["fold"]])
        .sum()
    )
    counted["wrong"] = (counted["false_rejects"] + counted["false_accepts"]) / (
        counted["live"] + counted["spoof"]
    )
    return counted.reset_index().sort_values(["wrong", "group"], ascending=[False, True], ignore_index=True)
