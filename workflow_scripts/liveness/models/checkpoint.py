"""timm models for two classes (0 spoof, 1 live), their weights, and checkpoints in safetensors."""

import difflib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from liveness.runtime.errors import InputError

Channels = tuple[float, float, float]
PACKAGE = "package:"


@dataclass(frozen=True)
class Checkpoint:
    """A network (float32, eval mode, logits [n, 2]) and what its input must look like."""

    module: torch.nn.Module
    architecture: str
    image_size: int
    mean: Channels
    std: Channels


def create(
    architecture: str, image_size: int, pretrained: bool | str = False, drop_path: float = 0.0
) -> Checkpoint:
    """A new network with a fresh head of two classes; `pretrained` as the key of this name in config.yaml."""
    from_hub = pretrained is True
    # None is not passed on: some architectures know no stochastic depth
    options: dict[str, Any] = {"num_classes": 2, "drop_path_rate": drop_path or None}
    try:
        config = timm.get_pretrained_cfg(architecture)
    except RuntimeError:
        config = None
    if config is None or not timm.is_model(architecture):
        name = architecture.split(".")[0]
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=5))
        raise InputError(f"timm knows no architecture {architecture!r}; similar ones: {near or 'none'}.")
    if config.fixed_input_size:
        options["img_size"] = image_size
    try:
        module = timm.create_model(architecture, pretrained=from_hub, **options)
    except TypeError:
        if not drop_path:
            raise
        raise InputError(
            f"{architecture} has no stochastic depth; set models.<name>.drop_path to 0."
        ) from None
    except (OSError, RuntimeError) as error:
        if not from_hub:
            raise
        raise InputError(
            f"the weights of {architecture} cannot be fetched ({type(error).__name__}); fetch "
            f"{config.hf_hub_id or config.url} "
            "on a machine with a network and name the file in models.<name>.pretrained."
        ) from None
    head = module.get_classifier()  # type: ignore[operator]
    if isinstance(head, torch.nn.Linear):
        # timm draws EfficientNet's from +-1/sqrt(classes): of two classes it is sure before it has seen any
        torch.nn.init.trunc_normal_(head.weight, std=0.02)
        torch.nn.init.zeros_(head.bias)
    if isinstance(pretrained, str):
        _load_backbone(module, pretrained)
    mean, std = (cast(Channels, tuple(values)) for values in (config.mean, config.std))
    return Checkpoint(module, architecture, image_size, mean, std)


def _load_backbone(module: torch.nn.Module, source: str) -> None:
    """Load ImageNet weights from a file or an installed package; the new head keeps its initial values."""
    path = _packaged_weights(source.removeprefix(PACKAGE)) if source.startswith(PACKAGE) else Path(source)
    loaded = _read_state(path)
    # timm's own reading of the names under which the authors of an architecture published its weights
    renamed = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
    loaded = renamed(loaded, module) if renamed else loaded
    own = module.state_dict()
    if not set(own) & set(loaded):
        # Another library's names for the same network: tensors of one architecture come in the same order.
        names = [name for name in own if not name.endswith("num_batches_tracked")]
        tensors = [tensor for name, tensor in loaded.items() if not name.endswith("num_batches_tracked")]
        loaded = dict(zip(names, tensors, strict=True)) if len(names) == len(tensors) else {}
    classifier = tuple(f"{name}." for name in _classifier_names(module))
    backbone = {name: tensor for name, tensor in loaded.items() if not name.startswith(classifier)}
    wanted = {
        name for name in own if not name.startswith(classifier) and not name.endswith("num_batches_tracked")
    }
    fits = wanted <= set(backbone) and all(backbone[name].shape == own[name].shape for name in wanted)
    if not fits:
        raise InputError(
            f"{path}: its tensors do not fit {type(module).__name__}; expected weights of this architecture."
        )
    module.load_state_dict({name: backbone[name] for name in wanted}, strict=False)


def _classifier_names(module: torch.nn.Module) -> tuple[str, ...]:
    names = module.pretrained_cfg["classifier"]  # type: ignore[index]
    return (names,) if isinstance(names, str) else tuple(names)


def _packaged_weights(package: str) -> Path:
    """The one weights file inside an installed package."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [path for folder in folders for path in Path(folder).rglob("*.pth")]
    if len(files) != 1:
        raise InputError(
            f"package:{package}: found {len(files)} .pth files; expected an installed package with one."
        )
    return files[0]


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a .safetensors or .pth file; never runs code that a file brings."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights file; expected a .safetensors or .pth file.")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except SafetensorError as error:
            raise InputError(f"{path}: not a readable safetensors file ({error}).") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path}: holds more than tensors or is damaged ({type(error).__name__}); save its state_dict."
        ) from None
    state = state if isinstance(state, dict) else {}
    for key in ("state_dict", "model"):
        state = state[key] if isinstance(state.get(key), dict) else state
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write weights and input description to a safetensors file."""
    description = {
        "architecture": checkpoint.architecture,
        "image_size": checkpoint.image_size,
        "mean": checkpoint.mean,
        "std": checkpoint.std,
    }
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.module.state_dict().items()
    }
    save_file(state, path, metadata={"liveness": json.dumps(description)})


def load_checkpoint(path: Path, architecture: str | None = None, image_size: int | None = None) -> Checkpoint:
    """Read a network for inference.

    Our own files describe themselves; other files (a plain state dict) need both `architecture` and
    `image_size`. Raises InputError where the file is unreadable, contradicts the arguments or does not fit
    the architecture.
    """
    path = Path(path)
    state = _read_state(path)
    described = _description(path)
    for key, given in (("architecture", architecture), ("image_size", image_size)):
        if given is not None and described.get(key, given) != given:
            raise InputError(
                f"{path}: was trained with {key} {described[key]}, the configuration says {given}; "
                "make them equal."
            )
    architecture = described.get("architecture", architecture)
    image_size = described.get("image_size", image_size)
    if architecture is None or image_size is None:
        raise InputError(
            f"{path}: does not say its architecture and image size; expected a file that this workflow wrote."
        )
    fresh = create(architecture, image_size)
    try:
        fresh.module.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: does not fit {architecture} with two classes ({first}).") from None
    mean, std = (tuple(described.get(key, getattr(fresh, key))) for key in ("mean", "std"))
    return Checkpoint(fresh.module.eval(), architecture, image_size, mean, std)


def _description(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("liveness", "{}"))
