"""Downloads that resume and are verified before use."""

import logging
import shutil
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from liveness.runtime.disk import writing
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256

log = logging.getLogger(__name__)

CHUNK = 1 << 20
# seconds without data after which a server counts as dead
TIMEOUT = 60


def download(url: str, expected: str, part: Path) -> Path:
    """Download `url` to `part` and return it; resume from what an earlier call left there.

    Raises InputError if the download fails or the disk is full, which keeps the bytes received so
    far, or if the SHA-256 differs from `expected` (hexadecimal), which deletes them.
    """
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    if not (part.is_file() and sha256(part) == expected):
        try:
            _fetch(url, part)
        except (OSError, HTTPException) as error:
            kept = part.stat().st_size if part.is_file() else 0
            raise InputError(
                f"{url}: download failed ({error}); {kept} bytes are kept, check the address and try again."
            ) from error
    found = sha256(part)
    if found != expected:
        part.unlink()
        raise InputError(
            f"{url}: its SHA-256 is {found}; expected {expected}, so nothing was kept: correct the "
            "address or the checksum in the configuration's fetch."
        )
    return part


def _fetch(url: str, part: Path) -> None:
    """Append the missing bytes; start over if the server does not support ranges."""
    size = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})  # noqa: S310
    try:
        # the configuration's schema permits http and https only
        response: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == 416:  # range not satisfiable: the file is no longer than what we have
            return
        raise
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {size}-"
        )
        length = int(response.headers.get("Content-Length") or 0)
        have = size if goes_on else 0
        log.info("%s: have %d of %d bytes", url, have, have + length)
        with (
            writing(part, size=have + length if length else None),
            part.open("ab" if goes_on else "wb") as file,
            tqdm.wrapattr(
                response, "read", initial=have, total=have + length or None, desc="fetching"
            ) as progress,
        ):
            shutil.copyfileobj(progress, file, CHUNK)
    # a broken connection looks like the end of the file
    if length and part.stat().st_size != have + length:
        raise OSError(f"the connection broke after {part.stat().st_size} of {have + length} bytes")
