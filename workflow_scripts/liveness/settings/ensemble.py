"""Settings of `ensemble` and `evaluation`: from scores to one score, and its threshold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from liveness.settings.constraints import FoldNumber, NonNegative, Text, Unique

Method = Literal["weights", "mean", "rank_mean", "optimised", "stacking", "blending"]
BlendWeights = Mapping[str, Mapping[FoldNumber, NonNegative]]
Degradation = Literal["crop", "half_size", "blur", "recolour", "recompress", "fewer_frames"]
DEGRADATIONS: list[Degradation] = [
    "crop", "half_size", "blur", "recolour", "recompress", "fewer_frames",
]  # fmt: skip


@dataclass(frozen=True)
class Ensemble:
    """How the scores of engines become one."""

    method: Method | None = None
    """weights (those below), mean (over models, each the mean of its folds), or fitted on held-out
    scores: rank_mean, optimised (weights), stacking, blending. Defaults to weights where they are
    given, else to mean."""
    weights: BlendWeights = field(default_factory=dict)
    """Blend weight per model and fold."""
    calibration: Literal["temperature", "isotonic"] | None = None
    """Fitted on held-out scores so that they become probabilities: temperature keeps their order,
    isotonic makes ties. None by default."""


@dataclass(frozen=True)
class Evaluation:
    """What held-out scores are judged by."""

    threshold: Literal["eer", "min_hter", "bpcer20"] = "eer"
    """Criterion of the threshold, which is chosen on held-out scores."""
    frame_level: bool = False
    """Also report the rates of single frames."""
    by: Annotated[list[Text], Unique()] = field(default_factory=list)
    """Columns of the labels (device, lighting, age band, ...) for whose values error rates are
    reported, each against all other videos; those of the column source are reported anyway."""
    degradations: Annotated[list[Degradation], Unique()] = field(default_factory=lambda: list(DEGRADATIONS))
    """What `snakemake evaluate_robustness` does to held-out videos before it scores them again;
    each costs one more prediction."""
