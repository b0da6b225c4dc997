"""Settings of `folds`: cross-validation."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval


@dataclass(frozen=True)
class Folds:
    """Cross-validation."""

    count: Annotated[int, Interval(ge=2)] = 5
    """Cross-validation folds."""
    by: Literal["group", "attack", "source"] = "group"
    """What a fold holds out: people (group), people and types of attacks that its engines then
    never saw (attack), or whole sources (source): cameras, sites or data sets, as the column source
    of the labels names them."""
    groups: Literal["auto", "labels", "duplicates"] = "auto"
    """Where groups that must not straddle folds come from: labels, duplicates (near-duplicate
    search), or auto (both)."""
    max_distance: Annotated[int, Interval(ge=0, le=128)] = 20
    """Largest distance of perceptual hashes, of 128 bits, at which two frames are
    near-duplicates."""
