"""Compile engines and validate them; an engine that fails validation is never written."""

import dataclasses
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from liveness.engines.catalog import METADATA_SUFFIX, PARITY_SUFFIX, onnx_precisions
from liveness.engines.interface import (
    AHEAD_OF_TIME,
    INPUT_NAME,
    OUTPUT_NAME,
    Backend,
    BuildOptions,
    Engine,
    MixingBackend,
    QuantizingBackend,
)
from liveness.engines.metadata import EngineMetadata, engine_file, engine_files, write_metadata
from liveness.engines.parity import Limits, ParityError, measure, require, table
from liveness.engines.parity_sample import ReferenceSample, write_sample
from liveness.engines.precision_search import FRAMES, choose_float32_layers
from liveness.engines.registry import open_backend
from liveness.runtime.disk import writing
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256

log = logging.getLogger(__name__)

# minimum speed-up over float32 that justifies the rounding errors of a mixed-precision engine
WORTHWHILE = 1.1


def compile_engine(
    stem: str | Path,
    *,
    backend: str,
    precision: str,
    sources: Mapping[str, Path],
    reference: ReferenceSample,
    max_batch: int,
    limits: Limits | None = None,
    threads: int | None = None,
    options: BuildOptions | None = None,
) -> EngineMetadata:
    """Build an engine, validate it against its PyTorch model and write its files, metadata last.

    Args:
        stem: common path of the files, `results/engines/<backend>/<model>/<fold>/engine`.
        backend: one of BACKENDS.
        precision: one of PRECISIONS, or "auto" for the fastest one that passes the parity check.
        sources: ONNX file for each precision in onnx_precisions(backend, precision); torch reads no
            ONNX and takes the checkpoint as "fp32".
        reference: frames and the probabilities PyTorch assigns them; stored with the engine.
        max_batch: largest batch in the engine's profile.
        limits: limits of the parity check; None for the defaults.
        threads: CPU threads during the parity check; None leaves the back end's default.
        options: back-end options; None for the defaults.

    Raises:
        InputError: the back end or precision is unknown or unavailable on this machine, or the
            build fails.
        ParityError: the requested precision (with "auto", every precision) fails the parity check.
            No file is written in that case.
    """
    stem = Path(stem)
    options, limits = options or BuildOptions(), limits or Limits()
    library = open_backend(backend, stem=stem, options=options)
    candidates = _candidates(library, backend, precision)
    with writing(stem.parent):
        stem.parent.mkdir(parents=True, exist_ok=True)
    for candidate in candidates:
        with (
            tempfile.TemporaryDirectory(prefix=f".{stem.name}.", dir=stem.parent) as folder,
            # an engine is about as large as what it is built from
            writing(stem.parent, draft=Path(folder), size=max(map(_size, sources.values()))),
        ):
            workshop = _Workshop(library, Path(folder), candidate, sources, reference, max_batch, threads)
            try:
                source, float32 = _source(workshop, backend, limits, only_if_faster=precision == "auto")
                draft = workshop.build(source, stem.name)
                metadata = EngineMetadata(
                    backend=backend,
                    backend_version=library.version,
                    precision=candidate,
                    float32_layers=float32,
                    target=library.target,
                    compiled=options.compile,
                    version_compatible=options.version_compatible,
                    min_batch=1,
                    opt_batch=max_batch,
                    max_batch=max_batch,
                    image_size=reference.frames.shape[1],
                    input_name=INPUT_NAME,
                    output_name=OUTPUT_NAME,
                    source_sha256=sha256(source),
                    files={},
                    limits=limits,
                    parity=None,
                )
                if library.target == AHEAD_OF_TIME:
                    log.info("%s: built in %s; parity is pending until a GPU loads it", stem, candidate)
                else:
                    with workshop.open(draft) as engine:
                        parity = measure(engine, reference, limits)
                    log.info("%s in %s:\n%s", stem, candidate, table(parity, limits))
                    require(parity, limits, f"{stem} in {candidate}")
                    metadata = dataclasses.replace(metadata, parity=parity)
            except ParityError as error:
                if candidate == candidates[-1]:
                    raise
                log.warning("%s\n%s: trying the next precision", error, stem)
                continue
            write_sample(engine_file(draft, PARITY_SUFFIX), reference)
            files = {name: sha256(path) for name, path in engine_files(draft, backend).items()}
            metadata = dataclasses.replace(metadata, files=files)
            write_metadata(engine_file(draft, METADATA_SUFFIX), metadata)
            # metadata last: until it is replaced, the old metadata rejects the new files by digest
            for name in (*files, stem.name + METADATA_SUFFIX):
                draft.with_name(name).replace(stem.with_name(name))
            return metadata
    raise AssertionError("the last candidate returns or raises")


def _size(path: Path) -> int:
    return path.stat().st_size


def _candidates(library: Backend, backend: str, precision: str) -> tuple[str, ...]:
    """Return the precisions to try, in order."""
    onnx_precisions(backend, precision)  # raises for a combination that no machine supports
    if precision == "auto":
        return library.precisions
    if precision not in library.supported:
        raise InputError(
            f"engine.precision is '{precision}', which {library.target} does not support; "
            f"expected auto or one of: {', '.join(library.supported)}"
        )
    return (precision,)


@dataclasses.dataclass(frozen=True)
class _Workshop:
    """Build and try out engines of one precision in a temporary folder."""

    backend: Backend
    folder: Path
    precision: str
    sources: Mapping[str, Path]
    reference: ReferenceSample
    max_batch: int
    threads: int | None

    def build(self, source: Path, name: str) -> Path:
        """Build an engine called `name` and return its stem."""
        image_size = self.reference.frames.shape[1]
        self.backend.build(source, self.folder / name, image_size=image_size, max_batch=self.max_batch)
        return self.folder / name

    def open(self, stem: Path, precision: str | None = None) -> Engine:
        return self.backend.open(
            stem,
            precision=precision or self.precision,
            image_size=self.reference.frames.shape[1],
            max_batch=self.max_batch,
            threads=self.threads,
        )

    def layers(self) -> list[str]:
        return cast(MixingBackend, self.backend).layers(self.sources)

    def mix(self, float32: Sequence[str]) -> Path:
        return cast(MixingBackend, self.backend).mix(self.sources, self.folder / "mixed", float32)

    def quantize(self) -> Path:
        backend = cast(QuantizingBackend, self.backend)
        return backend.quantize(self.sources["fp32"], self.folder / "quantized", self.reference.frames)

    def score_mixed(self, float32: Sequence[str], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self.open(self.build(self.mix(float32), "trial")) as engine:
            return engine(frames)


def _source(
    workshop: _Workshop, backend: str, limits: Limits, *, only_if_faster: bool
) -> tuple[Path, list[str]]:
    """Return the file to build the engine from and the names of its layers that stay in float32.

    Raises:
        ParityError: no mix of precisions is accurate enough, or, with `only_if_faster`, none is
            fast enough to be worth it.
    """
    if workshop.precision == "int8":
        return workshop.quantize(), []
    if workshop.precision != "mixed":
        # torch reads no ONNX; its only source is the checkpoint
        (needed,) = onnx_precisions(backend, workshop.precision) or ("fp32",)
        return workshop.sources[needed], []
    if workshop.backend.target == AHEAD_OF_TIME:
        raise InputError(
            "engine.precision is 'mixed', whose layers are chosen by running engines, and there is no GPU; "
            "compile on a machine with a GPU, or set fp16 or fp32"
        )
    layers = workshop.layers()
    float32 = choose_float32_layers(layers, workshop.score_mixed, workshop.reference, limits.max_difference)
    if float32 is None:
        raise ParityError(
            f"even with half of the {len(layers)} layers in float32 the engine does not stay well within "
            f"{limits.max_difference:g} of the PyTorch model; set engine.precision to fp32"
        )
    source = workshop.mix(float32)
    if only_if_faster:
        gain = _gain(workshop, source)
        log.info(
            "%d of %d layers in float32: %.2f times as fast as full float32", len(float32), len(layers), gain
        )
        if gain < WORTHWHILE:
            raise ParityError(f"mixed precision is only {gain:.2f} times as fast as float32")
    return source, float32


def _gain(workshop: _Workshop, mixed: Path) -> float:
    """Measure the speed-up of the mixed engine over float32."""
    frames = workshop.reference.frames[:FRAMES]
    times: dict[str, list[float]] = {"mixed": [], "fp32": []}
    stems = {
        "mixed": workshop.build(mixed, "mixed-trial"),
        "fp32": workshop.build(workshop.sources["fp32"], "fp32-trial"),
    }
    with workshop.open(stems["mixed"]) as fast, workshop.open(stems["fp32"], "fp32") as full:
        # alternate, since other jobs share the machine; the first round is warm-up
        for _ in range(6):
            for name, engine in (("mixed", fast), ("fp32", full)):
                start = time.perf_counter()
                engine(frames)
                times[name].append(time.perf_counter() - start)
    return min(times["fp32"][1:]) / min(times["mixed"][1:])
