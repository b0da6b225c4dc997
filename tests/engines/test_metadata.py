"""Engine metadata is only read together with the files it covers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exported import MAX_BATCH

from liveness.engines.metadata import engine_file, engine_files, engine_stem, read_metadata, write_metadata
from liveness.runtime.errors import InputError


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    path = folder / "0.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return path


def test_metadata_survives_its_file(folder: Path, tmp_path: Path) -> None:
    metadata = read_metadata(folder / "0.json")
    write_metadata(folder / "0.json", metadata)
    assert read_metadata(folder / "0.json") == metadata
    assert (metadata.backend, metadata.min_batch, metadata.max_batch, metadata.image_size) == (
        "openvino",
        1,
        MAX_BATCH,
        64,
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.pop("precision"), r"missing or unknown keys \['precision'\]"),
        (lambda r: r.update(note=1), r"missing or unknown keys \['note'\]"),
        (lambda r: r.update(max_batch="8"), "max_batch is '8'"),
        (lambda r: r.update(max_batch=True), "max_batch is True"),
        (lambda r: r.update(max_batch=0), "not positive or not in order"),
        (lambda r: r.update(backend="tflite"), "backend is 'tflite'"),
        (lambda r: r.update(precision="int4"), "precision is 'int4'"),
        (lambda r: r["limits"].update(max_difference=2.0), r"limits: max_difference is 2\.0"),
        (lambda r: r.update(float32_layers=[1]), r"float32_layers is \[1\]"),
        (lambda r: r.update(parity="fine"), "parity is 'fine'"),
        (lambda r: r["parity"].update(flips=1.5), r"parity: flips is 1\.5"),
        (lambda r: r["parity"].update(passed=False), "failed its parity check"),
        (lambda r: r["files"].update({"../../etc/passwd": "0" * 64}), "names the files"),
        (lambda r: r["files"].update({"0.bin": "0" * 64}), r"0\.bin: does not match the SHA-256 in 0\.json"),
        (lambda r: r["files"].pop("0.parity.npz"), "names the files"),
    ],
)
def test_metadata_that_was_changed_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_metadata(edit(folder, change))


@pytest.mark.parametrize("name", ["0.xml", "0.bin", "0.parity.npz"])
def test_a_file_that_was_changed_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: does not match the SHA-256"):
        read_metadata(folder / "0.json")


def test_a_missing_file_and_missing_metadata_are_refused(folder: Path) -> None:
    (folder / "0.bin").unlink()
    with pytest.raises(InputError, match=r"its file 0\.bin is missing"):
        read_metadata(folder / "0.json")
    (folder / "0.json").unlink()
    with pytest.raises(InputError, match="no engine is loaded without its metadata"):
        read_metadata(folder / "0.json")


def test_text_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "0.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_metadata(folder / "0.json")


@pytest.mark.parametrize("content", ["[]", "3", "null", '{"parity": null}'])
def test_json_of_another_kind_is_refused(folder: Path, content: str) -> None:
    (folder / "0.json").write_text(content)
    with pytest.raises(InputError, match=r"0\.json: "):
        read_metadata(folder / "0.json")


def test_a_models_name_may_hold_dots() -> None:
    stem = engine_stem("results/v1.2/0.5.json")
    assert stem == Path("results/v1.2/0.5")
    assert engine_file(stem, ".plan") == Path("results/v1.2/0.5.plan")
    assert engine_files(stem, "openvino") == {
        name: Path("results/v1.2", name) for name in ("0.5.xml", "0.5.bin", "0.5.parity.npz")
    }


def test_only_json_is_metadata() -> None:
    with pytest.raises(InputError, match=r"0\.xml: expected the metadata of an engine, a \.json file"):
        engine_stem("0.xml")
