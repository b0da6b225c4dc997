"""What the configuration says of a blend: a light module, since every job that parses the rules reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BlendWeights = Mapping[str, Mapping[int, float]]

# methods that need held-out scores; weights and mean do not
FITTED = ("rank_mean", "optimised", "stacking", "blending")


@dataclass(frozen=True)
class BlendRecipe:
    """How scores become one: see `ensemble` in config.yaml, and for the criterion `evaluation.threshold`."""

    method: str
    weights: BlendWeights = field(default_factory=dict)
    calibration: str | None = None
    criterion: str = "eer"

    @property
    def fitted(self) -> bool:
        """Whether anything that changes a score is fitted on held-out scores."""
        return self.method in FITTED or self.calibration is not None
