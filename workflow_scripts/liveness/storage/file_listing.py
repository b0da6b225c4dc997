"""Files below a folder of this machine, and whether they are still the same."""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path


def files_below(
    folder: Path, prefix: str = "", above: tuple[Path, ...] = ()
) -> Iterator[tuple[str, os.DirEntry]]:
    """Yield each file with its name relative to the folder, links followed; a link to nothing is a file too.

    Hidden files and folders (a leading dot) are passed over. Raises OSError for a folder that cannot be read.
    """
    real = folder.resolve()
    if real in above:  # a link to a folder that it lies in
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from files_below(Path(entry.path), f"{prefix}{entry.name}/", (*above, real))
            elif entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists()):
                yield f"{prefix}{entry.name}", entry


def size_and_time(entry: os.DirEntry) -> tuple[int, int]:
    """Bytes, and time of last change in ns; zeros for a link to nothing."""
    try:
        status = entry.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def state(folder: str | Path, most: int | None = None) -> str | None:
    """Digest of names, sizes and times of all files below a folder; None where there are more than `most`."""
    limit = None if most is None else most + 1
    files = sorted((name, *size_and_time(entry)) for name, entry in islice(files_below(Path(folder)), limit))
    return None if len(files) == limit else hashlib.sha256(repr(files).encode()).hexdigest()[:16]
