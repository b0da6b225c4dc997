"""Listing of local folders, and a digest that detects changes below a folder."""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from liveness.runtime.errors import InputError


def files_below(folder: Path) -> Iterator[tuple[str, os.DirEntry]]:
    """Yield (name relative to the folder, entry) for each file below it, following links.

    All that is no folder counts as a file: links that lead nowhere, pipes, sockets, devices. Hidden
    files and folders (a leading dot) are skipped. Raises InputError if a folder cannot be read.
    """
    waiting: list[tuple[Path, str, tuple[Path, ...]]] = [(folder, "", ())]
    while waiting:
        here, prefix, above = waiting.pop()
        try:
            real = here.resolve()
            if real in above:  # a link to one of its own parent folders
                continue
            with os.scandir(here) as entries:
                listed = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise InputError(
                f"{here}: the folder cannot be read ({error.strerror}); make it readable, or move it away."
            ) from None
        for entry in listed:
            if is_folder(entry):
                waiting.append((Path(entry.path), f"{prefix}{entry.name}/", (*above, real)))
            else:
                yield f"{prefix}{entry.name}", entry


def is_folder(entry: os.DirEntry) -> bool:
    """Return True for a folder or a link to one, False for a link that cannot be followed."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def size_and_time(entry: os.DirEntry) -> tuple[int, int]:
    """Return the size in bytes and the time in ns; zeros for a link that leads nowhere."""
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
