"""What a table of held-out videos amounts to: rates, each with its interval."""

from typing import Any

import numpy as np
import pandas as pd

from liveness.metrics import error_rates
from liveness.metrics.bootstrap import bootstrap, interval

APCER_LEVELS = {"bpcer10": 0.1, "bpcer20": 0.05, "bpcer100": 0.01}
FPR_LEVELS = {"tpr_at_fpr_1e-3": 1e-3, "tpr_at_fpr_1e-4": 1e-4, "tpr_at_fpr_1e-5": 1e-5}
# below the table's columns come the rates of single attack types, under this prefix
ATTACK = "apcer of "

Values = dict[str, Any]


def measure(videos: pd.DataFrame, counts: np.ndarray | None = None) -> Values:
    """All rates of `videos`, by name; per replicate where `counts` [replicates, n] are given.

    `videos` has liveness_score, score (probability of live), threshold (above or at it a video is accepted;
    nan for all where there is none), attack (the type, "" where unknown). A rate that no video of the sample
    could make is None: a false positive rate of 0.001 takes 1,000 attacks. Raises InputError when a class is
    absent.
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
    """APCER, BPCER and their means. ACER and HTER are the field's, not the standard's: ACER takes the worst
    attack type, HTER all attacks pooled."""
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
    """`measure`, numbers of videos, and 95 % intervals by a bootstrap over `videos["group"]`, for JSON.

    The intervals say how far the rates would move with other people before the same engines; not with other
    training runs.
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
    """The 95 % interval of every rate that exists; none where all videos are of one group."""
    if videos["group"].nunique() < 2:
        return {}

    def statistics(counts: np.ndarray) -> dict[str, np.ndarray]:
        return {name: value for name, value in measure(videos, counts).items() if value is not None}

    return {name: interval(values) for name, values in bootstrap(statistics, videos["group"], seed).items()}
