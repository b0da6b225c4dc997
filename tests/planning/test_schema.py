"""The JSON Schema of annotated types, judged by a validator of JSON Schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Gt, Interval, Len, MinLen
from jsonschema import Draft202012Validator

from liveness.planning.schema import schema_of
from liveness.settings.configuration import Configuration
from liveness.settings.constraints import Nullable, Pattern, Unique


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Interval(ge=0, le=1)] = 0.5


@dataclass(frozen=True)
class Outer:
    name: Annotated[str, MinLen(1)]
    word: Literal["a", "b"] = "a"
    inner: Inner = field(default_factory=Inner)
    absent: int | None = None
    named: Mapping[Annotated[str, Pattern("^x")], Inner] = field(default_factory=dict)


def accepts(annotation: Any, value: Any) -> bool:
    schema = schema_of(annotation)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        (bool, [True], [1, "true", None]),
        (float, [1, 0.5], ["1", True, None]),
        (Literal["a", "b"], ["a"], ["c", 1]),
        (bool | str, [False, "x"], [1, None]),
        (Annotated[float, Gt(0)] | Literal["auto"], [0.1, "auto"], [0, "other"]),
        (Annotated[list[int], Len(2, 2), Unique()], [[1, 2]], [[1], [1, 1], [1, 2, 3], ["1", "2"]]),
        (Annotated[Mapping[str, Any] | None, Nullable()], [None, {}, {"a": 1}], [1, "a"]),
        (int | None, [1], [None, "1"]),
        (Outer, [{"name": "n"}, {"name": "n", "named": {"x": {"share": 1}}}],
         [{}, {"name": ""}, {"name": "n", "other": 1}, {"name": "n", "word": "c"},
          {"name": "n", "absent": None}, {"name": "n", "named": {"y": {}}},
          {"name": "n", "inner": {"share": 2}}]),
    ],
    ids=str,
)  # fmt: skip
def test_values(annotation: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not accepts(annotation, value)] == []
    assert [value for value in wrong if accepts(annotation, value)] == []


def test_defaults_are_those_of_the_fields() -> None:
    properties = schema_of(Outer)["properties"]
    assert properties["word"]["default"] == "a"
    assert properties["inner"]["properties"]["share"]["default"] == 0.5
    assert "default" not in properties["absent"]
    assert "default" not in properties["name"]


def test_an_unknown_type_or_constraint_is_refused() -> None:
    with pytest.raises(TypeError, match="no schema"):
        schema_of(bytes)
    with pytest.raises(TypeError, match="constraint"):
        schema_of(Annotated[int, "text"])


def test_the_configuration_has_a_valid_schema() -> None:
    Draft202012Validator.check_schema(schema_of(Configuration))
