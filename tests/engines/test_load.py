"""No engine is loaded without its own metadata."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.compile import compile_engine
from liveness.engines.load import load_engine
from liveness.engines.metadata import read_metadata, write_metadata
from liveness.engines.parity import ParityError
from liveness.engines.parity_sample import write_sample
from liveness.runtime.atomic_write import sha256
from liveness.runtime.errors import InputError


@pytest.fixture(scope="module")
def compiled(convnext: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    compile_engine(
        folder / "0",
        backend="openvino",
        precision="fp32",
        sources=convnext.onnx,
        reference=convnext.reference,
        max_batch=MAX_BATCH,
    )
    return folder


@pytest.fixture
def folder(compiled: Path, tmp_path: Path) -> Path:
    """Copy the engine, so that a test may damage it."""
    return Path(shutil.copytree(compiled, tmp_path / "engines"))


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


def test_a_loaded_engine_scores(folder: Path, convnext: Exported) -> None:
    sample = convnext.reference
    with load_engine(folder / "0.json", threads=1) as engine:
        assert engine.max_batch == MAX_BATCH
        np.testing.assert_allclose(engine(sample.frames), sample.probabilities, atol=1e-5)


def test_loading_does_not_import_torch(folder: Path) -> None:
    program = (
        "import sys; from liveness.engines.load import load_engine\n"
        "assert not {'torch', 'openvino', 'tensorrt', 'tensorrt_rtx', 'onnx'} & set(sys.modules)\n"
        "load_engine(sys.argv[1]).close()\n"
        "assert 'openvino' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", program, folder / "0.json"],
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
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
        load_engine(edit(folder, change))


@pytest.mark.parametrize("name", ["0.xml", "0.bin", "0.parity.npz"])
def test_a_file_that_was_changed_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: does not match the SHA-256"):
        load_engine(folder / "0.json")


def test_a_missing_file_and_missing_metadata_are_refused(folder: Path) -> None:
    (folder / "0.bin").unlink()
    with pytest.raises(InputError, match=r"its file 0\.bin is missing"):
        load_engine(folder / "0.json")
    (folder / "0.json").unlink()
    with pytest.raises(InputError, match="no engine is loaded without its metadata"):
        load_engine(folder / "0.json")


def test_text_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "0.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        load_engine(folder / "0.json")


@pytest.mark.parametrize("reason", ["pending", "another processor"])
def test_the_gate_runs_on_loading(folder: Path, reason: str, convnext: Exported) -> None:
    """An engine not yet validated on this processor must agree with its stored sample to load."""
    path = folder / "0.json"
    metadata = read_metadata(path)
    parity, target = (None, metadata.target) if reason == "pending" else (metadata.parity, "another CPU")
    write_metadata(path, dataclasses.replace(metadata, parity=parity, target=target))
    load_engine(path).close()

    sample = convnext.reference
    wrong = dataclasses.replace(sample, probabilities=1 - sample.probabilities)
    write_sample(folder / "0.parity.npz", wrong)
    files = metadata.files | {"0.parity.npz": sha256(folder / "0.parity.npz")}
    write_metadata(path, dataclasses.replace(metadata, parity=parity, target=target, files=files))
    with pytest.raises(ParityError, match="disagrees with its PyTorch model"):
        load_engine(path)
