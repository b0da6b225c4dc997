"""Small real networks with random weights, exported to ONNX."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from liveness.engines.compile import compile_engine
from liveness.engines.onnx_export import export_onnx, reference_probabilities
from liveness.engines.parity_sample import ReferenceSample
from liveness.models.checkpoint import Checkpoint

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MAX_BATCH = 8


@dataclass(frozen=True)
class Exported:
    """A network, its scores for 11 frames, and its ONNX files by precision."""

    checkpoint: Checkpoint
    reference: ReferenceSample
    onnx: dict[str, Path]


def draw_frames(side: int) -> np.ndarray:
    """Draw 11 uint8 frames of coloured waves in noise, distinct even to random weights."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:side, :side] / side
    frames = []
    for _ in range(11):
        frequency, phase, colour = rng.uniform(0, 9, 2), rng.uniform(0, 6), rng.uniform(20, 120, 3)
        wave = np.sin(frequency[0] * x + frequency[1] * y + phase)[..., None] * colour
        frames.append(128 + wave + rng.normal(0, rng.uniform(0, 40), (side, side, 3)))
    return np.clip(frames, 0, 255).astype(np.uint8)


def export(
    network: torch.nn.Module,
    architecture: str,
    side: int,
    precisions: tuple[str, ...],
    folder: Path,
    deviation: float = 2,
) -> Exported:
    """Export a network after rescaling its head so that log-odds spread by `deviation`."""
    frames = draw_frames(side)
    spread(network, frames, deviation)
    onnx = {precision: folder / f"{precision}.onnx" for precision in precisions}
    for precision, path in onnx.items():
        export_onnx(network, path, image_size=side, mean=MEAN, std=STD, precision=precision)
    probabilities = reference_probabilities(network, frames, mean=MEAN, std=STD)
    labels = np.arange(len(frames), dtype=np.int8) % 2
    reference = ReferenceSample(frames, probabilities, labels)
    return Exported(Checkpoint(network, architecture, side, MEAN, STD), reference, onnx)


def compile_pair(folder: Path, convnext: Exported, vit: Exported, backend: str, precision: str) -> list[Path]:
    """Compile engines with two input sizes; return the paths of their metadata."""
    for name, exported in {"convnext": convnext, "vit": vit}.items():
        compile_engine(
            folder / name,
            backend=backend,
            precision=precision,
            sources=exported.onnx,
            reference=exported.reference,
            max_batch=MAX_BATCH,
        )
    return [folder / "convnext.json", folder / "vit.json"]


def create(architecture: str, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(architecture, num_classes=2, **options).eval()


@torch.no_grad()
def spread(network: torch.nn.Module, frames: np.ndarray, deviation: float) -> None:
    """Rescale the head so that the log-odds of live over `frames` have mean 0 and `deviation`."""
    images = torch.from_numpy(frames).float().permute(0, 3, 1, 2) / 255
    logits = network((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    odds = logits[:, 1] - logits[:, 0]
    scale = deviation / odds.std()
    head = network.get_classifier()
    head.weight *= scale
    head.bias *= scale
    head.bias[1] -= odds.mean() * scale
