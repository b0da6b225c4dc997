"""Engine metadata: how the engine was built and validated, and digests of its files."""

import dataclasses
import json
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from liveness.engines.catalog import BACKENDS, ENGINE_SUFFIXES, METADATA_SUFFIX, PARITY_SUFFIX, PRECISIONS
from liveness.engines.parity import Limits, Parity
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256

PENDING = "pending"


@dataclass(frozen=True)
class EngineMetadata:
    """Metadata of an engine, stored next to it as `<stem>.json`.

    Attributes:
        backend: one of BACKENDS.
        backend_version: version of the library that built the engine.
        precision: precision of the computation, one of PRECISIONS.
        float32_layers: names of the layers that a mixed engine computes in float32.
        target: processor the engine was built and checked on, or "ahead of time".
        compiled: torch.compile is applied when the engine is opened.
        version_compatible: other major versions of the library can open the engine.
        min_batch, opt_batch, max_batch: batch sizes of the engine's profile, in frames.
        image_size: S in pixels.
        input_name, output_name: names in the graph, of uint8 [n, S, S, 3] and float32 [n].
        source_sha256: SHA-256 of the ONNX file (torch: the checkpoint) it was built from.
        files: SHA-256 of each file by name: exactly `<stem>` + ENGINE_SUFFIXES and PARITY_SUFFIX.
        limits: limits of the parity check.
        parity: result of the parity check; None ("pending" in the file) if the engine could not run
            where it was built.
    """

    backend: str
    backend_version: str
    precision: str
    float32_layers: list[str]
    target: str
    compiled: bool
    version_compatible: bool
    min_batch: int
    opt_batch: int
    max_batch: int
    image_size: int
    input_name: str
    output_name: str
    source_sha256: str
    files: dict[str, str]
    limits: Limits
    parity: Parity | None


def engine_stem(metadata_path: str | Path) -> Path:
    """Return the stem `results/.../0/engine` for the metadata `results/.../0/engine.json`."""
    path = Path(metadata_path)
    if not path.name.endswith(METADATA_SUFFIX):
        raise InputError(f"{path}: expected the metadata of an engine, a {METADATA_SUFFIX} file")
    return path.with_name(path.name.removesuffix(METADATA_SUFFIX))


def engine_file(stem: Path, suffix: str) -> Path:
    """Append a suffix; unlike Path.with_suffix this keeps the dots of a model named `v1.2`."""
    return stem.with_name(stem.name + suffix)


def engine_files(stem: Path, backend: str) -> dict[str, Path]:
    """Return the paths of the files that the metadata covers, by name."""
    paths = [engine_file(stem, suffix) for suffix in (*ENGINE_SUFFIXES[backend], PARITY_SUFFIX)]
    return {path.name: path for path in paths}


def write_metadata(path: str | Path, metadata: EngineMetadata) -> None:
    """Write the metadata as JSON."""
    record = dataclasses.asdict(metadata)
    if metadata.parity is None:
        record["parity"] = PENDING
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")


def read_metadata(path: str | Path) -> EngineMetadata:
    """Read and validate the metadata and the digests of the engine files next to it.

    Raises:
        InputError: keys are missing or unknown, types or values are wrong, a file name is not one
            of the engine's own (so no name can point outside the folder), or a file is missing or
            has another digest.
    """
    path = Path(path)
    stem = engine_stem(path)
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; no engine is loaded without its metadata: run `snakemake engines`"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); compile the engine again") from None
    if isinstance(record, dict) and isinstance(record.get("parity"), dict):
        record["parity"] = _typed(Parity, record["parity"], f"{path}: parity")
    elif isinstance(record, dict) and record.get("parity") == PENDING:
        record["parity"] = None
    elif isinstance(record, dict) and "parity" in record:
        raise InputError(f"{path}: parity is {record['parity']!r}; expected the figures or '{PENDING}'")
    if isinstance(record, dict) and "limits" in record:
        record["limits"] = _typed(Limits, record["limits"], f"{path}: limits")
    metadata: EngineMetadata = _typed(EngineMetadata, record, str(path))
    _check_values(metadata, path)
    _check_files(metadata, stem, path)
    return metadata


def _typed(kind: type, record: Any, where: str) -> Any:
    """Convert a record to the dataclass `kind`; keys and types must match (no bool as int)."""
    fields = get_type_hints(kind)
    if not isinstance(record, dict) or set(record) != set(fields):
        keys = set(record) if isinstance(record, dict) else set()
        differing = sorted(keys ^ set(fields))
        raise InputError(f"{where}: missing or unknown keys {differing}; compile the engine again")
    for name, hint in fields.items():
        if not _is(record[name], hint):
            raise InputError(
                f"{where}: {name} is {record[name]!r}; expected {hint}; compile the engine again"
            )
    return kind(**record)


def _is(value: Any, hint: Any) -> bool:
    if get_origin(hint) is types.UnionType:
        return any(_is(value, option) for option in get_args(hint))
    if get_origin(hint) is list:
        return type(value) is list and all(type(item) is str for item in value)
    if get_origin(hint) is dict:
        return type(value) is dict and all(type(v) is str for v in value.values())
    return type(value) is hint


def _check_values(metadata: EngineMetadata, path: Path) -> None:
    if metadata.backend not in BACKENDS:
        raise InputError(f"{path}: backend is '{metadata.backend}'; expected one of: {', '.join(BACKENDS)}")
    if metadata.precision not in PRECISIONS:
        raise InputError(
            f"{path}: precision is '{metadata.precision}'; expected one of: {', '.join(PRECISIONS)}"
        )
    if not 1 <= metadata.min_batch <= metadata.opt_batch <= metadata.max_batch or metadata.image_size < 1:
        raise InputError(
            f"{path}: batch sizes or image_size are not positive or not in order; compile the engine again"
        )
    for name, value in vars(metadata.limits).items():
        if not 0 <= value <= 1:
            raise InputError(f"{path}: limits: {name} is {value}; expected a number from 0 to 1")
    if metadata.parity is not None and not metadata.parity.passed:
        raise InputError(f"{path}: records an engine that failed its parity check; compile it again")


def _check_files(metadata: EngineMetadata, stem: Path, path: Path) -> None:
    files = engine_files(stem, metadata.backend)
    if set(metadata.files) != set(files):
        raise InputError(
            f"{path}: names the files {sorted(metadata.files)}; expected exactly {sorted(files)}"
        )
    for name, file in files.items():
        if not file.is_file():
            raise InputError(f"{path}: its file {name} is missing; compile the engine again")
        if sha256(file) != metadata.files[name]:
            raise InputError(
                f"{file}: does not match the SHA-256 in {path.name}: it was changed or belongs to another "
                "engine; compile the engine again"
            )
