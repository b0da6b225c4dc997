"""Error rates for each value of a column of the labels: sources, devices, age bands, ..."""

from typing import Any

import numpy as np
import pandas as pd

from liveness.metrics import error_rates
from liveness.metrics.bootstrap import bootstrap, interval

# apcer and bpcer are at the common threshold, hter at one chosen on the other values' videos
RATES = ("eer", "auc", "apcer", "bpcer", "hter")
UNNAMED = "unnamed"

Replicates = dict[str, np.ndarray]


class Division:
    """Held-out videos divided by the values of a column.

    `videos` has liveness_score, score, threshold and group by fname, `values` text by fname, ""
    where it is unknown.
    """

    def __init__(self, videos: pd.DataFrame, values: pd.Series, criterion: str) -> None:
        self.videos = videos
        own = values.reindex(videos.index, fill_value="").replace("", UNNAMED)
        codes, names = pd.factorize(own, sort=True)
        self.names = [str(name) for name in names]
        self.member = np.eye(len(names), dtype=bool)[codes]
        self.live = videos["liveness_score"].to_numpy() == 1
        self.scores = videos["score"].to_numpy()
        self.accepted = self.scores >= videos["threshold"].to_numpy()
        self.others_thresholds = self._others_thresholds(criterion)
        self.accepted_by_others = self.scores >= self.others_thresholds[codes]

    def _others_thresholds(self, criterion: str) -> np.ndarray:
        """Choose a threshold per value on the videos of all others; nan if they lack a class."""
        thresholds = np.full(len(self.names), np.nan)
        for number, own in enumerate(self.member.T):
            if len(np.unique(self.live[~own])) == 2:
                thresholds[number] = error_rates.choose_threshold(
                    self.live[~own].astype(int), self.scores[~own], criterion
                )
        return thresholds

    def groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Count the groups with live videos, and those with attacks, of each value."""
        group, _ = pd.factorize(self.videos["group"])
        live, spoof = (
            np.array([len(np.unique(group[own & among])) for own in self.member.T])
            for among in (self.live, ~self.live)
        )
        return live, spoof

    def rates(self, counts: np.ndarray) -> Replicates:
        """Compute RATES of each value, their macro means, and the rates of all other values.

        `counts` [replicates, n] is the number of times each video counts. Returns arrays
        [replicates, values] by rate, arrays [replicates, 1] by `macro RATE`, and by `other RATE`
        what apcer and bpcer are of all other videos. What cannot be computed is nan.
        """
        apcer, other_apcer = self._shares(counts * ~self.live, self.accepted)
        bpcer, other_bpcer = self._shares(counts * self.live, ~self.accepted)
        if self.videos["threshold"].isna().any():
            apcer, bpcer, other_apcer, other_bpcer = (np.full(apcer.shape, np.nan) for _ in range(4))
        false_accepts, _ = self._shares(counts * ~self.live, self.accepted_by_others)
        false_rejects, _ = self._shares(counts * self.live, ~self.accepted_by_others)
        hter = np.where(np.isnan(self.others_thresholds), np.nan, (false_accepts + false_rejects) / 2)
        rates = {"apcer": apcer, "bpcer": bpcer, "hter": hter}
        rates |= {name: np.full(apcer.shape, np.nan) for name in ("eer", "auc")}
        for number, own in enumerate(self.member.T):
            if len(np.unique(self.live[own])) == 2:
                curve = error_rates.error_curve(self.live[own].astype(int), self.scores[own], counts[:, own])
                rates["eer"][:, number] = error_rates.hull_eer(curve)
                rates["auc"][:, number] = error_rates.area_under_curve(curve)
        # a value whose groups are drawn twice counts twice, and one that is not drawn not at all
        drawn = counts @ self.member.astype(float) / self.member.sum(axis=0)
        macro = {f"macro {name}": _mean(values, drawn)[:, None] for name, values in rates.items()}
        return rates | macro | {"other apcer": other_apcer, "other bpcer": other_bpcer}

    def _shares(self, weights: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of `wrong` videos of each value, and of all other values."""
        member = self.member.astype(float)
        total, errors = weights @ member, (weights * wrong) @ member
        all_total, all_errors = (part.sum(axis=1, keepdims=True) for part in (total, errors))
        with np.errstate(invalid="ignore"):
            return errors / total, (all_errors - errors) / (all_total - total)


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean over what can be computed, nan where nothing can: [replicates]."""
    weights = weights * np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return (np.nan_to_num(values) * weights).sum(axis=1) / weights.sum(axis=1)


def divided_rates(
    videos: pd.DataFrame, folds: pd.DataFrame, column: pd.Series, criterion: str, seed: int
) -> dict[str, Any]:
    """Compute the rates of each value of a column, ready for JSON, and warn of those far off.

    Args:
        videos: liveness_score, score, threshold and group by fname.
        folds: the fold by fname, of all videos that engines were trained on.
        column: the value by fname, "" if unknown; its name is for sentences.
        criterion: how the threshold for `hter` is chosen, on the videos of all other values.
        seed: seed of the bootstrap over groups.

    Returns:
        `values`: by value, RATES (None if a class is absent), `intervals` of those that more than
        one group bears on, counts, and `unseen`, true if its videos are all of one fold, so that
        the engines that scored it never saw the value. `macro`: means over the values that have the
        rate, with intervals. `warnings`: a sentence for each APCER and BPCER whose interval lies
        wholly above that of all other videos.
    """
    division = Division(videos, column, criterion)
    point = division.rates(np.ones((1, len(videos))))
    live, spoof = division.groups()
    enough = {"apcer": spoof > 1, "bpcer": live > 1}
    enough |= dict.fromkeys(("eer", "auc", "hter"), (live > 1) | (spoof > 1))
    spread = {}
    if videos["group"].nunique() > 1:
        spread = bootstrap(division.rates, videos["group"], seed)

    def interval_of(rate: str, number: int = 0) -> tuple[float, float] | None:
        return interval(spread[rate][:, number]) if spread else None

    trained = column.reindex(folds.index, fill_value="").replace("", UNNAMED)
    spans = folds["fold"].groupby(trained).nunique()
    groups = videos["group"].groupby(np.array(division.names)[division.member.argmax(axis=1)]).nunique()
    values: dict[str, Any] = {}
    warnings = []
    for number, name in enumerate(division.names):
        own = division.member[:, number]
        found = {rate: _finite(point[rate][0, number]) for rate in RATES}
        intervals = {
            rate: interval_of(rate, number)
            for rate in RATES
            if found[rate] is not None and enough[rate][number]
        }
        values[name] = {
            **found,
            "intervals": {rate: ends for rate, ends in intervals.items() if ends},
            "videos": int(own.sum()),
            "live": int((own & division.live).sum()),
            "spoof": int((own & ~division.live).sum()),
            "groups": int(groups[name]),
            "unseen": int(spans[name]) == 1,
        }
        for rate in ("apcer", "bpcer"):
            mine, others = values[name]["intervals"].get(rate), interval_of(f"other {rate}", number)
            if mine and others and mine[0] > others[1]:
                other = point[f"other {rate}"][0, number]
                warnings.append(
                    f"The {rate.upper()} of {column.name} {name} is {found[rate]:.3f} ({mine[0]:.3f} to "
                    f"{mine[1]:.3f}), far above that of all other videos, {other:.3f} ({others[0]:.3f} to "
                    f"{others[1]:.3f})."
                )
    macro = {rate: _finite(point[f"macro {rate}"][0, 0]) for rate in RATES}
    known = {rate: interval_of(f"macro {rate}") for rate, value in macro.items() if value is not None}
    return {
        "values": values,
        "macro": macro | {"intervals": {rate: ends for rate, ends in known.items() if ends}},
        "warnings": warnings,
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
