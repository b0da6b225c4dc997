"""Fixtures that export each network once per test run."""

import shutil
from pathlib import Path

import pytest
from exported import MAX_BATCH, Exported, create, export

from liveness.engines.compile import compile_engine

# Networks have fewer blocks than the real ones, since exporting takes seconds per block.


@pytest.fixture(scope="session")
def convnext(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    network = create("convnext_atto", depths=(1, 1, 2, 1))
    return export(network, "convnext_atto", 64, ("fp32", "fp16"), tmp_path_factory.mktemp("convnext"))


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    network = create("vit_tiny_patch16_224", img_size=96, depth=2)
    return export(network, "vit_tiny_patch16_224", 96, ("fp32", "fp16"), tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="session")
def efficientnet(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network with large logits that, like fine-tuned ones, exceeds the parity limit in bf16."""
    network = create("tf_efficientnet_lite0")
    for i, stage in enumerate(network.blocks):
        network.blocks[i] = stage[:1]
    folder = tmp_path_factory.mktemp("efficientnet")
    return export(network, "tf_efficientnet_lite0", 64, ("fp32",), folder, deviation=8)


@pytest.fixture(scope="session")
def whole_convnext(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A complete ConvNeXt-Atto, as checkpoints require; no ONNX."""
    return export(create("convnext_atto"), "convnext_atto", 64, (), tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
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
