"""OpenVINO engines on this machine's CPU."""

from pathlib import Path

import numpy as np
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.interface import Engine
from liveness.engines.openvino_engine import OpenVinoBackend
from liveness.runtime.errors import InputError

TOLERANCE = {"fp32": 1e-5, "fp16": 5e-3, "bf16": 3e-2}


def open_engine(exported: Exported, folder: Path, precision: str = "fp32") -> Engine:
    backend, side = OpenVinoBackend(), exported.checkpoint.image_size
    backend.build(exported.onnx["fp32"], folder / "v1.2", image_size=side, max_batch=MAX_BATCH)
    return backend.open(folder / "v1.2", precision=precision, image_size=side, max_batch=MAX_BATCH, threads=1)


@pytest.mark.parametrize("model", ["convnext", "vit", "efficientnet"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_engine_agrees_with_pytorch(
    model: str, precision: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if precision not in OpenVinoBackend().supported:
        pytest.skip(f"this CPU has no {precision}")
    exported: Exported = request.getfixturevalue(model)
    sample = exported.reference
    with open_engine(exported, tmp_path, precision) as engine:
        for n in (1, 3, MAX_BATCH, len(sample.frames)):  # the last one is split into chunks
            difference = np.abs(engine(sample.frames[:n]) - sample.probabilities[:n]).max()
            assert difference < TOLERANCE[precision] or (model, precision) == ("efficientnet", "bf16")


def test_results_are_the_callers_own_and_may_be_none(convnext: Exported, tmp_path: Path) -> None:
    frames = convnext.reference.frames
    with open_engine(convnext, tmp_path) as engine:
        first = engine(frames[:4])
        kept = first.copy()
        engine(frames[4:8])
        assert np.array_equal(first, kept) and first.dtype == np.float32
        assert engine(frames[:0]).shape == (0,)
        assert np.allclose(engine(frames[:4][:, ::-1][:, ::-1]), kept)  # not contiguous


@pytest.mark.parametrize("wrong", [np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32)])
def test_other_shapes_and_types_are_refused(convnext: Exported, tmp_path: Path, wrong: np.ndarray) -> None:
    with open_engine(convnext, tmp_path) as engine, pytest.raises(ValueError, match="expected uint8"):
        engine(wrong)


def test_a_precision_that_the_cpu_lacks_is_refused(convnext: Exported, tmp_path: Path) -> None:
    backend = OpenVinoBackend()
    backend._capabilities = ["FP32"]
    assert backend.precisions == ("fp32",) and backend.supported == ("fp32", "int8")
    with pytest.raises(InputError, match="computes in bf16, which this CPU lacks"):
        backend.open(tmp_path / "0", precision="bf16", image_size=64, max_batch=8, threads=1)


def test_processes_side_by_side_are_not_pinned_to_the_same_core(convnext: Exported, tmp_path: Path) -> None:
    with open_engine(convnext, tmp_path) as engine:
        compiled = engine._requests[0].get_compiled_model()  # type: ignore[attr-defined]
        assert compiled.get_property("ENABLE_CPU_PINNING") is False
        assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
