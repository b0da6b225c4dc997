"""Files from the web that are what they should be: resumable, and checked before anybody sees them."""

import logging
import shutil
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256

log = logging.getLogger(__name__)

CHUNK = 1 << 20
# Seconds that a server may be silent.
TIMEOUT = 60


def download(url: str, expected: str, part: Path) -> Path:
    """Return `part`, holding what is at `url`; what an earlier call left in it is not fetched again.

    Raises InputError if the address cannot be read or its content has another SHA-256 than `expected`
    (hexadecimal); of the latter nothing is kept.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    if not (part.is_file() and sha256(part) == expected):
        try:
            _fetch(url, part)
        except (OSError, HTTPException) as error:
            kept = part.stat().st_size if part.is_file() else 0
            raise InputError(
                f"{url}: cannot be fetched ({error}); {kept} bytes are kept, check the address and try again."
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
    """Append what is missing; a server that cannot go on in the middle sends all of it again."""
    size = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})  # noqa: S310
    try:
        # the schema lets only http and https pass
        response: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is no more than what is here
            return
        raise
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {size}-"
        )
        length = int(response.headers.get("Content-Length") or 0)
        have = size if goes_on else 0
        log.info("%s: %d of %d bytes are here", url, have, have + length)
        with (
            part.open("ab" if goes_on else "wb") as file,
            tqdm.wrapattr(
                response, "read", initial=have, total=have + length or None, desc="fetching"
            ) as progress,
        ):
            shutil.copyfileobj(progress, file, CHUNK)
    # a connection that breaks looks like the end of the file
    if length and part.stat().st_size != have + length:
        raise OSError(f"the connection broke after {part.stat().st_size} of {have + length} bytes")
