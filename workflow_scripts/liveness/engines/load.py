"""From an engine's metadata file to an engine that may score. Imports the one back end it needs, lazily."""

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
    """Open the engine that `<stem>.json` describes; close it after use (`with load_engine(...) as engine`).

    An engine whose parity is pending, or that was checked on another kind of processor, runs the gate now.

    Args:
        metadata_path: the .json file that `compile_engine` wrote.
        threads: CPU threads to compute with; None leaves the back end's default.

    Raises:
        InputError: metadata or files that do not belong together, a back end that is missing or of another
            version, or a machine that the engine cannot run on.
        ParityError: the gate failed.
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
    """TensorRT's engines are native code for one version, unless built to last: refuse another major one."""
    built_with, here = metadata.backend_version.split(".")[0], version.split(".")[0]
    native = metadata.backend.startswith("tensorrt") and not metadata.version_compatible
    if native and built_with != here:
        raise InputError(
            f"{path}: was built with {metadata.backend} {metadata.backend_version}, but {version} is "
            "installed; compile the engine again with that version"
        )
