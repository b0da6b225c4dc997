"""Atomic writing: an output file is either complete or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from liveness.runtime.disk import writing


@contextmanager
def atomic_write(path: str | Path, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any error.

    The temporary name keeps the suffix, because many writers choose their format by it. The name is
    always the same, so the next process overwrites what a killed one left behind, and only one
    process at a time may write a path. `size` is the number of bytes, if it is known, for the
    sentence about a full disk.

    Raises DiskError if the disk is full, read-only, ...
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with writing(path, draft=temporary, size=size):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            # some writers create private files, which others who share the folder could not read
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
