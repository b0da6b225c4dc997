"""Each network is exported once per run."""

import pytest
from exported import Exported, create, export

# Fewer blocks of each kind than the real ones have: exporting costs seconds per block.


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
    """So steep that bfloat16 moves its probabilities beyond the limit, as it does to fine-tuned ones."""
    network = create("tf_efficientnet_lite0")
    for i, stage in enumerate(network.blocks):
        network.blocks[i] = stage[:1]
    folder = tmp_path_factory.mktemp("efficientnet")
    return export(network, "tf_efficientnet_lite0", 64, ("fp32",), folder, deviation=8)


@pytest.fixture(scope="session")
def whole_convnext(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """All of a ConvNeXt-Atto, as a checkpoint must be; no ONNX."""
    return export(create("convnext_atto"), "convnext_atto", 64, (), tmp_path_factory.mktemp("checkpoint"))
