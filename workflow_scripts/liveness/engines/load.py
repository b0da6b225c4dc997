"""Load validated engines from their metadata files, importing only the back end needed."""

import logging
from pathlib import Path

from liveness.engines.catalog import PARITY_SUFFIX
from liveness.engines.interface import BuildOptions, Engine
from liveness.engines.metadata import EngineMetadata, engine_file, engine_stem, read_metadata
from liveness.engines.parity import measure, require
from liveness.engines.parity_sample import read_sample
from liveness.engines.registry import open_backend
from liveness.runtime.errors import InputError

log = logging.getLogger(__name__)


def load_engine(metadata_path: str | Path, *, threads: int | None = None) -> Engine:
    """Open the engine described by `<stem>.json`; use it as a context manager or close it.

    The parity check runs now if it is pending or was made on another kind of processor.

    Args:
        metadata_path: .json file written by `compile_engine`.
        threads: CPU threads to compute with; None leaves the back end's default.

    Raises:
        InputError: the metadata and the files do not match, the back end is missing or has another
            version, or the engine cannot run on this machine.
        ParityError: the parity check failed.
    """
    path = Path(metadata_path)
    metadata = read_metadata(path)
    stem = engine_stem(path)
    backend = open_backend(metadata.backend, stem=stem, options=BuildOptions(compile=metadata.compiled))
    _check_version(metadata, backend.version, path)
    engine = backend.open(
        stem,
        precision=metadata.precision,
        image_size=metadata.image_size,
        max_batch=metadata.max_batch,
        threads=threads,
    )
    if metadata.parity is None or metadata.target != backend.target:
        try:
            parity = measure(engine, read_sample(engine_file(stem, PARITY_SUFFIX)), metadata.limits)
            require(parity, metadata.limits, str(path))
        except BaseException:
            engine.close()
            raise
        log.info("%s: checked on %s, largest difference %.6f", path, backend.target, parity.max_difference)
    return engine


def _check_version(metadata: EngineMetadata, version: str, path: Path) -> None:
    """Reject another major version of TensorRT unless the engine is version-compatible.

    TensorRT engines are otherwise native code for one version.
    """
    built_with, here = metadata.backend_version.split(".")[0], version.split(".")[0]
    native = metadata.backend.startswith("tensorrt") and not metadata.version_compatible
    if native and built_with != here:
        raise InputError(
            f"{path}: was built with {metadata.backend} {metadata.backend_version}, but {version} is "
            "installed; compile the engine again with the installed version"
        )
