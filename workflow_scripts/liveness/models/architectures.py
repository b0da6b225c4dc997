"""timm's architectures: their names, what they take, and which of them tensors fit."""

import difflib
import warnings
from contextlib import suppress
from functools import cache
from typing import Any

import timm
import torch

from liveness.models.weights_file import State
from liveness.runtime.errors import InputError

# networks whose weights people publish most; each try costs a fraction of a second
LIKELY = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101)),
    *(f"convnext_{size}" for size in ("atto", "nano", "tiny", "small", "base", "large", "xlarge")),
    *(f"vit_{size}_patch16_224" for size in ("tiny", "small", "base", "large")),
    *(f"efficientnet_b{number}" for number in range(5)),
    *(f"tf_efficientnet_lite{number}" for number in range(3)),
    *("mobilenetv2_100", "mobilenetv3_large_100", "swin_tiny_patch4_window7_224"),
)


def has_shapes(architecture: str, image_size: int, options: dict[str, Any]) -> bool:
    """Return True if a copy without memory, of which only shapes are computed, takes such images.

    False says nothing, since some operations need memory.
    """
    with suppress(Exception), torch.device("meta"), torch.inference_mode():
        timm.create_model(architecture, **options).eval()(torch.zeros(2, 3, image_size, image_size))
        return True
    return False


def check_image_size(module: torch.nn.Module, architecture: str, image_size: int) -> None:
    """Raise InputError if the network cannot take images of this size: it computes two of them."""
    training = module.training
    try:
        with torch.inference_mode():
            module.eval()(torch.zeros(2, 3, image_size, image_size))
        module.train(training)
    except Exception as error:
        # networks fail in their own ways; each shape they cannot handle is one
        raise size_refused(architecture, image_size, error) from None


def size_refused(architecture: str, image_size: int, error: Exception) -> InputError:
    """Return the error of a network that cannot be made for images of a size, or take them."""
    reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
    usual: Any = timm.get_pretrained_cfg(architecture)
    return InputError(
        f"{architecture} cannot take images of {image_size} x {image_size} pixels ({reason[0][:120]}); "
        f"set models.<name>.image_size to {usual.input_size[-1]}, for which it was made."
    )


def similar_architectures(architecture: str) -> str:
    """Return the present name of an architecture that timm has renamed, or similar names."""
    with suppress(Exception), torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        renamed: Any = timm.create_model(architecture).pretrained_cfg
        tag = f".{renamed['tag']}" if renamed.get("tag") else ""
        return f"it is now called {renamed['architecture']}{tag}"
    near = ", ".join(difflib.get_close_matches(architecture.split(".")[0], timm.list_models(), n=5))
    return f"similar names: {near or 'none'}"


def likely_architecture(backbone: State, classifier: tuple[str, ...]) -> str:
    """Name an architecture that tensors fit, as the end of a sentence; "" if none is found."""
    shapes = {name: tensor.shape for name, tensor in backbone.items() if "num_batches" not in name}
    for name in LIKELY if shapes else ():
        own = {key: shape for key, shape in _shapes(name).items() if not key.startswith(classifier)}
        if own == shapes:
            return f"; they fit {name}"
    return ""


@cache
def _shapes(architecture: str) -> dict[str, torch.Size]:
    with torch.device("meta"):
        state = timm.create_model(architecture).state_dict()
    return {name: tensor.shape for name, tensor in state.items() if "num_batches" not in name}
