"""Files of weights from anywhere: which tensors are meant, and under which names.

Training frameworks wrap networks and keep more than one set of weights in a file; authors name
tensors differently from timm. Nothing here runs code from a file.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from liveness.runtime.errors import InputError

State = dict[str, torch.Tensor]

log = logging.getLogger(__name__)

# where frameworks keep weights; averaged ones are meant where there are any, as in timm's loader
AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "params_ema")
RAW = ("state_dict", "model", "model_state_dict", "model_state", "module", "net", "params", "weights")
# what wrappers put before every name: DataParallel, torch.compile, Lightning, toolkits
WRAPPERS = ("module.", "_orig_mod.", "model.", "network.", "net.", "backbone.", "encoder.")


def read_state(path: Path) -> State:
    """Read the named tensors of a .safetensors or .pth file; the log says which were meant.

    Raises InputError if the file is missing, damaged, contains code, or has a tensor with NaN.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such weights file; expected a .safetensors or .pth file.")
    state = _from_safetensors(path) if path.suffix == ".safetensors" else _from_pickle(path)
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: the tensor {name} has NaN or infinite values; use other weights.")
    return state


def _from_safetensors(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from None


def _from_pickle(path: Path) -> State:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path}: is damaged or contains more than tensors ({type(error).__name__}); save only the "
            "state_dict."
        ) from None
    while isinstance(content, Mapping):
        inner = [key for key in (*AVERAGED, *RAW) if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        if {*AVERAGED} & {*inner} and {*RAW} & {*inner}:
            log.info("%s: the averaged weights (%s) are taken, not the raw ones", path, inner[0])
        content = content[inner[0]]
    entries: Mapping[Any, Any] = content if isinstance(content, Mapping) else {}
    return {str(name): tensor for name, tensor in entries.items() if isinstance(tensor, torch.Tensor)}


def fit_names(state: State, module: torch.nn.Module, path: Path) -> State:
    """Return the tensors under the module's names, as far as they can be recognised.

    Wrappers' prefixes are dropped, authors' names are renamed by timm's own function for the
    architecture, and, if no name is known, tensors are matched by their order.
    """
    own = module.state_dict()
    state = _without_prefix(state, set(own), path)
    # timm's function that renames weights as published by the authors of an architecture
    rename = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
    if rename:
        try:
            state = rename(state, module)
        except Exception:
            # it is made for weights of this architecture, and these are not
            log.debug("%s: timm cannot rename these tensors", path, exc_info=True)
    if not set(own) & set(state):
        # Another library names the tensors differently, but lists those of one architecture in the
        # same order.
        names = [name for name in own if not name.endswith("num_batches_tracked")]
        tensors = [tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")]
        state = dict(zip(names, tensors, strict=True)) if len(names) == len(tensors) else state
    return state


def _without_prefix(state: State, own: set[str], path: Path) -> State:
    """Drop what stands before the module's own names, or before all names."""
    best = max(["", *_prefixes(state)], key=lambda prefix: _overlap(state, prefix, own))
    if not _overlap(state, best, own):
        best = ""
        while wrapper := next((one for one in WRAPPERS if _all_start(state, best + one)), None):
            best += wrapper
    if best:
        log.info("%s: names of tensors are taken without %s", path, best)
        return {name.removeprefix(best): tensor for name, tensor in state.items() if name.startswith(best)}
    return state


def _prefixes(state: State) -> list[str]:
    """Return what may stand before names, shortest first."""
    parts = (name.split(".") for name in state)
    found = {".".join(part[:depth]) + "." for part in parts for depth in (1, 2, 3) if len(part) > depth}
    return sorted(found, key=lambda prefix: (prefix.count("."), prefix))


def _overlap(state: State, prefix: str, own: set[str]) -> int:
    return sum(name.startswith(prefix) and name[len(prefix) :] in own for name in state)


def _all_start(state: State, prefix: str) -> bool:
    return bool(state) and all(name.startswith(prefix) for name in state)


def misfit(state: State, own: State) -> str:
    """Describe in a few words how tensors differ from those of a network, for an error message."""
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} is {list(state[name].shape)}, expected {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    found = [_first("missing", missing), _first("unknown", unknown), _first("", shapes)]
    return "; ".join(filter(None, found))


def _first(what: str, entries: list[str]) -> str:
    more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
    return f"{what} {entries[0][:90]}{more}".strip() if entries else ""
