"""Engines for CPUs: OpenVINO's intermediate representation."""

from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from liveness.engines.engine import INPUT_NAME, OUTPUT_NAME, Engine
from liveness.engines.metadata import engine_file
from liveness.errors import InputError

# precision -> (capability that the CPU reports, inference hint)
_PRECISIONS = {"bf16": ("BF16", "bf16"), "fp16": ("FP16", "f16"), "fp32": ("FP32", "f32")}


class OpenVinoBackend:
    """OpenVINO on the CPU of this machine."""

    def __init__(self) -> None:
        self._core = openvino.Core()
        self._capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    @property
    def version(self) -> str:
        return openvino.__version__

    @property
    def target(self) -> str:
        name = self._core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        return f"{name} ({', '.join(self.supported)})"

    @property
    def supported(self) -> tuple[str, ...]:
        """The precisions that this CPU has; OpenVINO would replace any other without a word."""
        return tuple(p for p, (capability, _) in _PRECISIONS.items() if capability in self._capabilities)

    @property
    def precisions(self) -> tuple[str, ...]:
        """fp16 is left out: four times as exact as bf16, but slower than fp32 where only AVX-512 has it."""
        return tuple(p for p in ("bf16", "fp32") if p in self.supported)

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
        options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision][1],
            # one batch at a time, all threads on it
            "PERFORMANCE_HINT": "LATENCY",
            # every process would pin itself to the same first cores
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        model = self._core.read_model(engine_file(stem, ".xml"), engine_file(stem, ".bin"))
        return OpenVinoEngine(
            self._core.compile_model(model, "CPU", options), image_size=image_size, max_batch=max_batch
        )


class OpenVinoEngine(Engine):
    """Scores frames with one inference request."""

    def __init__(self, model: openvino.CompiledModel, *, image_size: int, max_batch: int) -> None:
        super().__init__(image_size, max_batch)
        self._request = model.create_infer_request()

    def _score(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._request.infer({INPUT_NAME: frames}, share_inputs=True)[OUTPUT_NAME]

    def close(self) -> None:
        del self._request
