"""Listing of local folders, and a digest that detects changes below a folder."""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path


def files_below(
    folder: Path, prefix: str = "", above: tuple[Path, ...] = ()
) -> Iterator[tuple[str, os.DirEntry]]:
    """Yield (name relative to the folder, entry) for each file below it, following links.

    A dangling link counts as a file. Hidden files and folders (a leading dot) are skipped. Raises
    OSError if a folder cannot be read.
    """
    real = folder.resolve()
    if real in above:  # a link to one of its own parent folders
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
    """Return the size in bytes and the modification time in ns; zeros for a dangling link."""
    try:
        status = entry.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def listing_digest(folder: str | Path, most: int | None = None) -> str | None:
    """Digest the names, sizes and times of all files below a folder; None for more than `most`."""
    limit = None if most is None else most + 1
    files = sorted((name, *size_and_time(entry)) for name, entry in islice(files_below(Path(folder)), limit))
    return None if len(files) == limit else hashlib.sha256(repr(files).encode()).hexdigest()[:16]
