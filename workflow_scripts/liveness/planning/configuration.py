"""The configuration: validated, completed with defaults, cross-checked."""

import difflib
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from liveness.ensemble.recipe import BlendRecipe
from liveness.planning.schema import schema_of
from liveness.runtime.errors import InputError
from liveness.settings.configuration import Configuration
from liveness.settings.training import Training

Config = dict[str, Any]


def _is_number(checker: TypeChecker, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# .nan and .inf pass for numbers in YAML, and no comparison with a limit stops a nan
_Validator = extend(
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
)

# JSON Schema's types in YAML's words
_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def complete(config: Mapping[str, Any]) -> Config:
    """Return `config` with every default filled in, fold numbers as integers and cross-references
    checked: values of `settings.configuration.Configuration`, section by section.

    Raises InputError with one line per problem; each names the key, what was found and what is
    expected.
    """
    schema = schema_of(Configuration)
    completed = _coerced(deepcopy(dict(config)), schema)
    problems = [_sentence(error) for error in _Validator(schema).iter_errors(completed)]
    # one missing key is one error, and each tells of them all
    problems = list(dict.fromkeys(problems))
    if not problems:
        _fill_defaults(completed, schema)
        _settle(completed)
        problems = list(_contradictions(completed))
    if problems:
        raise InputError("\n".join(problems))
    return completed


def _coerced(value: Any, schema: Mapping[str, Any]) -> Any:
    """Convert numbers that came as text: 1e-4 in YAML, or `--config 'frames={count: 4}'`.

    Keys become text, whole numbers integers where the schema wants them.
    """
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties") or {}
        return {str(key): _coerced(item, known.get(str(key), other)) for key, item in value.items()}
    if isinstance(value, list):
        return [_coerced(item, schema.get("items", {})) for item in value]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, str) and "number" in kinds:
        with suppress(ValueError):
            return float(value)
    if isinstance(value, str) and {"integer", "boolean", "array"} & set(kinds):
        with suppress(yaml.YAMLError):
            parsed = yaml.safe_load(value)
            return _coerced(parsed, schema) if isinstance(parsed, bool | int | float | list) else value
    return int(value) if isinstance(value, float) and "integer" in kinds and value.is_integer() else value


def _sentence(error: ValidationError) -> str:
    """One problem found by the schema, as one sentence."""
    where = ".".join(str(part) for part in error.absolute_path) or "the configuration"
    instance: Any = error.instance
    expected: Any = error.validator_value
    schema: Any = error.schema
    found = repr(instance)
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            unknown = [key for key in instance if key not in known]
            return "\n".join(_unknown_key(error.absolute_path, key, known) for key in unknown)
        case "required":
            missing = [key for key in expected if key not in instance]
            return f"{where}: the key {_listed(missing)} is missing; add it."
        case "type":
            kinds = [expected] if isinstance(expected, str) else expected
            return f"{where} is {found}; expected {_kinds(kinds, schema)}."
        case "enum":
            near = difflib.get_close_matches(str(instance), expected, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"{where} is {found}; expected one of {_listed(expected)}{hint}."
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            relation = {
                "minimum": "at least",
                "exclusiveMinimum": "more than",
                "maximum": "at most",
                "exclusiveMaximum": "less than",
            }[str(error.validator)]
            return f"{where} is {found}; expected {relation} {expected}."
        case "minItems" | "maxItems" if schema.get("minItems") == schema.get("maxItems"):
            return f"{where} is {found}; expected exactly {expected} values."
        case "minItems" | "minLength" | "minProperties":
            return f"{where} is empty; expected at least one entry."
        case "pattern" if isinstance(schema.get("type"), list):
            return f"{where} is {found}; expected {_kinds(schema['type'], schema)}."
        case "pattern" if "propertyNames" not in error.absolute_schema_path:
            return f"{where} is {found}; expected a text that matches {expected}."
        case "pattern":
            return f"{where}: the name {found} does not match {expected}; rename it."
        case _:
            return f"{where}: {error.message}."


def _kinds(kinds: list[str], schema: Mapping[str, Any]) -> str:
    """What may stand there; of a text beside other kinds, the one that its pattern allows."""
    word = schema.get("pattern", "").strip("^$")
    named = _KINDS | ({"string": word} if word and len(kinds) > 1 else {})
    return " or ".join(named[kind] for kind in kinds)


def _unknown_key(path: Any, key: str, known: list[str]) -> str:
    where = ".".join([*(str(part) for part in path), key])
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {_listed(known)}."
    return f"{where} is not a known key; {hint}"


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)


def _fill_defaults(value: Any, schema: Mapping[str, Any]) -> None:
    for key, part in schema.get("properties", {}).items():
        if key not in value:
            if "default" in part:
                value[key] = deepcopy(part["default"])
            elif part.get("type") == "object" and not part.get("required"):
                value[key] = {}
        if isinstance(value.get(key), dict):
            _fill_defaults(value[key], part)
    other = schema.get("additionalProperties")
    if isinstance(other, Mapping):
        for item in value.values():
            if isinstance(item, dict):
                _fill_defaults(item, other)


def _settle(config: Config) -> None:
    """Make fold numbers integers; a model without `folds` has all, or those with weights."""
    for model in config["models"].values():
        model["weights"] = {int(fold): path for fold, path in model["weights"].items()}
        every = range(config["folds"]["count"])
        model.setdefault("folds", sorted(model["weights"]) if "train" not in config["data"] else list(every))
        model["folds"] = sorted(model["folds"])
    blend = config["ensemble"]["weights"]
    config["ensemble"]["weights"] = {
        name: {int(fold): weight for fold, weight in folds.items()} for name, folds in blend.items()
    }
    config["ensemble"].setdefault("method", "weights" if blend else "mean")
    config["inference"].setdefault("frames", config["frames"]["count"])


def _contradictions(config: Config) -> Iterator[str]:
    """Values that are possible alone and impossible together."""
    start, end = config["frames"]["window"]
    if start >= end:
        yield f"frames.window is [{start}, {end}]; expected its start before its end."
    low, high = config["training"]["augmentation"]["crop_scale"]
    if low > high:
        yield f"training.augmentation.crop_scale is [{low}, {high}]; expected the smaller value first."
    lr = config["training"]["lr"]
    if lr != "auto" and config["training"]["min_lr"] > lr:
        yield "training.min_lr is above training.lr; expected it at or below."
    warmup, epochs = config["training"]["warmup_epochs"], config["training"]["epochs"]
    if warmup >= epochs:
        default = ", the default" if warmup == Training.warmup_epochs else ""
        yield (
            f"training.warmup_epochs ({warmup}{default}) must be less than training.epochs ({epochs}); "
            "lower it, or set it to 0 for no warm-up."
        )
    if config["inference"]["frames"] > config["frames"]["count"]:
        yield (
            f"inference.frames is {config['inference']['frames']}; expected at most frames.count "
            f"({config['frames']['count']}), whose first frames it takes."
        )
    for name, source in config["fetch"].items():
        if ("to" in source) == bool(source["unzip"]):
            yield f"fetch.{name}: expected one of to (a file) and unzip (parts of an archive)."
    if not config["data"]:
        yield "data is empty; expected train (videos and labels), test (videos), or both."
    if "blend" in config["models"]:
        yield "models.blend: reports call the ensemble so; rename the model."
    count = config["folds"]["count"]
    for name, model in config["models"].items():
        for fold in sorted({*model["folds"], *model["weights"]}):
            if fold >= count:
                yield f"models.{name}: no fold {fold}; folds.count is {count}, so expected 0 to {count - 1}."
        for fold in sorted(set(model["weights"]) - set(model["folds"])):
            yield f"models.{name}.weights names fold {fold}, which its key folds leaves out; add it there."
        untrained = sorted(set(model["folds"]) - set(model["weights"]))
        if "train" not in config["data"] and (untrained or not model["folds"]):
            yield f"models.{name} has folds to train without data.train; add it, or weights for every fold."
    for name, folds in config["ensemble"]["weights"].items():
        if name not in config["models"]:
            near = difflib.get_close_matches(name, config["models"], n=1)
            hint = f"did you mean {near[0]}?" if near else f"models has {_listed(config['models'])}."
            yield f"ensemble.weights.{name} names no model; {hint}"
            continue
        for fold in sorted(set(folds) - set(config["models"][name]["folds"])):
            yield f"ensemble.weights.{name}.{fold}: the model has no such fold; remove it."
    yield from _blend_contradictions(config)


def _blend_contradictions(config: Config) -> Iterator[str]:
    weights, method = config["ensemble"]["weights"], config["ensemble"]["method"]
    if weights and not any(weight > 0 for folds in weights.values() for weight in folds.values()):
        yield "ensemble.weights are all 0; expected at least one above 0."
    if weights and method != "weights":
        yield f"ensemble.weights is given, but ensemble.method {method} takes none; remove one of them."
    if method == "weights" and not weights:
        yield "ensemble.method is weights, but ensemble.weights is missing; add it, or use mean."
    recipe = BlendRecipe(**config["ensemble"])
    key = "ensemble.calibration" if recipe.calibration else f"ensemble.method {method}"
    shared = set.intersection(*(set(model["folds"]) for model in config["models"].values()))
    if recipe.fitted and "train" not in config["data"]:
        yield f"{key} is fitted on held-out scores; add data.train, or use mean or weights, uncalibrated."
    elif recipe.fitted and len(shared) < 2:
        yield f"{key} is judged on folds that it was not fitted on; expected all models to share two or more."
