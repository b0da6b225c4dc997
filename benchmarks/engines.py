"""Measure the speed of every back end and precision, also relative to eager float32 PyTorch.

Networks have random weights and score batches of 8 frames. All engines run in one process and take
turns, so that other load on the machine affects them alike; medians are reported. Takes up to ten
minutes on two cores and ends with lines `name value`. On a CUDA GPU it compares TensorRT in FP16
with PyTorch instead, and with the dense peak (--peak-tflops).
"""

import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from measure import argument_parser, sized
from torch import nn
from tqdm import tqdm

from liveness.engines.interface import Engine
from liveness.engines.onnx_export import export_onnx
from liveness.engines.openvino_engine import OpenVinoBackend
from liveness.engines.torch_engine import TorchEngine
from liveness.runtime.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU_NETWORKS = sized([("convnext_tiny", 224), ("convnext_large", 224)], [("test_convnext", 64)])
GPU_NETWORKS = sized([("convnext_large", 224), ("convnext_xlarge", 128)], [("test_convnext", 64)])
# multiply-adds per image, each of which is two operations (timm's published figures)
GIGA_MACS = {("convnext_large", 224): 34.4, ("convnext_xlarge", 128): 19.9}

Engines = dict[str, Callable[[], Engine]]


def create(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(architecture, num_classes=2).eval()


def torch_engine(architecture: str, side: int, batch: int, precision: str, compiled: bool = False) -> Engine:
    network = create(architecture)
    if compiled:
        # block by block: blocks of a stage are alike, so compiling takes seconds instead of minutes
        for stage in network.stages:
            for block in stage.blocks:
                block.compile()
    return TorchEngine(network, MEAN, STD, image_size=side, max_batch=batch, precision=precision)


def openvino_engine(onnx: Path, side: int, batch: int, precision: str, frames: np.ndarray) -> Engine:
    backend = OpenVinoBackend()
    source = backend.quantize(onnx, onnx.with_name("quantized"), frames) if precision == "int8" else onnx
    stem = onnx.with_name(precision)
    backend.build(source, stem, image_size=side, max_batch=batch)
    threads = os.cpu_count()
    return backend.open(stem, precision=precision, image_size=side, max_batch=batch, threads=threads)


def tensorrt_engine(name: str, onnx: Path, side: int, batch: int) -> Engine:
    from liveness.engines.tensorrt_engine import TensorRtBackend

    backend = TensorRtBackend(name)
    stem = onnx.with_name(name)
    backend.build(onnx, stem, image_size=side, max_batch=batch)
    return backend.open(stem, precision="fp16", image_size=side, max_batch=batch, threads=None)


def on_cpu(architecture: str, side: int, folder: Path, frames: np.ndarray) -> Engines:
    batch, onnx = len(frames), folder / "fp32.onnx"
    export_onnx(create(architecture), onnx, image_size=side, mean=MEAN, std=STD, precision="fp32")
    engines: Engines = {
        "eager_fp32": lambda: torch_engine(architecture, side, batch, "fp32"),
        "eager_bf16": lambda: torch_engine(architecture, side, batch, "bf16"),
        "compile_bf16": lambda: torch_engine(architecture, side, batch, "bf16", compiled=True),
    }
    for precision in ("fp32", "bf16", "int8"):
        engines[f"openvino_{precision}"] = lambda precision=precision: openvino_engine(  # type: ignore[misc]
            onnx, side, batch, precision, frames
        )
    return engines


def on_gpu(architecture: str, side: int, folder: Path, frames: np.ndarray) -> Engines:
    batch, onnx = len(frames), folder / "fp16.onnx"
    export_onnx(create(architecture), onnx, image_size=side, mean=MEAN, std=STD, precision="fp16")
    return {
        "eager_fp32": lambda: torch_engine(architecture, side, batch, "fp32"),
        "eager_fp16": lambda: torch_engine(architecture, side, batch, "fp16"),
        "compile_fp16": lambda: torch_engine(architecture, side, batch, "fp16", compiled=True),
        "tensorrt_fp16": lambda: tensorrt_engine("tensorrt", onnx, side, batch),
        "tensorrt_rtx_fp16": lambda: tensorrt_engine("tensorrt_rtx", onnx, side, batch),
    }


def measure(engines: Engines, frames: np.ndarray, rounds: int, name: str) -> dict[str, float]:
    """Return the median images per second of each available engine; report missing ones."""
    opened: dict[str, Engine] = {}
    for label, make in tqdm(engines.items(), desc=f"{name}: building", unit="engine"):
        try:
            opened[label] = make()
            opened[label](frames)  # the first call compiles and fills caches
        except InputError as error:
            tqdm.write(f"{label}: skipped, {error}")
            opened.pop(label, None)
    times: dict[str, list[float]] = {label: [] for label in opened}
    for _ in tqdm(range(rounds), desc=f"{name}: measuring", unit="round"):
        for label, engine in opened.items():
            start = time.perf_counter()
            engine(frames)
            times[label].append(time.perf_counter() - start)
    for engine in opened.values():
        engine.close()
    return {label: len(frames) / statistics.median(taken) for label, taken in times.items()}


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=sized(5, 1), help="measurements per engine")
    parser.add_argument("--peak-tflops", type=float, help="dense FP16 peak of the GPU, from its data sheet")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    gpu = torch.cuda.is_available()
    figures: dict[str, float] = {}
    for architecture, side in GPU_NETWORKS if gpu else CPU_NETWORKS:
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (64 if gpu else 8, side, side, 3)).astype(np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            choose = on_gpu if gpu else on_cpu
            engines = choose(architecture, side, Path(folder), frames)
            speeds = measure(engines, frames, arguments.rounds, f"{architecture} at {side}")
        for label, speed in speeds.items():
            name = f"engines.{architecture}.{label}"
            figures[f"{name}_images_per_s"] = speed
            figures[f"{name}_ratio_to_eager"] = speed / speeds["eager_fp32"]
            if gpu and arguments.peak_tflops:
                tflops = speed * 2 * GIGA_MACS[architecture, side] / 1000
                figures[f"{name}_share_of_peak"] = tflops / arguments.peak_tflops
    for name, value in figures.items():
        print(f"{name} {value:.4g}")
