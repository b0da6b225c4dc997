"""Error rates of a table of held-out videos, with confidence intervals."""

from typing import Any

import numpy as np
import pandas as pd

from liveness.metrics import error_rates
from liveness.metrics.bootstrap import bootstrap, interval

APCER_LEVELS = {"bpcer10": 0.1, "bpcer20": 0.05, "bpcer100": 0.01}
FPR_LEVELS = {"tpr_at_fpr_1e-3": 1e-3, "tpr_at_fpr_1e-4": 1e-4, "tpr_at_fpr_1e-5": 1e-5}
# prefix of the rates of single attack types
ATTACK = "apcer of "

Values = dict[str, Any]


def measure(videos: pd.DataFrame, counts: np.ndarray | None = None) -> Values:
    """Compute all rates of `videos` by name, per replicate if `counts` [replicates, n] are given.

    `videos` has liveness_score, score (probability of live), threshold (scores at or above it are
    accepted; nan if there is none) and attack (the type, "" if unknown). Rates that the sample
    cannot resolve are None: a false positive rate of 0.001 takes 1,000 attacks. Raises InputError
    if a class is absent.
    """
    labels, scores = videos["liveness_score"].to_numpy(), videos["score"].to_numpy()
    curve = error_rates.error_curve(labels, scores, counts)
    values: Values = {
        "eer": error_rates.hull_eer(curve),
        "eer_nearest": error_rates.nearest_eer(curve),
        "auc": error_rates.area_under_curve(curve),
    }
    for name, level in APCER_LEVELS.items():
        values[name] = (
            error_rates.bpcer_at_apcer(curve, level) if error_rates.measurable(curve, level) else None
        )
    for name, level in FPR_LEVELS.items():
        values[name] = (
            1 - error_rates.bpcer_at_apcer(curve, level) if error_rates.measurable(curve, level) else None
        )
    if videos["threshold"].notna().all():
        values |= _at_threshold(videos, counts)
    return values | {
        "log_loss": error_rates.log_loss(labels, scores, counts),
        "brier": error_rates.brier_score(labels, scores, counts),
        "ece": error_rates.expected_calibration_error(labels, scores, counts),
    }


def _at_threshold(videos: pd.DataFrame, counts: np.ndarray | None) -> Values:
    """Compute APCER, BPCER and their means.

    ACER and HTER are common in the literature but not part of the standard: ACER uses the worst
    attack type, HTER all attacks pooled.
    """
    labels = videos["liveness_score"].to_numpy()
    accepted = videos["score"].to_numpy() >= videos["threshold"].to_numpy()
    pooled, bpcer = error_rates.apcer(labels, accepted, counts), error_rates.bpcer(labels, accepted, counts)
    by_attack = error_rates.apcer_by_attack(labels, accepted, videos["attack"], counts)
    if list(by_attack) == [""]:
        by_attack = {}
    worst = np.fmax.reduce(list(by_attack.values())) if by_attack else pooled
    return {
        "apcer": pooled,
        "apcer_max": worst,
        "bpcer": bpcer,
        "acer": (worst + bpcer) / 2,
        "hter": (pooled + bpcer) / 2,
        **{f"{ATTACK}{name or 'unnamed'}": rate for name, rate in by_attack.items()},
    }


def held_out_rates(videos: pd.DataFrame, seed: int) -> Values:
    """Return rates (see `measure`), numbers of videos and 95 % bootstrap intervals, ready for JSON.

    The bootstrap resamples `videos["group"]`: the intervals cover other people scored by the same
    engines, but not other training runs.
    """
    spread = intervals(videos, seed)
    values = {name: None if value is None else float(value) for name, value in measure(videos).items()}
    spoof = videos[videos["liveness_score"] == 0]
    attacks = {
        name.removeprefix(ATTACK): {"apcer": values.pop(name), "interval": spread.pop(name, None)}
        for name in [name for name in values if name.startswith(ATTACK)]
    }
    for name, entry in attacks.items():
        entry["videos"] = int((spoof["attack"] == ("" if name == "unnamed" else name)).sum())
    return {
        **values,
        "videos": len(videos),
        "live": len(videos) - len(spoof),
        "spoof": len(spoof),
        "groups": int(videos["group"].nunique()),
        "attacks": attacks,
        "intervals": spread,
    }


def intervals(videos: pd.DataFrame, seed: int) -> Values:
    """Compute the 95 % interval of every available rate; empty if all videos are of one group."""
    if videos["group"].nunique() < 2:
        return {}

    def statistics(counts: np.ndarray) -> dict[str, np.ndarray]:
        return {name: value for name, value in measure(videos, counts).items() if value is not None}

    return {name: interval(values) for name, values in bootstrap(statistics, videos["group"], seed).items()}
