"""Engines for CPUs: OpenVINO's intermediate representation."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openvino
from numpy.typing import NDArray

from liveness.engines.interface import INPUT_NAME, OUTPUT_NAME, Engine
from liveness.engines.metadata import engine_file
from liveness.runtime.errors import InputError
from liveness.video.openvino_core import openvino_core

# precision -> (capability that the CPU reports, inference hint)
_PRECISIONS = {
    "bf16": ("BF16", "bf16"),
    "fp16": ("FP16", "f16"),
    "mixed": ("BF16", "bf16"),
    "fp32": ("FP32", "f32"),
    "int8": ("FP32", "f32"),
}
# what a layer starts with: each takes what follows it along, since the library fuses the two
_HEADS = {"Convolution", "GroupConvolution", "MatMul"}


class OpenVinoBackend:
    """OpenVINO on the CPU of this machine."""

    def __init__(self) -> None:
        self._core = openvino_core()
        self._capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    @property
    def version(self) -> str:
        return openvino.__version__

    @property
    def target(self) -> str:
        name = self._core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        return f"{name} ({', '.join(p for p in ('bf16', 'fp16', 'fp32') if p in self.supported)})"

    @property
    def supported(self) -> tuple[str, ...]:
        """The precisions that this CPU has; OpenVINO would replace any other without a word."""
        return tuple(p for p, (capability, _) in _PRECISIONS.items() if capability in self._capabilities)

    @property
    def precisions(self) -> tuple[str, ...]:
        """fp16 is left out: four times as exact as bf16, but slower than fp32 where only AVX-512 has it."""
        return tuple(p for p in ("bf16", "mixed", "fp32") if p in self.supported)

    def layers(self, sources: Mapping[str, Path]) -> list[str]:
        """Names of the convolutions and matrix products, with which layers start."""
        return [layer[0] for layer in self._layers(self._core.read_model(sources["fp32"]))]

    @staticmethod
    def _layers(model: openvino.Model) -> list[list[str]]:
        """Names of operations by layer: a head and what follows it; the input's normalisation is in none."""
        layers: list[list[str]] = []
        for operation in model.get_ordered_ops():
            kind = operation.get_type_name()
            if kind in _HEADS:
                layers.append([])
            if layers and kind not in ("Parameter", "Result", "Constant"):
                layers[-1].append(operation.get_friendly_name())
        return layers

    def mix(self, sources: Mapping[str, Path], stem: Path, float32: Collection[str]) -> Path:
        """Write `stem`.xml and .bin with these layers marked as precise, which keeps them out of bf16.

        Only reading a file makes such marks: Python's rt_info holds texts, which the library ignores.
        """
        model = self._core.read_model(sources["fp32"])
        precise = {name for layer in self._layers(model) if layer[0] in float32 for name in layer}
        path = engine_file(stem, ".xml")
        openvino.save_model(model, path, compress_to_fp16=False)
        document = ElementTree.parse(path)  # noqa: S314 (written above)
        for layer in document.iterfind("layers/layer"):
            if layer.get("name") in precise:
                marks = layer.find("rt_info")
                marks = ElementTree.SubElement(layer, "rt_info") if marks is None else marks
                ElementTree.SubElement(marks, "attribute", name="precise", version="0")
        document.write(path)
        return path

    def quantize(self, source: Path, stem: Path, frames: NDArray[np.uint8]) -> Path:
        """Write `stem`.xml and .bin with 8-bit integers, whose ranges are those met while scoring `frames`.

        Raises:
            InputError: nncf is not installed.
        """
        try:
            import nncf
        except ImportError as error:
            raise InputError(
                f"engine.precision is 'int8', which needs the package nncf ({error}); install it with: "
                "pip install '.[int8]'"
            ) from None
        batches = [frames[i : i + 1] for i in range(len(frames))]
        model = nncf.quantize(self._core.read_model(source), nncf.Dataset(batches), subset_size=len(batches))
        path = engine_file(stem, ".xml")
        openvino.save_model(model, path, compress_to_fp16=False)
        return path

    def build(self, source: Path, stem: Path, *, image_size: int, max_batch: int) -> None:
        """Write `stem`.xml and .bin in float32; the precision is chosen when they are opened."""
        model = self._core.read_model(source)
        batch = openvino.Dimension(1, max_batch)
        model.reshape({INPUT_NAME: openvino.PartialShape([batch, image_size, image_size, 3])})
        openvino.save_model(model, engine_file(stem, ".xml"), compress_to_fp16=False)

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> "OpenVinoEngine":
        if precision not in self.supported:
            raise InputError(
                f"{stem}: computes in {precision}, which this CPU lacks (it has "
                f"{', '.join(self.supported)}); compile it on such a machine or with engine.precision: auto"
            )
        hint = _PRECISIONS[precision][1]
        if precision == "int8" and "bf16" in self.supported:
            hint = "bf16"  # for what is not quantised: faster, and no less exact beside 8-bit integers
        options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": hint,
            # streams of few threads, which need not wait for each other layer by layer
            "PERFORMANCE_HINT": "THROUGHPUT",
            # every process would pin itself to the same first cores
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        model = self._core.read_model(engine_file(stem, ".xml"), engine_file(stem, ".bin"))

        def requests(frames: int | None = None) -> list[openvino.InferRequest]:
            if frames:
                model.reshape({INPUT_NAME: [frames, image_size, image_size, 3]})
            compiled = self._core.compile_model(model, "CPU", options)
            count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
            return [compiled.create_infer_request() for _ in range(count)]

        return OpenVinoEngine(requests, image_size=image_size, max_batch=max_batch)


class OpenVinoEngine(Engine):
    """Cuts a batch into as many parts as the library computes at once.

    Full batches, the first of which is slow, go to a second model whose shape is fixed, which the library
    computes faster; the price is a second copy of the weights.
    """

    def __init__(
        self, requests: Callable[..., list[openvino.InferRequest]], *, image_size: int, max_batch: int
    ) -> None:
        """`requests` compiles the model for any number of frames, or for the one that it is called with."""
        super().__init__(image_size, max_batch)
        self._make = requests
        self._requests = requests()

    @cached_property
    def _of_full_parts(self) -> list[openvino.InferRequest] | None:
        """None where a full batch cannot be cut evenly."""
        part, rest = divmod(self.max_batch, len(self._requests))
        return None if rest else self._make(part)

    def _score(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        requests = (len(frames) == self.max_batch and self._of_full_parts) or self._requests
        parts = np.array_split(frames, min(len(requests), len(frames)))
        busy = requests[: len(parts)]
        for request, part in zip(busy, parts, strict=True):
            request.start_async({INPUT_NAME: part}, share_inputs=True)
        for request in busy:
            request.wait()
        return np.concatenate([request.get_tensor(OUTPUT_NAME).data for request in busy])

    def close(self) -> None:
        del self._requests, self._make
        self.__dict__.pop("_of_full_parts", None)
