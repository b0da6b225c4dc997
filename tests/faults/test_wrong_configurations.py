"""Wrong configurations, each told in one sentence; `planning/test_configuration.py` has more."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from liveness.planning.configuration import complete
from liveness.planning.schema import schema_of
from liveness.runtime.errors import InputError
from liveness.settings.configuration import Configuration

MODEL = {"architecture": "test_convnext", "image_size": 64}
SOURCE = {"url": "https://example.org/a.zip", "sha256": "0" * 64, "to": "a"}
RIGHT: dict[str, Any] = {
    "data": {"train": {"videos": "train", "labels": "labels.csv"}, "test": {"videos": "test"}},
    "models": {"m": MODEL},
}
LINES = Path(__file__).with_name("wrong_configurations.txt").read_text(encoding="utf-8").splitlines()
TABLE = [(line, sentence.strip()) for line, sentence in zip(LINES[::2], LINES[1::2], strict=True)]
# no key takes all of these, and none takes the last
ODD = [None, [], {}, -7.5, True, "\n", ["a", {}], {"a": [None]}, {"": {"": ""}}, [[[]]]]


def wrong(key: str, value: Any) -> list[str]:
    """Return what is said about a configuration that is right but for one dotted key."""
    config = deepcopy(RIGHT)
    *above, last = key.split(".")
    place = config
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    with pytest.raises(InputError) as caught:
        complete(config)
    return str(caught.value).splitlines()


def keys(schema: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield every dotted key; models and sources have one name each."""
    parts = dict(schema.get("properties", {}))
    if above in ("models", "fetch"):
        parts = {"m": schema["additionalProperties"]}
    for name, part in parts.items():
        key = f"{above}.{name}".strip(".")
        yield key
        yield from keys(part, key)


@pytest.mark.parametrize(("line", "sentence"), TABLE, ids=[line for line, _ in TABLE])
def test_a_mistake_is_told_in_one_sentence(line: str, sentence: str) -> None:
    key, _, value = line.partition(": ")
    assert wrong(key, yaml.safe_load(value)) == [sentence]


def test_there_are_a_hundred() -> None:
    assert len({line for line, _ in TABLE}) == len(TABLE) >= 100


@pytest.mark.parametrize("key", [*keys(schema_of(Configuration))])
def test_every_key_refuses_what_it_does_not_take(key: str) -> None:
    """Whatever stands there, it is taken or told in sentences that name it."""
    refused = 0
    for value in ODD:
        config = deepcopy(RIGHT)
        if key.startswith("fetch.m."):
            config["fetch"] = {"m": dict(SOURCE)}
        *above, last = key.split(".")
        place = config
        for name in above:
            place = place.setdefault(name, {})
        place[last] = deepcopy(value)
        try:
            complete(config)
        except InputError as error:
            refused += 1
            for sentence in str(error).splitlines():
                assert sentence.endswith((".", "?")), sentence
            assert key.rpartition(".")[2] in str(error) or key.rpartition(".")[0] in str(error)
    assert refused > 4
