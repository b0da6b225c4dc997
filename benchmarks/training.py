"""Compare the speed of our training with a plain PyTorch and timm loop over JPEG files.

    .venv/bin/python benchmarks/training.py

Both train convnext_tiny at 224 pixels with batches of 16 frames from encoded clips. Runs alternate,
each in a separate process; results are medians of 5. Takes about ten minutes on two cores and ends
with lines `name value`.
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import timm
import torch
from measure import argument_parser, sized
from timm.data import create_dataset, create_loader
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2

from clips import write_clip
from liveness.models.checkpoint import create
from liveness.settings.training import Augmentation
from liveness.training import lightning_module as ours
from liveness.training.fine_tune import fine_tune
from liveness.training.task import Recipe, Task
from liveness.video.frame_store import FrameStore, extract
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.sampling import Sampling

SIZE, BATCH = sized(224, 64), sized(16, 4)
NETWORK = sized("convnext_tiny", "test_convnext")
WARMUP = 2
AUGMENTATION = Augmentation((0.7, 1.0), 0.5, 0.0, 0.2, "", 0.1)
RECIPE = Recipe(
    epochs=1, warmup_epochs=0, batch_size=BATCH, lr=1e-4, min_lr=1e-6, weight_decay=0.05, label_smoothing=0.1,
    ema_decay=0.0, precision="fp32", augmentation=AUGMENTATION, seed=0,
)  # fmt: skip


class Stopwatch:
    """Durations in a run: `steps` from the end of one step to the next, `waits` for data."""

    def __init__(self) -> None:
        self.last = 0.0
        self.steps: list[float] = []
        self.waits: list[float] = []

    def began(self) -> None:
        self.waits.append(time.perf_counter() - self.last)

    def ended(self) -> None:
        now = time.perf_counter()
        self.steps.append(now - self.last)
        self.last = now

    @property
    def images_per_s(self) -> float:
        return BATCH / statistics.mean(self.steps[WARMUP:])

    @property
    def wait_share(self) -> float:
        return sum(self.waits[WARMUP:]) / sum(self.steps[WARMUP:])


def film(folder: Path, steps: int) -> dict[str, int]:
    """Write enough clips for `steps` steps and a validation batch; return their labels."""
    rng = np.random.default_rng(0)
    labels = {}
    for number in range(steps * BATCH // 4 + 4):
        texture = rng.integers(0, 255, (46, 26, 3), np.uint8).repeat(10, 0).repeat(10, 1)
        write_clip(folder / f"{number}.mp4", [np.roll(texture, 3 * n, 1) for n in range(4)], fps=4)
        labels[f"{number}.mp4"] = number % 2
    return labels


def our_rule(frames: Path, labels: dict[str, int], precision: str, threads: int, folder: Path) -> Stopwatch:
    """Time one epoch of our training with hooks, without validation."""
    watch = Stopwatch()

    class Timed(ours.Classifier):
        def on_train_epoch_start(self) -> None:
            super().on_train_epoch_start()
            watch.last = time.perf_counter()

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            watch.began()
            super().on_train_batch_start(batch, batch_idx)

        def on_train_batch_end(self, *_: Any) -> None:
            watch.ended()

    plain, ours.Classifier = ours.Classifier, Timed  # type: ignore[misc]
    names = list(labels)
    try:
        task = Task(
            create(NETWORK, SIZE), FrameStore([frames]),
            training={name: labels[name] for name in names[:-4]},
            validation={name: labels[name] for name in names[-4:]},
            recipe=replace(RECIPE, precision=precision), threads=threads,
        )  # fmt: skip
        fine_tune(task, folder / "state", folder / "logs")
    finally:
        ours.Classifier = plain  # type: ignore[misc]
    return watch


def plain_loop(folder: Path, steps: int, threads: int) -> Stopwatch:
    """Time a float32 loop like timm's training script over class folders of JPEG files."""
    torch.set_num_threads(threads)
    model = timm.create_model(NETWORK, num_classes=2)
    loader = create_loader(
        create_dataset("", root=str(folder)), (3, SIZE, SIZE), BATCH, is_training=True, use_prefetcher=False,
        scale=tuple(AUGMENTATION.crop_scale), hflip=AUGMENTATION.hflip,
        color_jitter=AUGMENTATION.color_jitter, re_prob=AUGMENTATION.erasing, interpolation="bilinear",
        num_workers=min(threads, 8),
    )  # fmt: skip
    optimizer = create_optimizer_v2(model, "adamw", lr=1e-4, weight_decay=0.05)
    loss_of = LabelSmoothingCrossEntropy(0.1)
    watch = Stopwatch()
    model.train()
    batches = iter(loader)
    watch.last = time.perf_counter()
    for _ in range(steps):
        images, labels = next(batches)
        watch.began()
        loss = loss_of(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.ended()
    return watch


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=sized(5, 1))
    parser.add_argument("--steps", type=int, default=sized(5, 3))
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = film(folder / "videos", arguments.steps)
        build_manifest(folder / "videos", [folder / "0.csv"], folder / "cache.sqlite", workers=threads)
        manifest = read_manifest([folder / "0.csv"])
        extract(manifest, folder / "videos", folder / "0.arrow", Sampling(4, (0.0, 1.0), 256), threads)
        store = FrameStore([folder / "0.arrow"])
        for row, fname in enumerate(store.fnames):
            path = folder / "jpeg" / str(labels[fname]) / f"{row}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), store.image(row)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        runs: dict[str, list[Stopwatch]] = {"same": [], "default": [], "plain": []}
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as process:
            for number in range(arguments.repeats):
                for name, precision in (("same", "fp32"), ("default", "auto")):
                    own = folder / f"{name}{number}"
                    run = process.submit(our_rule, folder / "0.arrow", labels, precision, threads, own)
                    runs[name].append(run.result())
                run = process.submit(plain_loop, folder / "jpeg", arguments.steps, threads)
                runs["plain"].append(run.result())
    speed = {name: statistics.median(w.images_per_s for w in watches) for name, watches in runs.items()}
    for name, value in speed.items():
        print(f"training.{name}_images_per_s {value:.2f}")
    ratios = {
        name: statistics.median(
            own.images_per_s / plain.images_per_s
            for own, plain in zip(runs[name], runs["plain"], strict=True)
        )
        for name in ("same", "default")
    }
    print(f"training.ratio_same_settings {ratios['same']:.3f}")
    print(f"training.ratio_default_settings {ratios['default']:.3f}")
    print(f"training.data_wait_share {statistics.median(w.wait_share for w in runs['default']):.3f}")


if __name__ == "__main__":
    main()
