"""OpenVINO engines for CPUs, stored as OpenVINO's intermediate representation."""

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

# precision -> (capability reported by the CPU, inference hint)
_PRECISIONS = {
    "bf16": ("BF16", "bf16"),
    "fp16": ("FP16", "f16"),
    "mixed": ("BF16", "bf16"),
    "fp32": ("FP32", "f32"),
    "int8": ("FP32", "f32"),
}
# operations that start a layer; those after one belong to its layer, since OpenVINO fuses them
_HEADS = {"Convolution", "GroupConvolution", "MatMul"}


class OpenVinoBackend:
    """OpenVINO on this machine's CPU."""

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
        """Precisions this CPU supports; OpenVINO would silently replace any other."""
        return tuple(p for p, (capability, _) in _PRECISIONS.items() if capability in self._capabilities)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions for `auto`, fastest first.

        fp16 is omitted: it is four times as accurate as bf16, but slower than fp32 on CPUs that
        support it through AVX-512 only.
        """
        return tuple(p for p in ("bf16", "mixed", "fp32") if p in self.supported)

    def layers(self, sources: Mapping[str, Path]) -> list[str]:
        """Return the names of the convolutions and matrix products that start the layers."""
        return [layer[0] for layer in self._layers(self._core.read_model(sources["fp32"]))]

    @staticmethod
    def _layers(model: openvino.Model) -> list[list[str]]:
        """Group operation names by layer, a head and what follows; skips input normalisation."""
        layers: list[list[str]] = []
        for operation in model.get_ordered_ops():
            kind = operation.get_type_name()
            if kind in _HEADS:
                layers.append([])
            if layers and kind not in ("Parameter", "Result", "Constant"):
                layers[-1].append(operation.get_friendly_name())
        return layers

    def mix(self, sources: Mapping[str, Path], stem: Path, float32: Collection[str]) -> Path:
        """Write `stem`.xml and .bin with the given layers marked as precise: they stay in float32.

        The mark must be written into the XML file: Python's rt_info can only hold strings, which
        OpenVINO ignores.
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
        """Write `stem`.xml and .bin quantised to 8 bits, with ranges calibrated on `frames`.

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
        """Write `stem`.xml and .bin in float32; the precision is set when they are opened."""
        model = self._core.read_model(source)
        batch = openvino.Dimension(1, max_batch)
        model.reshape({INPUT_NAME: openvino.PartialShape([batch, image_size, image_size, 3])})
        openvino.save_model(model, engine_file(stem, ".xml"), compress_to_fp16=False)

    def open(
        self, stem: Path, *, precision: str, image_size: int, max_batch: int, threads: int | None
    ) -> "OpenVinoEngine":
        if precision not in self.supported:
            raise InputError(
                f"{stem}: computes in {precision}, which this CPU lacks (it supports "
                f"{', '.join(self.supported)}); compile it on this machine or set engine.precision to auto"
            )
        hint = _PRECISIONS[precision][1]
        if precision == "int8" and "bf16" in self.supported:
            # for operations that are not quantised: faster, and exact enough next to 8-bit integers
            hint = "bf16"
        options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": hint,
            # several streams of few threads each, which do not synchronise at every layer
            "PERFORMANCE_HINT": "THROUGHPUT",
            # with pinning every process would use the same first cores
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
    """Split each batch into as many parts as OpenVINO computes concurrently.

    Full batches go to a second model with a fixed shape, which OpenVINO runs faster. It costs a
    second copy of the weights, and its compilation makes the first full batch slow.
    """

    def __init__(
        self, requests: Callable[..., list[openvino.InferRequest]], *, image_size: int, max_batch: int
    ) -> None:
        """`requests` compiles the model for the given number of frames, or for any number."""
        super().__init__(image_size, max_batch)
        self._make = requests
        self._requests = requests()

    @cached_property
    def _of_full_parts(self) -> list[openvino.InferRequest] | None:
        """Requests for full batches; None if a full batch cannot be split evenly."""
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
