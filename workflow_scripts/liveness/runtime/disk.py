"""Errors of the disk as sentences: full, a quota, too large a file, a folder that is read-only."""

import errno
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liveness.runtime.errors import InputError

# only writing fails with these
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# reading may fail with these too
NO_PERMISSION = (errno.EROFS, errno.EACCES, errno.EPERM)
# what libraries say that give no number: those in Rust, and SQLite
TEXTS = {os.strerror(code): code for code in NO_SPACE} | {"database or disk is full": errno.ENOSPC}
KINDS = {
    ".arrow": "stored frames",
    ".bin": "an engine",
    ".ckpt": "a training state",
    ".csv": "a table",
    ".html": "a page",
    ".json": "settings or figures",
    ".log": "a log",
    ".md": "a page",
    ".mp4": "a video",
    ".npz": "frames that engines are judged by",
    ".onnx": "a network as ONNX",
    ".parquet": "scores",
    ".part": "a download",
    ".plan": "an engine",
    ".png": "a figure",
    ".safetensors": "weights",
    ".sqlite": "properties of videos",
    ".svg": "a figure",
    ".xml": "an engine",
}
# less than this is left of a full disk, and more than a file's last block has room for
BLOCK = 1 << 16


class DiskError(InputError):
    """The disk refuses to be written: it is full, read-only, ..."""


@contextmanager
def writing(path: str | Path, *, draft: Path | None = None, size: int | None = None) -> Iterator[None]:
    """Raise DiskError for what the disk refuses while `path`, a file or a folder, is written.

    `draft` is where it is written until it is complete; `size` is the number of bytes it will have,
    if that is known.
    """
    try:
        yield
    except Exception as error:
        problem = disk_error(error, path, draft=draft, size=size)
        if problem is None or problem is error:
            raise
        raise problem from error


def disk_error(
    error: BaseException, path: str | Path, *, draft: Path | None = None, size: int | None = None
) -> DiskError | None:
    """Return what the disk refused while `path` was written, or None if `error` has another reason.

    Many native writers do not say why they failed, and some remove what they wrote. So the disk
    itself is asked whether it would take the file.
    """
    chain = [*_chain(error)]
    for one in chain:
        if isinstance(one, DiskError):
            return one
    if isinstance(error, InputError):
        return None
    draft = draft or Path(path)
    code = next(filter(None, map(_code, chain)), None) or _refused(draft, size or 0)
    return DiskError(_sentence(code, Path(path), draft, size)) if code else None


def refusal(path: str | Path) -> str | None:
    """Return a sentence if the disk refuses that `path`, a file or a folder, is written now."""
    code = _refused(Path(path))
    return _sentence(code, Path(path), Path(path), None) if code else None


def free_space(path: str | Path) -> int:
    """Return the bytes that are free where `path`, which need not exist, is or will be."""
    return shutil.disk_usage(_folder(Path(path))).free


def readable_size(size: float) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _code(error: BaseException) -> int | None:
    """Return the error number of a disk without space, from an error or from its text."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return error.errno
    return next((code for text, code in TEXTS.items() if text in str(error)), None)


def _refused(path: Path, size: int = 0) -> int | None:
    """Return the error number with which the disk refuses a file of `size`; None if it does not."""
    folder = _folder(path)
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if limit != resource.RLIM_INFINITY and any(
            file.stat().st_size > limit - BLOCK for file in folder.iterdir() if file.is_file()
        ):
            return errno.EFBIG
        written = path.stat().st_size if path.is_file() else 0
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, max(BLOCK, size - written))
    except OSError as error:
        return error.errno if error.errno in (*NO_SPACE, *NO_PERMISSION) else None
    return None


def _folder(path: Path) -> Path:
    """Return the folder that a path is or will be in, or the path itself if it is a folder."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _sentence(code: int, path: Path, draft: Path, size: int | None) -> str:
    kind = "a folder" if path.is_dir() else KINDS.get(path.suffix)
    start, folder = f"{path}{f' ({kind})' if kind else ''} cannot be written", _folder(draft)
    if code in NO_PERMISSION:
        reason = "is read-only" if code == errno.EROFS else "may not be written by this user"
        return f"{start}: {folder} {reason}; make it writable, or choose another folder with --directory."
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    reason, advice = {
        errno.ENOSPC: ("the disk is full", "free up space"),
        errno.EDQUOT: ("your disk quota is used up", "free up space, or ask for a larger quota"),
        errno.EFBIG: ("the file system allows no larger file", "use another disk")
        if limit == resource.RLIM_INFINITY
        else (f"a file may have {readable_size(limit)} at most", "raise the limit (ulimit -f)"),
    }[code]
    figures = [f"it needs {readable_size(size)}"] if size is not None else []
    files = [draft, *draft.rglob("*")] if draft.is_file() or draft != path else []
    if written := sum(file.stat().st_size for file in files if file.is_file()):
        figures.append(f"{readable_size(written)} were written")
    figures.append(f"{readable_size(free_space(folder))} are left in {folder}")
    return f"{start}: {reason} ({', '.join(figures)}); {advice} and run the same command again."
