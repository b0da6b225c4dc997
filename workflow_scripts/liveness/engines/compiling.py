"""From a model to an engine that agrees with it, or to no engine at all."""

import dataclasses
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from liveness.engines.backends import METADATA_SUFFIX, PARITY_SUFFIX, onnx_precisions
from liveness.engines.engine import AHEAD_OF_TIME, INPUT_NAME, OUTPUT_NAME, Backend, BuildOptions
from liveness.engines.metadata import EngineMetadata, engine_file, engine_files, write_metadata
from liveness.engines.opening import open_backend
from liveness.engines.parity import (
    DEFAULT_LIMIT,
    Parity,
    ReferenceSample,
    measure,
    require,
    table,
    write_sample,
)
from liveness.errors import InputError
from liveness.outputs import sha256

log = logging.getLogger(__name__)


def compile_engine(
    stem: str | Path,
    *,
    backend: str,
    precision: str,
    sources: Mapping[str, Path],
    reference: ReferenceSample,
    max_batch: int,
    parity_limit: float = DEFAULT_LIMIT,
    threads: int | None = None,
    options: BuildOptions | None = None,
) -> EngineMetadata:
    """Build an engine, hold it against its PyTorch model, and write `stem` + engine_suffixes(backend).

    Args:
        stem: `results/engines/<backend>/<model>/<fold>`.
        backend: one of BACKENDS.
        precision: one of PRECISIONS, or "auto": the fastest one that passes the gate.
        sources: the ONNX file of each precision in onnx_precisions(backend, precision); for torch, which
            reads no ONNX, the checkpoint as "fp32".
        reference: frames and what PyTorch gives them; stored with the engine.
        max_batch: largest batch of the engine's profile.
        parity_limit: largest difference in probability that passes.
        threads: CPU threads for the gate; None leaves the back end's default.
        options: how TensorRT builds; None for its defaults.

    Raises:
        InputError: an unknown back end or precision, one that this machine lacks, or a failing build.
        ParityError: the asked precision, or with auto every one, failed the gate. No file is written then.
    """
    stem = Path(stem)
    options = options or BuildOptions()
    library = open_backend(backend, stem=stem, options=options)
    candidates = _candidates(library, backend, precision)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for candidate in candidates:
        # torch has no ONNX: its one source is the checkpoint
        (source_precision,) = onnx_precisions(backend, candidate) or ("fp32",)
        with tempfile.TemporaryDirectory(prefix=f".{stem.name}.", dir=stem.parent) as folder:
            draft = Path(folder) / stem.name
            metadata = _build(
                library,
                draft,
                backend=backend,
                precision=candidate,
                source=sources[source_precision],
                reference=reference,
                max_batch=max_batch,
                parity_limit=parity_limit,
                options=options,
            )
            if metadata.target == AHEAD_OF_TIME:
                log.info("%s: built in %s; parity is pending until it is loaded on a GPU", stem, candidate)
            else:
                parity = _measure(library, draft, metadata, reference, threads)
                log.info("%s in %s:\n%s", stem, candidate, table(parity, parity_limit))
                if not parity.passed and candidate != candidates[-1]:
                    log.warning("%s: %s fails the parity gate; trying the next precision", stem, candidate)
                    continue
                require(parity, parity_limit, f"{stem} in {candidate}")
                metadata = dataclasses.replace(metadata, parity=parity)
            write_metadata(engine_file(draft, METADATA_SUFFIX), metadata)
            # metadata last: until it is there, an old one refuses the new files by their digests
            for name in (*metadata.files, stem.name + METADATA_SUFFIX):
                draft.with_name(name).replace(stem.with_name(name))
            return metadata
    raise AssertionError("the last candidate returns or raises")


def _candidates(library: Backend, backend: str, precision: str) -> tuple[str, ...]:
    """The precisions to try, in order."""
    onnx_precisions(backend, precision)  # refuses what no machine could do
    if precision == "auto":
        return library.precisions
    if precision not in library.supported:
        raise InputError(
            f"engine.precision is '{precision}', which the processor {library.target} lacks; "
            f"expected auto or one of: {', '.join(library.supported)}"
        )
    return (precision,)


def _build(
    library: Backend,
    stem: Path,
    *,
    backend: str,
    precision: str,
    source: Path,
    reference: ReferenceSample,
    max_batch: int,
    parity_limit: float,
    options: BuildOptions,
) -> EngineMetadata:
    """Write the engine's files and its sample; return their metadata with parity pending."""
    image_size = reference.frames.shape[1]
    library.build(source, stem, image_size=image_size, max_batch=max_batch)
    write_sample(engine_file(stem, PARITY_SUFFIX), reference)
    return EngineMetadata(
        backend=backend,
        backend_version=library.version,
        precision=precision,
        target=library.target,
        version_compatible=options.version_compatible,
        min_batch=1,
        opt_batch=max_batch,
        max_batch=max_batch,
        image_size=image_size,
        input_name=INPUT_NAME,
        output_name=OUTPUT_NAME,
        source_sha256=sha256(source),
        files={name: sha256(path) for name, path in engine_files(stem, backend).items()},
        parity_limit=float(parity_limit),
        parity=None,
    )


def _measure(
    library: Backend, stem: Path, metadata: EngineMetadata, reference: ReferenceSample, threads: int | None
) -> Parity:
    with library.open(
        stem,
        precision=metadata.precision,
        image_size=metadata.image_size,
        max_batch=metadata.max_batch,
        threads=threads,
    ) as engine:
        return measure(engine, reference, metadata.parity_limit)
