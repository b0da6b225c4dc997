"""Grad-CAM evidence maps (Selvaraju et al. 2017), computed by the library grad-cam."""

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from liveness.models.checkpoint import Checkpoint
from liveness.runtime.errors import InputError
from liveness.video.frame_store import FrameStore
from liveness.video.preprocessing import model_input


def heat_map(checkpoint: Checkpoint, frame: np.ndarray, label: int) -> np.ndarray:
    """Return the Grad-CAM evidence for `label` (1 live, 0 spoof) in a frame, uint8 RGB [H, W, 3].

    Returns:
        float32 [H, W] in 0..1, where 1 is the maximum of this frame.

    Raises:
        InputError: the architecture has no feature maps.
    """
    module: Any = checkpoint.module
    pixels = torch.from_numpy(model_input(frame, checkpoint.image_size)).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (checkpoint.mean, checkpoint.std))

    def as_map(features: torch.Tensor) -> torch.Tensor:
        """Reshape features of any architecture to [n, channels, rows, columns]."""
        if features.ndim == 3:
            patches = features[:, module.num_prefix_tokens :]
            rows, columns = module.patch_embed.grid_size
            return patches.transpose(1, 2).unflatten(2, (rows, columns))
        return features.permute(0, 3, 1, 2) if getattr(module, "output_fmt", "NCHW") == "NHWC" else features

    with GradCAM(module, [_last_features(checkpoint)], as_map) as explain:
        heat = explain((pixels - mean) / std, [ClassifierOutputTarget(label)])[0]
    return np.clip(cv2.resize(heat, frame.shape[1::-1]), 0, 1)


def explained(
    checkpoint: Checkpoint, name: str, frames: pd.DataFrame, labels: Mapping[str, int], store: FrameStore
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield Grad-CAM evidence against each video's label, as (fname, caption, picture).

    `frames` has the index and score of one frame per video by fname, scored by the model `name`.
    Pictures are uint8 RGB [H, W, 3].
    """
    for fname, row in frames.iterrows():
        frame = store.image(store.rows(str(fname))[int(row["index"])])
        heat = heat_map(checkpoint, frame, label=1 - labels[str(fname)])
        yield str(fname), f"{name}, frame {int(row['index'])}: {row['score']:.3f}", overlay(frame, heat)


def _last_features(checkpoint: Checkpoint) -> torch.nn.Module:
    """Return the last layer whose output is spatial."""
    module: Any = checkpoint.module
    info = getattr(module, "feature_info", None)
    if not info:
        raise InputError(
            f"{checkpoint.architecture} does not describe its feature maps; Grad-CAM needs them."
        )
    last = module.get_submodule(info[-1]["module"])
    # after a transformer's last attention only the class token may matter; its input is still
    # spatial
    return last.norm1 if hasattr(module, "num_prefix_tokens") else last


def overlay(frame: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Overlay a heat map on a frame: dark for no evidence, yellow for most, readable in grey."""
    return show_cam_on_image(frame / np.float32(255), heat, use_rgb=True, colormap=cv2.COLORMAP_INFERNO)
