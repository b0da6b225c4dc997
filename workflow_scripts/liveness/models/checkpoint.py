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
    """A network (float32, eval mode, logits [n, 2]) and the description of its input."""

    module: torch.nn.Module
    architecture: str
    image_size: int
    mean: Channels
    std: Channels


def create(
    architecture: str, image_size: int, pretrained: bool | str = False, drop_path: float = 0.0
) -> Checkpoint:
    """Create a network with a new two-class head.

    `pretrained` takes the values of models.<name>.pretrained in config.yaml. Raises InputError if
    the architecture is unknown or has no stochastic depth (`drop_path`), or if its weights cannot
    be loaded.
    """
    from_hub = pretrained is True
    # timm drops options that are None: some architectures do not accept a drop_path_rate
    options: dict[str, Any] = {"num_classes": 2, "drop_path_rate": drop_path or None}
    try:
        config = timm.get_pretrained_cfg(architecture)
    except RuntimeError:
        config = None
    if config is None or not timm.is_model(architecture):
        name = architecture.split(".")[0]
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=5))
        raise InputError(f"timm has no architecture {architecture!r}; similar names: {near or 'none'}.")
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
            f"the weights of {architecture} cannot be downloaded ({type(error).__name__}); download "
            f"{config.hf_hub_id or config.url} "
            "on a machine with internet access and set models.<name>.pretrained to the file."
        ) from None
    head = module.get_classifier()  # type: ignore[operator]
    if isinstance(head, torch.nn.Linear):
        # timm initialises EfficientNet's head within +-1/sqrt(classes), which makes a two-class
        # head confident before training
        torch.nn.init.trunc_normal_(head.weight, std=0.02)
        torch.nn.init.zeros_(head.bias)
    if isinstance(pretrained, str):
        _load_backbone(module, pretrained)
    mean, std = (cast(Channels, tuple(values)) for values in (config.mean, config.std))
    return Checkpoint(module, architecture, image_size, mean, std)


def _load_backbone(module: torch.nn.Module, source: str) -> None:
    """Load ImageNet weights from a file or an installed package, except those of the new head."""
    path = _packaged_weights(source.removeprefix(PACKAGE)) if source.startswith(PACKAGE) else Path(source)
    loaded = _read_state(path)
    # timm's function that renames weights as published by the authors of an architecture
    renamed = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
    loaded = renamed(loaded, module) if renamed else loaded
    own = module.state_dict()
    if not set(own) & set(loaded):
        # Another library names the tensors differently, but lists those of one architecture in the
        # same order.
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
            f"{path}: its tensors do not match {type(module).__name__}; expected weights for it."
        )
    module.load_state_dict({name: backbone[name] for name in wanted}, strict=False)


def _classifier_names(module: torch.nn.Module) -> tuple[str, ...]:
    names = module.pretrained_cfg["classifier"]  # type: ignore[index]
    return (names,) if isinstance(names, str) else tuple(names)


def _packaged_weights(package: str) -> Path:
    """Return the only weights file inside an installed package."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [path for folder in folders for path in Path(folder).rglob("*.pth")]
    if len(files) != 1:
        raise InputError(
            f"package:{package}: found {len(files)} .pth files; expected an installed package with just one."
        )
    return files[0]


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a .safetensors or .pth file, without ever running code from the file."""
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
            f"{path}: is damaged or contains more than tensors ({type(error).__name__}); save only the "
            "state_dict."
        ) from None
    state = state if isinstance(state, dict) else {}
    for key in ("state_dict", "model"):
        state = state[key] if isinstance(state.get(key), dict) else state
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write the weights and the input description to a safetensors file."""
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
    """Load a network for inference.

    Files from `save_checkpoint` are self-describing; other files (a plain state dict) need both
    `architecture` and `image_size`. Raises InputError if the file is unreadable, contradicts the
    arguments or does not match the architecture.
    """
    path = Path(path)
    state = _read_state(path)
    described = _description(path)
    for key, given in (("architecture", architecture), ("image_size", image_size)):
        if given is not None and described.get(key, given) != given:
            raise InputError(
                f"{path}: was trained with {key} {described[key]}, but the configuration says {given}; "
                "make them agree."
            )
    architecture = described.get("architecture", architecture)
    image_size = described.get("image_size", image_size)
    if architecture is None or image_size is None:
        raise InputError(
            f"{path}: does not specify its architecture and image size; expected a checkpoint that this "
            "workflow wrote."
        )
    fresh = create(architecture, image_size)
    try:
        fresh.module.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{path}: does not match {architecture} with two classes ({first}).") from None
    mean, std = (tuple(described.get(key, getattr(fresh, key))) for key in ("mean", "std"))
    return Checkpoint(fresh.module.eval(), architecture, image_size, mean, std)


def _description(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("liveness", "{}"))
