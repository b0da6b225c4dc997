"""No engine is loaded without its own metadata."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.load import load_engine
from liveness.engines.metadata import read_metadata, write_metadata
from liveness.engines.parity import ParityError
from liveness.engines.parity_sample import write_sample
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256


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


def test_an_engine_with_a_changed_file_is_not_loaded(folder: Path) -> None:
    content = bytearray((folder / "0.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "0.bin").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.bin: does not match the SHA-256"):
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
