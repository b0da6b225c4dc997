"""Weights as frameworks publish them: wrapped, averaged, damaged, of another network."""

import logging
from pathlib import Path

import pytest
import timm
import torch

from liveness.models.checkpoint import create, load_checkpoint
from liveness.models.weights_file import AVERAGED, WRAPPERS, State, fit_names, misfit, read_state
from liveness.runtime.errors import InputError

# that of test_vit, whose weights timm resamples for others
SIDE = 160


def state(seed: int = 0, architecture: str = "test_resnet", classes: int = 2) -> State:
    torch.manual_seed(seed)
    weights: State = timm.create_model(architecture, num_classes=classes).state_dict()
    return weights


def saved(folder: Path, content: object) -> Path:
    path = folder / "last.pth"
    torch.save(content, path)
    return path


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("key", AVERAGED)
@pytest.mark.parametrize("raw", ["state_dict", "model"])
def test_averaged_weights_are_meant(
    key: str, raw: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, {raw: state(1), key: state(2), "epoch": 9})
    with caplog.at_level(logging.INFO):
        assert same(read_state(path), state(2))
    assert caplog.messages == [f"{path}: the averaged weights ({key}) are taken, not the raw ones"]


@pytest.mark.parametrize("keys", [(), ("state_dict",), ("model",), ("module",)])
def test_weights_are_found_where_frameworks_keep_them(keys: tuple[str, ...], tmp_path: Path) -> None:
    content: object = state(1)
    for key in keys:
        content = {key: content, "optimizer": {"lr": 0.1}, "epoch": 3}
    assert same(read_state(saved(tmp_path, content)), state(1))


@pytest.mark.parametrize("architecture", ["test_convnext", "test_resnet", "test_vit"])
@pytest.mark.parametrize("prefix", [*WRAPPERS, "module.model.", "_orig_mod.module.", "student.backbone."])
def test_prefixes_of_wrappers_are_dropped(
    architecture: str, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = state(1, architecture)
    path = saved(tmp_path, {prefix + name: tensor for name, tensor in weights.items()})
    with caplog.at_level(logging.INFO):
        loaded = load_checkpoint(path, architecture, SIDE).module.state_dict()
    assert same(loaded, weights)
    assert f"{path}: names of tensors are taken without {prefix}" in caplog.messages
    backbone = create(architecture, SIDE, str(path)).module.state_dict()
    assert sum(torch.equal(backbone[name], weights[name]) for name in weights) >= len(weights) - 2


def test_a_prefix_of_the_backbone_alone_is_dropped(tmp_path: Path) -> None:
    weights = {f"backbone.{name}": tensor for name, tensor in state(1).items() if not name.startswith("fc.")}
    path = saved(tmp_path, weights | {"projector.0.weight": torch.ones(3)})
    loaded = create("test_resnet", 64, str(path)).module.state_dict()
    assert torch.equal(loaded["conv1.0.weight"], weights["backbone.conv1.0.weight"])


def test_names_of_the_network_itself_are_kept() -> None:
    module = timm.create_model("test_vit", num_classes=2)
    assert fit_names(state(1, "test_vit"), module, Path("x.pth")).keys() == module.state_dict().keys()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    weights = state(1)
    weights["layer1.0.conv1.weight"][0, 0, 0, 0] = value
    with pytest.raises(
        InputError, match=r"last\.pth: the tensor layer1\.0\.conv1\.weight has NaN or infinite"
    ):
        read_state(saved(tmp_path, weights))


def test_a_head_of_one_class_is_the_logit_of_live(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = state(1, classes=1)
    images = torch.randn(3, 3, 64, 64)
    original = timm.create_model("test_resnet", num_classes=1).eval()
    original.load_state_dict(weights)
    with caplog.at_level(logging.INFO):
        loaded = load_checkpoint(saved(tmp_path, weights), "test_resnet", 64).module
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images).softmax(1)[:, 1], original(images).sigmoid()[:, 0])
    assert "its logit is taken for that of live" in caplog.text


@pytest.mark.parametrize("classes", [0, 3, 1000])
def test_a_head_of_other_classes_serves_for_pretrained_only(classes: int, tmp_path: Path) -> None:
    path = saved(tmp_path, state(1, classes=classes))
    create("test_resnet", 64, str(path))
    with pytest.raises(InputError, match=r"does not match test_resnet with two classes \(.*fc") as caught:
        load_checkpoint(path, "test_resnet", 64)
    assert len(str(caught.value)) < 400


def test_a_misfit_is_told_in_a_few_words(tmp_path: Path) -> None:
    path = saved(tmp_path, state(1, "resnet18"))
    for load in (
        lambda: load_checkpoint(path, "test_resnet", 64),
        lambda: create("test_resnet", 64, str(path)),
    ):
        with pytest.raises(InputError, match="they fit resnet18") as caught:
            load()
        assert len(str(caught.value)) < 400


def test_missing_unknown_and_other_shapes_are_named() -> None:
    own = {name: torch.zeros(2) for name in "abc"}
    found = misfit({"a": torch.zeros(3), "x": torch.zeros(1), "y": torch.zeros(1)}, own)
    assert found == "missing b and 1 more; unknown x and 1 more; a is [3], expected [2]"


@pytest.mark.parametrize(
    ("old", "new"),
    [("tf_efficientnet_b0_ns", "tf_efficientnet_b0.ns_jft_in1k"), ("tv_resnet50", "resnet50.tv_in1k")],
)
def test_a_former_name_of_an_architecture_gets_the_present_one(old: str, new: str) -> None:
    with pytest.raises(InputError, match=f"no architecture '{old}'; it is now called {new}"):
        create(old, 224)


@pytest.mark.parametrize(("architecture", "size"), [("efficientformer_l1", 128), ("crossvit_9_240", 128)])
def test_a_size_that_a_network_cannot_take_is_refused(architecture: str, size: int) -> None:
    with pytest.raises(InputError, match=rf"{architecture} cannot take images of 128 x 128 .* to 2"):
        create(architecture, size)
