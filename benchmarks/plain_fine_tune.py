"""Plain fine-tuning, as a peer to compare with: whole frames, one network, no validation.

Five centre-cropped frames per video at 224 pixels, 8 epochs of AdamW at a constant 3e-4, batches of
32, horizontal flips and brightness.
"""

import os

# before OpenMP is loaded: threads that spin are slow next to other jobs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measure import sized
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2
from tqdm import tqdm

from liveness.models.checkpoint import create
from liveness.runtime.malloc import keep_freed_memory
from liveness.video.decoder import probe, read_frames
from liveness.video.preprocessing import sample_times

EPOCHS, LR, BATCH, SIZE, FRAMES = sized(8, 1), 3e-4, sized(32, 4), sized(224, 32), 5


def centre_cropped(video: Path) -> np.ndarray:
    """Return centre-cropped frames of a video, uint8 [FRAMES, 3, SIZE, SIZE]."""
    crop = v2.Compose([v2.Resize(SIZE, antialias=True), v2.CenterCrop(SIZE)])
    times = sample_times(probe(video).duration, FRAMES, (0.0, 1.0)).tolist()
    frames = [torch.from_numpy(frame.image.copy()).permute(2, 0, 1) for frame in read_frames(video, times)]
    return torch.stack([crop(frame) for frame in frames]).numpy()


def fine_tune(
    frames: Mapping[str, np.ndarray],
    labels: pd.Series,
    tested: pd.Index,
    architecture: str,
    pretrained: bool | str,
    seed: int,
) -> pd.Series:
    """Train on the videos of `labels` (1 live, 0 spoof, by fname); return scores of those `tested`.

    `frames` are what `centre_cropped` returns, by fname. A score is the mean probability of live.
    """
    keep_freed_memory()
    torch.manual_seed(seed)
    checkpoint = create(architecture, SIZE, pretrained)
    network = checkpoint.module.to(memory_format=torch.channels_last)
    counts = [len(frames[fname]) for fname in labels.index]
    images = torch.from_numpy(np.concatenate([frames[fname] for fname in labels.index]))
    data = TensorDataset(images, torch.from_numpy(np.repeat(labels.to_numpy(), counts)))
    scaled = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize(checkpoint.mean, checkpoint.std)]
    )
    varied = v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(brightness=0.2), scaled])
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    network.train()
    for _ in tqdm(range(EPOCHS), desc=f"plain fine-tuning, seed {seed}", unit="epoch", leave=False):
        for batch, truth in DataLoader(data, BATCH, shuffle=True, drop_last=True):
            logits = network(torch.stack([varied(image) for image in batch]))
            loss = torch.nn.functional.cross_entropy(logits, truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    with torch.inference_mode():
        return pd.Series(
            {
                fname: float(network(scaled(torch.from_numpy(frames[fname]))).softmax(1)[:, 1].mean())
                for fname in tested
            }
        )
