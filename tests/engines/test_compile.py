"""Compilation yields an engine that agrees with its model, or no file at all."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.catalog import ENGINE_SUFFIXES, METADATA_SUFFIX, PARITY_SUFFIX
from liveness.engines.compile import compile_engine
from liveness.engines.interface import AHEAD_OF_TIME
from liveness.engines.load import load_engine
from liveness.engines.metadata import EngineMetadata
from liveness.engines.parity import Limits, ParityError
from liveness.engines.registry import open_backend
from liveness.models.checkpoint import save_checkpoint
from liveness.runtime.disk import DiskError
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256
from small_disks import small_files


def compile_openvino(exported: Exported, stem: Path, precision: str = "auto") -> EngineMetadata:
    return compile_engine(
        stem,
        backend="openvino",
        precision=precision,
        sources=exported.onnx,
        reference=exported.reference,
        max_batch=MAX_BATCH,
        threads=2,
    )


def needs_bf16() -> None:
    if "bf16" not in open_backend("openvino").supported:
        pytest.skip("this CPU has no bf16")


def test_auto_takes_the_fast_precision_where_it_agrees(convnext: Exported, tmp_path: Path) -> None:
    needs_bf16()
    metadata = compile_openvino(convnext, tmp_path / "small" / "0")
    assert metadata.precision == "bf16"
    assert metadata.parity is not None and 0 < metadata.parity.max_difference <= 0.01
    assert metadata.source_sha256 == sha256(convnext.onnx["fp32"])
    written = {path.name for path in (tmp_path / "small").iterdir()}
    suffixes = (*ENGINE_SUFFIXES["openvino"], PARITY_SUFFIX, METADATA_SUFFIX)
    assert written == {f"0{suffix}" for suffix in suffixes}


@pytest.mark.thorough
def test_auto_gives_way_to_more_exact_precisions_and_says_so(
    efficientnet: Exported, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    needs_bf16()
    with caplog.at_level(logging.INFO):
        metadata = compile_openvino(efficientnet, tmp_path / "0")
    assert metadata.precision in ("mixed", "fp32")
    assert metadata.parity is not None and metadata.parity.passed
    assert "0 in bf16: the engine disagrees" in caplog.text and "trying the next precision" in caplog.text
    assert "times as fast as" in caplog.text or "well within" in caplog.text


@pytest.mark.thorough
def test_a_mixed_engine_keeps_the_layers_that_lose_most_in_float32(
    efficientnet: Exported, tmp_path: Path
) -> None:
    needs_bf16()
    metadata = compile_openvino(efficientnet, tmp_path / "0", "mixed")
    layers = open_backend("openvino").layers(efficientnet.onnx)  # type: ignore[attr-defined]
    assert 0 < len(metadata.float32_layers) < len(layers)
    assert set(metadata.float32_layers) < set(layers)
    assert metadata.parity is not None and metadata.parity.max_difference <= 0.01
    with load_engine(tmp_path / "0.json") as engine:
        difference = np.abs(engine(efficientnet.reference.frames) - efficientnet.reference.probabilities)
    assert difference.max() == pytest.approx(metadata.parity.max_difference, abs=2e-3)


def test_mixing_needs_a_processor_to_try_engines_on(convnext: Exported, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    if open_backend("tensorrt_rtx").target != AHEAD_OF_TIME:
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="layers are chosen by running engines, and there is no GPU"):
        compile_engine(
            tmp_path / "0",
            backend="tensorrt_rtx",
            precision="mixed",
            sources=convnext.onnx,
            reference=convnext.reference,
            max_batch=MAX_BATCH,
        )
    assert not list(tmp_path.iterdir())


def test_an_explicit_precision_fails_with_the_figures_and_leaves_nothing(
    efficientnet: Exported, tmp_path: Path
) -> None:
    needs_bf16()
    with pytest.raises(ParityError, match=r"(?s)0 in bf16: .*largest difference  0\.[0-9]+ \(limit 0\.01\)"):
        compile_openvino(efficientnet, tmp_path / "0", "bf16")
    assert not list(tmp_path.iterdir())


def test_a_failing_recompilation_leaves_the_good_engine(
    convnext: Exported, efficientnet: Exported, tmp_path: Path
) -> None:
    needs_bf16()
    compile_openvino(convnext, tmp_path / "0")
    before = {path.name: sha256(path) for path in tmp_path.iterdir()}
    with pytest.raises(ParityError):
        compile_openvino(efficientnet, tmp_path / "0", "bf16")
    assert {path.name: sha256(path) for path in tmp_path.iterdir()} == before


def test_the_torch_engine_is_built_from_the_checkpoint(whole_convnext: Exported, tmp_path: Path) -> None:
    save_checkpoint(whole_convnext.checkpoint, tmp_path / "weights.safetensors")
    metadata = compile_engine(
        tmp_path / "torch" / "0",
        backend="torch",
        precision="auto",
        sources={"fp32": tmp_path / "weights.safetensors"},
        reference=whole_convnext.reference,
        max_batch=MAX_BATCH,
    )
    assert metadata.precision == "fp32" and metadata.parity is not None
    with load_engine(tmp_path / "torch" / "0.json") as engine:
        scores = engine(whole_convnext.reference.frames)
    np.testing.assert_allclose(scores, whole_convnext.reference.probabilities, atol=1e-5)


def test_eight_bits_are_calibrated_and_held_to_their_own_limit(convnext: Exported, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    metadata = compile_engine(
        tmp_path / "0",
        backend="openvino",
        precision="int8",
        sources=convnext.onnx,
        reference=convnext.reference,
        max_batch=MAX_BATCH,
        limits=Limits(max_difference=0.1),
        threads=2,
    )
    assert metadata.precision == "int8"
    assert metadata.parity is not None and 1e-4 < metadata.parity.max_difference <= 0.1
    assert "FakeQuantize" in (tmp_path / "0.xml").read_text()
    with pytest.raises(ParityError):
        compile_engine(
            tmp_path / "1",
            backend="openvino",
            precision="int8",
            sources=convnext.onnx,
            reference=convnext.reference,
            max_batch=MAX_BATCH,
            limits=Limits(max_difference=1e-5),
        )


def test_eight_bits_without_nncf_are_one_sentence(
    convnext: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"needs the package nncf .*pip install '\.\[int8\]'"):
        compile_openvino(convnext, tmp_path / "0", "int8")
    assert not list(tmp_path.iterdir())


def test_an_engine_that_does_not_fit_is_no_engine(convnext: Exported, tmp_path: Path) -> None:
    with small_files(50_000), pytest.raises(DiskError, match=r"0 \(a folder\) cannot be written: "):
        compile_openvino(convnext, tmp_path / "0" / "engine", precision="fp32")
    assert not [*(tmp_path / "0").iterdir()]
