"""Files in S3: listed remotely and downloaded one at a time, when a job needs them.

A place is a local path or `s3://BUCKET/KEY`. Credentials, region and endpoint come from the usual
AWS settings: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL and
~/.aws.
"""

import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from liveness.runtime.disk import writing
from liveness.runtime.errors import InputError

SCHEME = "s3://"


def is_remote(place: str | Path) -> bool:
    """Return whether a place is in S3; raise InputError for addresses of other services."""
    scheme, separator, _ = str(place).partition("://")
    if separator and scheme + separator != SCHEME:
        raise InputError(f"{place}: only local paths and s3:// addresses are supported; use one of these.")
    return bool(separator)


def list_files(folder: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name (relative, with `/`), size in bytes and modification time in ns of each file.

    Names with a part that begins with a dot are skipped. The listing of one first-level folder is
    held in memory at a time. Raises InputError if the folder cannot be listed.
    """
    from pyarrow import fs

    key = _key(folder)

    def files(place: str, recursive: bool) -> Iterator[Any]:
        for info in _s3().get_file_info(fs.FileSelector(place, recursive=recursive)):
            if info.type is fs.FileType.File:
                yield info
            elif not recursive:
                yield from files(info.path, recursive=True)

    try:
        for info in files(key, recursive=False):
            name = info.path.removeprefix(f"{key}/")
            if not any(part.startswith(".") for part in PurePosixPath(name).parts):
                yield name, info.size, info.mtime_ns
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error}); {_ADVICE}") from None


def read_start(place: str, size: int) -> bytes:
    """Read the first `size` bytes of a file in S3, or fewer if it is shorter; raise OSError."""
    with _s3().open_input_file(_key(place)) as file:
        return file.read(size)


@contextmanager
def local(place: str | Path) -> Iterator[Path]:
    """Yield a local path of a file; a file in S3 is downloaded to TMPDIR and deleted afterwards.

    Raises FileNotFoundError if there is no such file in S3, InputError if the download fails or
    TMPDIR is full.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with writing(tempfile.gettempdir()):
        copy = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed below)
            prefix="liveness-", suffix=PurePosixPath(str(place)).suffix
        )
    with copy:
        try:
            with writing(copy.name), _s3().open_input_stream(_key(str(place))) as source:
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
        except FileNotFoundError:
            raise FileNotFoundError(f"{place}: no such file") from None
        except OSError as error:
            raise InputError(f"{place}: cannot be fetched ({error}); {_ADVICE}") from None
        yield Path(copy.name)


_ADVICE = "check the address, the credentials (AWS_ACCESS_KEY_ID, ...) and AWS_ENDPOINT_URL."


def _key(place: str) -> str:
    return posixpath.normpath(place.removeprefix(SCHEME))


@cache
def _s3() -> Any:
    # imported here because it takes most of a second in every process that decodes
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return fs.S3FileSystem(endpoint_override=endpoint)
