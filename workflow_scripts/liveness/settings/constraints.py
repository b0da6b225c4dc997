"""Constraints of settings, as annotations that `planning.schema` reads."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Len, Lt, MinLen


@dataclass(frozen=True)
class Pattern:
    """A regular expression that the whole text must match."""

    expression: str


@dataclass(frozen=True)
class Unique:
    """A list whose entries differ."""


@dataclass(frozen=True)
class Nullable:
    """A key that may stand there without a value. A default of None means that a key may be
    absent."""


Text = Annotated[str, MinLen(1)]
Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
PositiveShare = Annotated[float, Interval(gt=0, le=1)]
# a rate below 1, such as label smoothing
Rate = Annotated[float, Ge(0), Lt(1)]
Span = Annotated[list[Share], Len(2, 2)]
PositiveSpan = Annotated[list[PositiveShare], Len(2, 2)]
Name = Annotated[str, Pattern("^[A-Za-z0-9_-]+$")]
# a key of a mapping, which YAML and the command line may give as text
FoldNumber = Annotated[int, Pattern("^[0-9]+$")]
