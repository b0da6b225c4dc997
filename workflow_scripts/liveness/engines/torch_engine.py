"""The reference engine: the checkpoint itself in PyTorch, on the GPU if there is one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from liveness.engines.interface import BuildOptions, Engine
from liveness.engines.metadata import engine_file
from liveness.engines.pixel_classifier import PixelClassifier
from liveness.runtime.errors import InputError

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchBackend:
    """PyTorch on this machine."""

    precisions = ("fp32",)  # for auto: the reference that other engines are validated against
    supported = ("fp32", "bf16", "fp16")

    def __init__(self, options: BuildOptions | None = None) -> None:
        self._compile = options is not None and options.compile

    @property
    def version(self) -> str:
        return torch.__version__

    @property
    def target(self) -> str:
        return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"

    def build(self, source: Path, stem: Path, *, image_size: int, max_batch: int) -> None:
        """Copy the checkpoint, which is the engine."""
        shutil.copyfile(source, engine_file(stem, ".safetensors"))

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> "TorchEngine":
        from liveness.models.checkpoint import load_checkpoint  # lazy: only this back end needs
        # models

        path = engine_file(stem, ".safetensors")
        checkpoint = load_checkpoint(path)
        if checkpoint.image_size != image_size:
            raise InputError(
                f"{path}: was trained at {checkpoint.image_size} px; expected {image_size}; compile it again"
            )
        if threads is not None:
            torch.set_num_threads(threads)
        return TorchEngine(
            checkpoint.module,
            checkpoint.mean,
            checkpoint.std,
            image_size=image_size,
            max_batch=max_batch,
            precision=precision,
            compiled=self._compile,
        )


class TorchEngine(Engine):
    """Score frames with a network that maps normalised NCHW images to logits [n, 2].

    With bf16 and fp16, convolutions and matrix products use that type; operations that need
    float32 keep it (autocast).
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        image_size: int,
        max_batch: int,
        precision: str = "fp32",
        compiled: bool = False,
    ) -> None:
        super().__init__(image_size, max_batch)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._classifier = PixelClassifier(network, mean, std).eval()
        # channels last: the layout of the frames, and the fastest one for convolutions
        self._classifier.to(memory_format=torch.channels_last).to(self._device)
        self._type = _TYPES.get(precision)
        if compiled:
            # one compilation for all batch sizes
            self._classifier.compile(dynamic=True)

    def _score(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        # the reference keeps the full float32 mantissa: no TF32 convolutions
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
            torch.autocast(self._device.type, self._type, enabled=self._type is not None),
        ):
            return self._classifier(torch.from_numpy(frames).to(self._device)).cpu().numpy()

    def close(self) -> None:
        del self._classifier
