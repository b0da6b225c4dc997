"""The recipe of a blend, in a light module because every job imports it to parse the rules."""

from dataclasses import dataclass

from liveness.settings.ensemble import Ensemble, Method

# methods that need held-out scores; weights and mean do not
FITTED = ("rank_mean", "optimised", "stacking", "blending")


@dataclass(frozen=True)
class BlendRecipe(Ensemble):
    """Settings of `ensemble`, plus the threshold's criterion from `evaluation.threshold`."""

    method: Method = "mean"
    criterion: str = "eer"

    @property
    def fitted(self) -> bool:
        """True if anything that changes a score is fitted on held-out scores."""
        return self.method in FITTED or self.calibration is not None
