"""Names of videos: as people write them, and as the file system has them."""

import unicodedata
from collections.abc import Iterable

from liveness.runtime.errors import InputError


def nfc(text: str) -> str:
    """Return text with accents as parts of their letters, the form that most systems write."""
    return unicodedata.normalize("NFC", text)


def as_listed(names: Iterable[str], listed: Iterable[str]) -> list[str]:
    """Return names as they are spelt in `listed`, whose Unicode form may be another.

    A table that was written on macOS may have accents as characters of their own, unlike the files
    on Linux. Names that are listed as they are stay, and so do those that are not listed at all.
    Raises InputError if two names become one.
    """
    names, listed = list(names), set(listed)
    spelt = {nfc(name): name for name in sorted(listed)}
    found = [name if name in listed else spelt.get(nfc(name), name) for name in names]
    seen: dict[str, str] = {}
    for name, video in zip(names, found, strict=True):
        if seen.setdefault(video, name) != name:
            raise InputError(
                f"{video} is listed twice, in different Unicode forms ({seen[video]!a} and {name!a}); "
                "keep one row."
            )
    return found
