"""The JSON Schema of the typed settings: what validates a configuration, and what editors read."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import reduce
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen

from liveness.settings.constraints import Nullable, Pattern, Unique

Schema = dict[str, Any]

_KINDS: dict[Any, str] = {
    str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null",
}  # fmt: skip


def schema_of(annotation: Any) -> Schema:
    """JSON Schema (draft 2020-12) of a type of the settings.

    Knows dataclasses, Mapping, list, Literal, str, int, float, bool, unions of these, and Annotated
    with constraints. Raises TypeError for anything else.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return reduce(_constrained, _flat(arguments[1:]), schema_of(arguments[0]))
    if is_dataclass(annotation):
        return _object(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is Mapping:
        names = {key: value for key, value in schema_of(arguments[0]).items() if key != "type"}
        return {"type": "object", "additionalProperties": schema_of(arguments[1])} | (
            {"propertyNames": names} if names else {}
        )
    if origin in (Union, types.UnionType):
        # a default of None means that the key may be absent, not that it may be null
        return _union([schema_of(part) for part in arguments if part is not type(None)])
    if annotation is Any:
        return {}
    if annotation in _KINDS:
        return {"type": _KINDS[annotation]}
    raise TypeError(f"no schema for {annotation!r}")


def _object(kind: Any) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    properties = {}
    for field in fields(kind):
        part = schema_of(hints[field.name])
        given, default = _default(field)
        if given and default is not None and "properties" not in part:
            part = {**part, "default": default}
        properties[field.name] = part
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    required = [field.name for field in fields(kind) if not _default(field)[0]]
    return schema | ({"required": required} if required else {})


def _default(field: Field[Any]) -> tuple[bool, Any]:
    """Return True and the default of a field, or False if it must be given."""
    if field.default is not MISSING:
        return True, field.default
    if field.default_factory is MISSING:
        return False, None
    value = field.default_factory()
    return True, asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _union(parts: list[Schema]) -> Schema:
    """Merge schemas: JSON Schema takes a list of types, and a word is text with a pattern."""
    if len(parts) == 1:
        return parts[0]
    merged: Schema = {"type": []}
    for part in parts:
        if words := part.get("enum"):
            part = {"type": "string", "pattern": f"^{'|'.join(words)}$"}
        merged["type"].append(part["type"])
        merged |= {key: value for key, value in part.items() if key != "type"}
    return merged


def _flat(metadata: tuple[Any, ...]) -> list[Any]:
    return [one for item in metadata for one in (item if isinstance(item, GroupedMetadata) else [item])]


def _constrained(schema: Schema, constraint: Any) -> Schema:
    size = {"array": "Items", "object": "Properties"}.get(schema.get("type", ""), "Length")
    match constraint:
        case Ge(ge=bound):
            return schema | {"minimum": bound}
        case Gt(gt=bound):
            return schema | {"exclusiveMinimum": bound}
        case Le(le=bound):
            return schema | {"maximum": bound}
        case Lt(lt=bound):
            return schema | {"exclusiveMaximum": bound}
        case MinLen(min_length=least):
            return schema | {f"min{size}": least}
        case MaxLen(max_length=most):
            return schema | {f"max{size}": most}
        case Pattern(expression=expression):
            return schema | {"pattern": expression}
        case Unique():
            return schema | {"uniqueItems": True}
        case Nullable():
            return schema | {"type": [schema["type"], "null"]}
    raise TypeError(f"no schema for the constraint {constraint!r}")
