"""Weights from outside in a network with a head of our own."""

import importlib.util
import logging
from pathlib import Path

import torch

from liveness.models.architectures import likely_architecture
from liveness.models.weights_file import State, fit_names, misfit, read_state
from liveness.runtime.errors import InputError

log = logging.getLogger(__name__)

PACKAGE = "package:"


def load_backbone(module: torch.nn.Module, source: str) -> None:
    """Load ImageNet weights from a file or an installed package, except those of the new head."""
    path = _packaged_weights(source.removeprefix(PACKAGE)) if source.startswith(PACKAGE) else Path(source)
    loaded = fit_names(read_state(path), module, path)
    classifier = tuple(f"{name}." for name in classifier_names(module))
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(classifier)}
    backbone = {name: tensor for name, tensor in loaded.items() if not name.startswith(classifier)}
    wanted = {name for name in own if not name.endswith("num_batches_tracked")}
    if not all(name in backbone and backbone[name].shape == own[name].shape for name in wanted):
        raise InputError(
            f"{path}: its tensors do not match {type(module).__name__} ({misfit(backbone, own)})"
            f"{likely_architecture(backbone, classifier)}; expected weights for it."
        )
    module.load_state_dict({name: backbone[name] for name in wanted}, strict=False)


def with_two_classes(state: State, module: torch.nn.Module, path: Path) -> State:
    """Widen a head of one class, since softmax over (0, z) is the sigmoid of z; leave others."""
    own = module.state_dict()
    for name in classifier_names(module):
        for key in (f"{name}.weight", f"{name}.bias"):
            if key in state and key in own and len(state[key]) == 1 and len(own[key]) == 2:
                state = state | {key: torch.cat([torch.zeros_like(state[key]), state[key]])}
                log.info("%s: %s has one class; its logit is taken for that of live", path, key)
    return state


def classifier_names(module: torch.nn.Module) -> tuple[str, ...]:
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
