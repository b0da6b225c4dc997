"""Files in S3: listed where they are, and fetched one at a time by whoever needs one.

A place is a local path, or `s3://BUCKET/KEY`. Credentials, region and endpoint come from where all of
Amazon's tools look for them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL,
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

from liveness.runtime.errors import InputError

SCHEME = "s3://"


def is_remote(place: str | Path) -> bool:
    """Whether a place is in S3; raises InputError for the addresses of other services."""
    scheme, separator, _ = str(place).partition("://")
    if separator and scheme + separator != SCHEME:
        raise InputError(f"{place}: only local paths and s3:// addresses can be read; name one of these.")
    return bool(separator)


def listed(folder: str) -> Iterator[tuple[str, int, int]]:
    """Files below a folder in S3: name relative to it with `/`, size in bytes, time of last change in ns.

    Any name with a part that begins with a dot is passed over. What lies in one folder of the first level is
    in memory at once. Raises InputError if they cannot be listed.
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


def head(place: str, size: int) -> bytes:
    """The first `size` bytes of a file in S3, or fewer if it is shorter; raises OSError."""
    with _s3().open_input_file(_key(place)) as file:
        return file.read(size)


@contextmanager
def local(place: str | Path) -> Iterator[Path]:
    """Yield the path of a file: its own, or that of a copy (in TMPDIR) of a file in S3 that goes afterwards.

    Raises FileNotFoundError if there is no such file in S3, InputError if it cannot be fetched.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with tempfile.NamedTemporaryFile(prefix="liveness-", suffix=PurePosixPath(str(place)).suffix) as copy:
        try:
            with _s3().open_input_stream(_key(str(place))) as source:
                shutil.copyfileobj(source, copy, 1 << 20)
        except FileNotFoundError:
            raise FileNotFoundError(f"{place}: no such file") from None
        except OSError as error:
            raise InputError(f"{place}: cannot be fetched ({error}); {_ADVICE}") from None
        copy.flush()
        yield Path(copy.name)


_ADVICE = "check the address, the credentials (AWS_ACCESS_KEY_ID, ...) and AWS_ENDPOINT_URL."


def _key(place: str) -> str:
    return posixpath.normpath(place.removeprefix(SCHEME))


@cache
def _s3() -> Any:
    # imported here, since it takes most of a second in every process that decodes
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return fs.S3FileSystem(endpoint_override=endpoint)
