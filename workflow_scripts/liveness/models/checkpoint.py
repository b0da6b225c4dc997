"""timm models for two classes (0 spoof, 1 live), their weights, and checkpoints in safetensors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
from huggingface_hub.constants import HF_HUB_CACHE
from safetensors import safe_open
from safetensors.torch import save_file

from liveness.models.architectures import (
    check_image_size,
    has_shapes,
    likely_architecture,
    similar_architectures,
    size_refused,
)
from liveness.models.pretrained import classifier_names, load_backbone, with_two_classes
from liveness.models.weights_file import fit_names, misfit, read_state
from liveness.runtime.disk import disk_error
from liveness.runtime.errors import InputError

Channels = tuple[float, float, float]


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
        raise InputError(f"timm has no architecture {architecture!r}; {similar_architectures(architecture)}.")
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
        if problem := disk_error(error, HF_HUB_CACHE):
            raise problem from None
        raise InputError(
            f"the weights of {architecture} cannot be downloaded ({type(error).__name__}); download "
            f"{config.hf_hub_id or config.url} "
            "on a machine with internet access and set models.<name>.pretrained to the file."
        ) from None
    except (AssertionError, IndexError, ValueError) as error:
        raise size_refused(architecture, image_size, error) from None
    mean, std = (cast(Channels, tuple(values)) for values in (config.mean, config.std))
    if not has_shapes(architecture, image_size, options):
        check_image_size(module, architecture, image_size)
    head = module.get_classifier()  # type: ignore[operator]
    if isinstance(head, torch.nn.Linear):
        # timm initialises EfficientNet's head within +-1/sqrt(classes), which makes a two-class
        # head confident before training
        torch.nn.init.trunc_normal_(head.weight, std=0.02)
        torch.nn.init.zeros_(head.bias)
    if isinstance(pretrained, str):
        load_backbone(module, pretrained)
    return Checkpoint(module, architecture, image_size, mean, std)


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
    state = read_state(path)
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
    if not described:
        state = fit_names(state, fresh.module, path)
        state = with_two_classes(state, fresh.module, path)
    try:
        fresh.module.load_state_dict(state)
    except RuntimeError:
        classifier = tuple(f"{name}." for name in classifier_names(fresh.module))
        backbone = {name: tensor for name, tensor in state.items() if not name.startswith(classifier)}
        raise InputError(
            f"{path}: does not match {architecture} with two classes "
            f"({misfit(state, fresh.module.state_dict())}){likely_architecture(backbone, classifier)}."
        ) from None
    mean, std = (tuple(described.get(key, getattr(fresh, key))) for key in ("mean", "std"))
    return Checkpoint(fresh.module.eval(), architecture, image_size, mean, std)


def _description(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("liveness", "{}"))
