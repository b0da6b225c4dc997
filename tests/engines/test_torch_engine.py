"""The reference engine scores exactly like the network it was built from."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.compile import compile_engine
from liveness.engines.interface import BuildOptions
from liveness.engines.load import load_engine
from liveness.engines.torch_engine import TorchBackend
from liveness.models.checkpoint import save_checkpoint
from liveness.runtime.errors import InputError


def test_the_checkpoint_is_the_engine(whole_convnext: Exported, tmp_path: Path) -> None:
    save_checkpoint(whole_convnext.checkpoint, tmp_path / "weights.safetensors")
    backend, sample = TorchBackend(), whole_convnext.reference
    backend.build(tmp_path / "weights.safetensors", tmp_path / "0", image_size=64, max_batch=MAX_BATCH)
    with backend.open(
        tmp_path / "0", precision="fp32", image_size=64, max_batch=MAX_BATCH, threads=2
    ) as engine:
        np.testing.assert_allclose(engine(sample.frames), sample.probabilities, atol=1e-5)


def test_another_image_size_is_refused(whole_convnext: Exported, tmp_path: Path) -> None:
    save_checkpoint(whole_convnext.checkpoint, tmp_path / "0.safetensors")
    with pytest.raises(InputError, match=r"was trained at 64 px; expected 96"):
        TorchBackend().open(tmp_path / "0", precision="fp32", image_size=96, max_batch=8, threads=None)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.05), ("fp16", 0.01)])
def test_half_precision_is_near_and_not_the_same(
    whole_convnext: Exported, tmp_path: Path, precision: str, tolerance: float
) -> None:
    save_checkpoint(whole_convnext.checkpoint, tmp_path / "0.safetensors")
    with TorchBackend().open(
        tmp_path / "0", precision=precision, image_size=64, max_batch=MAX_BATCH, threads=2
    ) as engine:
        scores = engine(whole_convnext.reference.frames)
    difference = np.abs(scores - whole_convnext.reference.probabilities).max()
    assert difference < tolerance and scores.dtype == np.float32
    assert (difference > 1e-5) == (precision != "fp32")


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.thorough
def test_a_compiled_network_gives_the_same(whole_convnext: Exported, tmp_path: Path) -> None:
    save_checkpoint(whole_convnext.checkpoint, tmp_path / "weights.safetensors")
    sample = whole_convnext.reference
    metadata = compile_engine(
        tmp_path / "0",
        backend="torch",
        precision="fp32",
        sources={"fp32": tmp_path / "weights.safetensors"},
        reference=sample,
        max_batch=MAX_BATCH,
        options=BuildOptions(compile=True),
    )
    assert metadata.compiled
    with load_engine(tmp_path / "0.json") as engine:
        for n in (1, 3, len(sample.frames)):
            np.testing.assert_allclose(engine(sample.frames[:n]), sample.probabilities[:n], atol=1e-4)
