"""timm models for two classes (0 spoof, 1 live), their weights, and checkpoints in safetensors."""

import difflib
import importlib.util
import json
import logging
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from liveness.models.weights_file import State, fit_names, misfit, read_state
from liveness.runtime.errors import InputError

log = logging.getLogger(__name__)

# networks whose weights people publish most; each try costs a fraction of a second
LIKELY = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101)),
    *(f"convnext_{size}" for size in ("atto", "nano", "tiny", "small", "base", "large", "xlarge")),
    *(f"vit_{size}_patch16_224" for size in ("tiny", "small", "base", "large")),
    *(f"efficientnet_b{number}" for number in range(5)),
    *(f"tf_efficientnet_lite{number}" for number in range(3)),
    *("mobilenetv2_100", "mobilenetv3_large_100", "swin_tiny_patch4_window7_224"),
)

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
        raise InputError(f"timm has no architecture {architecture!r}; {_similar(architecture)}.")
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
    _check_image_size(module, architecture, image_size, options)
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


def _check_image_size(
    module: torch.nn.Module, architecture: str, image_size: int, options: dict[str, Any]
) -> None:
    """Raise InputError if the network cannot take images of this size.

    A copy without memory, of which only shapes are computed, is tried first. Some operations need
    memory, so the network itself has the last word.
    """
    with suppress(Exception), torch.device("meta"), torch.inference_mode():
        timm.create_model(architecture, **options).eval()(torch.zeros(2, 3, image_size, image_size))
        return
    training = module.training
    try:
        with torch.inference_mode():
            module.eval()(torch.zeros(2, 3, image_size, image_size))
        module.train(training)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        described: Any = module.pretrained_cfg
        usual = described["input_size"][-1]
        raise InputError(
            f"{architecture} cannot take images of {image_size} x {image_size} pixels ({reason[0][:120]}); "
            f"set models.<name>.image_size to {usual}, for which it was made."
        ) from None


def _similar(architecture: str) -> str:
    """Return the present name of an architecture that timm has renamed, or similar names."""
    with suppress(Exception), torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        renamed: Any = timm.create_model(architecture).pretrained_cfg
        tag = f".{renamed['tag']}" if renamed.get("tag") else ""
        return f"it is now called {renamed['architecture']}{tag}"
    near = ", ".join(difflib.get_close_matches(architecture.split(".")[0], timm.list_models(), n=5))
    return f"similar names: {near or 'none'}"


def _load_backbone(module: torch.nn.Module, source: str) -> None:
    """Load ImageNet weights from a file or an installed package, except those of the new head."""
    path = _packaged_weights(source.removeprefix(PACKAGE)) if source.startswith(PACKAGE) else Path(source)
    loaded = fit_names(read_state(path), module, path)
    classifier = tuple(f"{name}." for name in _classifier_names(module))
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(classifier)}
    backbone = {name: tensor for name, tensor in loaded.items() if not name.startswith(classifier)}
    wanted = {name for name in own if not name.endswith("num_batches_tracked")}
    if not all(name in backbone and backbone[name].shape == own[name].shape for name in wanted):
        raise InputError(
            f"{path}: its tensors do not match {type(module).__name__} ({misfit(backbone, own)})"
            f"{_likely(backbone, classifier)}; expected weights for it."
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
        state = _with_two_classes(state, fresh.module, path)
    try:
        fresh.module.load_state_dict(state)
    except RuntimeError:
        classifier = tuple(f"{name}." for name in _classifier_names(fresh.module))
        backbone = {name: tensor for name, tensor in state.items() if not name.startswith(classifier)}
        raise InputError(
            f"{path}: does not match {architecture} with two classes "
            f"({misfit(state, fresh.module.state_dict())}){_likely(backbone, classifier)}."
        ) from None
    mean, std = (tuple(described.get(key, getattr(fresh, key))) for key in ("mean", "std"))
    return Checkpoint(fresh.module.eval(), architecture, image_size, mean, std)


def _with_two_classes(state: State, module: torch.nn.Module, path: Path) -> State:
    """Widen a head of one class, since softmax over (0, z) is the sigmoid of z; leave others."""
    own = module.state_dict()
    for name in _classifier_names(module):
        for key in (f"{name}.weight", f"{name}.bias"):
            if key in state and key in own and len(state[key]) == 1 and len(own[key]) == 2:
                state = state | {key: torch.cat([torch.zeros_like(state[key]), state[key]])}
                log.info("%s: %s has one class; its logit is taken for that of live", path, key)
    return state


def _likely(backbone: State, classifier: tuple[str, ...]) -> str:
    """Name an architecture that tensors fit, as the end of a sentence; "" if none is found."""
    shapes = {name: tensor.shape for name, tensor in backbone.items() if "num_batches" not in name}
    if not shapes:
        return ""
    for name in LIKELY:
        with suppress(Exception), torch.device("meta"):
            own = timm.create_model(name).state_dict()
            heads = {key for key in own if key.startswith(classifier) or "num_batches" in key}
            if shapes == {key: tensor.shape for key, tensor in own.items() if key not in heads}:
                return f"; they fit {name}"
    return ""


def _description(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("liveness", "{}"))
