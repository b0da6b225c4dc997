"""TensorRT-RTX builds real engines without a GPU; running them needs one."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.catalog import ENGINE_SUFFIXES, METADATA_SUFFIX, PARITY_SUFFIX
from liveness.engines.compile import compile_engine
from liveness.engines.interface import AHEAD_OF_TIME, BuildOptions
from liveness.engines.load import load_engine
from liveness.engines.parity import Limits
from liveness.engines.tensorrt_engine import TensorRtBackend
from liveness.runtime.errors import InputError


@pytest.fixture
def rtx() -> TensorRtBackend:
    pytest.importorskip("tensorrt_rtx")
    return TensorRtBackend("tensorrt_rtx")


@pytest.mark.parametrize("model", ["convnext", "vit"])
def test_rtx_builds_without_a_gpu_and_says_that_parity_is_pending(
    rtx: TensorRtBackend, model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if rtx.target != AHEAD_OF_TIME:
        pytest.skip("there is a GPU")
    exported: Exported = request.getfixturevalue(model)
    metadata = compile_engine(
        tmp_path / "0",
        backend="tensorrt_rtx",
        precision="auto",
        sources=exported.onnx,
        reference=exported.reference,
        max_batch=MAX_BATCH,
    )
    assert (metadata.precision, metadata.target, metadata.parity) == ("fp16", "ahead of time", None)
    assert json.loads((tmp_path / "0.json").read_text())["parity"] == "pending"
    suffixes = (*ENGINE_SUFFIXES["tensorrt_rtx"], PARITY_SUFFIX, METADATA_SUFFIX)
    assert {path.name for path in tmp_path.iterdir()} == {f"0{suffix}" for suffix in suffixes}
    assert (tmp_path / "0.plan").stat().st_size > exported.onnx["fp16"].stat().st_size * 0.9
    with pytest.raises(InputError, match=r"running TensorRT engines needs "):
        load_engine(tmp_path / "0.json")


def test_another_major_version_is_refused(rtx: TensorRtBackend, convnext: Exported, tmp_path: Path) -> None:
    compile_engine(
        tmp_path / "0",
        backend="tensorrt_rtx",
        precision="fp16",
        sources=convnext.onnx,
        reference=convnext.reference,
        max_batch=MAX_BATCH,
        limits=Limits(max_difference=1.0),
    )
    record = json.loads((tmp_path / "0.json").read_text())
    (tmp_path / "0.json").write_text(json.dumps(record | {"backend_version": "99.0"}))
    with pytest.raises(InputError, match=r"was built with tensorrt_rtx 99\.0, but .* is installed"):
        load_engine(tmp_path / "0.json")


def test_a_file_that_is_no_onnx_is_one_sentence(rtx: TensorRtBackend, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"a\.onnx: tensorrt_rtx .* cannot parse it"):
        rtx.build(tmp_path / "a.onnx", tmp_path / "0", image_size=64, max_batch=8)
    assert not (tmp_path / "0.plan").exists()


@pytest.mark.parametrize(("name", "extra"), [("tensorrt", "gpu"), ("tensorrt_rtx", "rtx")])
def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, name: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(InputError, match=rf"pip install '\.\[{extra}\]'"):
        TensorRtBackend(name)


@pytest.mark.parametrize("option", ["hardware_compatible", "version_compatible"])
def test_builds_that_the_library_or_the_machine_lacks_are_refused(
    rtx: TensorRtBackend, option: str, convnext: Exported, tmp_path: Path
) -> None:
    if rtx.target != AHEAD_OF_TIME:
        pytest.skip("there is a GPU")
    backend = TensorRtBackend("tensorrt_rtx", options=BuildOptions(**{option: True}))
    with pytest.raises(InputError, match=rf"engine\.tensorrt\.{option} is true, which .* cannot"):
        backend.build(convnext.onnx["fp16"], tmp_path / "0", image_size=64, max_batch=8)
    assert not list(tmp_path.iterdir())


def test_the_builders_options_reach_it_and_its_messages_the_log(
    rtx: TensorRtBackend, convnext: Exported, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = BuildOptions(optimization_level=0, workspace_mib=64)
    backend = TensorRtBackend("tensorrt_rtx", cache=tmp_path / "cache", options=options)
    with caplog.at_level("DEBUG"):
        backend.build(convnext.onnx["fp16"], tmp_path / "0", image_size=64, max_batch=8)
    assert (tmp_path / "0.plan").exists()
    assert any(record.message.startswith("tensorrt_rtx: ") for record in caplog.records)
    assert not any(record.levelname == "ERROR" for record in caplog.records)
    config = rtx._trt.Builder(rtx._logger).create_builder_config()
    backend._apply_options(config)
    assert config.builder_optimization_level == 0
    assert config.get_memory_pool_limit(rtx._trt.MemoryPoolType.WORKSPACE) == 64 << 20


def test_engines_that_were_built_to_last_open_with_another_version(
    rtx: TensorRtBackend, convnext: Exported, tmp_path: Path
) -> None:
    """The version is not rejected: without a GPU the next error is that there is none."""
    if rtx.target != AHEAD_OF_TIME:
        pytest.skip("there is a GPU")
    compile_engine(
        tmp_path / "0",
        backend="tensorrt_rtx",
        precision="fp16",
        sources=convnext.onnx,
        reference=convnext.reference,
        max_batch=MAX_BATCH,
    )
    record = json.loads((tmp_path / "0.json").read_text())
    record |= {"backend_version": "99.0", "version_compatible": True}
    (tmp_path / "0.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="running TensorRT engines needs "):
        load_engine(tmp_path / "0.json")


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_engine_agrees_with_pytorch_on_the_gpu(
    name: str, precision: str, convnext: Exported, tmp_path: Path
) -> None:
    pytest.importorskip(name)
    pytest.importorskip("pycuda.driver")
    if TensorRtBackend(name).target == AHEAD_OF_TIME:
        pytest.skip("there is no GPU")
    sample = convnext.reference
    metadata = compile_engine(
        tmp_path / "0",
        backend=name,
        precision=precision,
        sources=convnext.onnx,
        reference=sample,
        max_batch=MAX_BATCH,
    )
    assert metadata.parity is not None and metadata.parity.passed
    with load_engine(tmp_path / "0.json") as engine:
        for n in (1, 3, MAX_BATCH, len(sample.frames)):
            np.testing.assert_allclose(engine(sample.frames[:n]), sample.probabilities[:n], atol=0.01)
