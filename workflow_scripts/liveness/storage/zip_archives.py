"""Safe extraction of selected files and folders from untrusted zip archives of any writer."""

import calendar
import errno
import logging
import lzma
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from liveness.runtime.disk import free_space, readable_size, writing
from liveness.runtime.errors import InputError

log = logging.getLogger(__name__)

# Videos hardly compress and tables shrink to a tenth: a larger expansion is a zip bomb.
MAX_GROWTH = 100
# file systems allow 255 bytes in one part of a path, and 4096 with that of the folder to unpack to
MAX_NAME, MAX_PATH = 255, 3000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# names of the methods that cannot be unpacked here, by their numbers in the format
OTHER_METHODS = {6: "implode", 9: "deflate64", 93: "zstd", 95: "xz", 98: "ppmd"}
# systems whose archives may have backslashes between folders: FAT, NTFS, VFAT
WINDOWS = (0, 10, 14)
UTF8_FLAG = 0x800
DOS_FOLDER = 0x10
# the extra field with a name in UTF-8, as Info-ZIP writes it beside one in a local encoding
UNICODE_PATH = 0x7075
# what macOS adds: resource forks and settings of folders
MACOS = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$)")


class Member(NamedTuple):
    """A file in an archive: its path, with `/` between folders, and the archive's own record."""

    path: str
    info: zipfile.ZipInfo


def unzip(archive: Path, layout: Mapping[str, Path]) -> None:
    """Extract the parts of an archive that `layout` names: all of them or, on any error, none.

    A key that ends with `/` is a folder in the archive, any other key a file; the values are their
    new paths, and existing files there are replaced. Files keep the archive's times (taken as UTC),
    so that the same archive always gives the same files.

    Raises InputError for an archive that is damaged, encrypted or compressed by a rare method, that
    lacks a part of the layout, that contains links, paths outside their folder, duplicate or
    over-long names, or that exceeds the free disk space.
    """
    with _opened(archive) as file:
        members = [*_members(archive, file)]
        plan = {key: [*_chosen(members, key)] for key in layout}
        for key, chosen in plan.items():
            if not chosen:
                raise InputError(
                    f"{archive}: does not contain {key}; correct fetch.*.unzip in the configuration."
                )
        _check(archive, [member for chosen in plan.values() for member, _ in chosen], min(layout.values()))
        drafts = {key: path.with_name(f".{path.name}.partial") for key, path in layout.items()}
        try:
            for key, draft in drafts.items():
                size = sum(member.info.file_size for member, _ in plan[key])
                with writing(layout[key], draft=draft, size=size):
                    _remove(draft)
                    for member, name in plan[key]:
                        _write(file, member, draft / name)
            for key, draft in drafts.items():
                _remove(layout[key])
                draft.rename(layout[key])
        finally:
            for draft in drafts.values():
                _remove(draft)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as file:
            yield file
    except InputError:
        raise
    # what zipfile and its decompressors raise for damaged archives
    except (
        *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError),
        *(zlib.error, lzma.LZMAError, struct.error, OSError),
    ) as error:
        # bz2 raises OSError without a number, and seeking to a wrong place EINVAL
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise InputError(f"{archive}: is not a valid zip archive ({error}); download it again.") from error


def _members(archive: Path, file: zipfile.ZipFile) -> Iterator[Member]:
    """Yield the files, without those that macOS adds to the user's."""
    guessed = []
    for info in file.infolist():
        path, certain = _path(info)
        folder = path.endswith("/") or (info.external_attr & DOS_FOLDER and not info.file_size)
        if folder or MACOS.search(path):
            continue
        if not certain:
            guessed.append(path)
        yield Member(path, info)
    if guessed:
        log.warning(
            "%s: the encoding of %d names is unknown, and %r is how the first is read; if it is wrong, pack "
            "the files again with names in UTF-8",
            archive,
            len(guessed),
            guessed[0],
        )


def _path(info: zipfile.ZipInfo) -> tuple[str, bool]:
    """Return a member's path, with `/` between folders, and whether its encoding is certain."""
    path, certain = info.filename, True
    if not info.flag_bits & UTF8_FLAG and not path.isascii():
        # zipfile takes it for code page 437, as the format says, but many writers use UTF-8
        found = None
        with suppress(UnicodeError):
            found = _unicode_path(info.extra) or path.encode("cp437").decode()
        path, certain = found or path, found is not None
    if info.create_system in WINDOWS:
        path = path.replace("\\", "/")
    return path, certain


def _unicode_path(extra: bytes) -> str | None:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == UNICODE_PATH:
            # after a version and a checksum
            return extra[9 : 4 + length].decode()
        extra = extra[4 + length :]
    return None


def _chosen(members: Sequence[Member], key: str) -> Iterator[tuple[Member, str]]:
    """Yield the members that a key of the layout selects, with their paths below its value.

    Accents may be encoded otherwise: macOS decomposes them.
    """
    wanted = unicodedata.normalize("NFC", key).rstrip("/").split("/")
    folder = key.endswith("/")
    for member in members:
        parts = member.path.split("/")
        start, rest = parts[: len(wanted)], parts[len(wanted) :]
        if [unicodedata.normalize("NFC", part) for part in start] == wanted and bool(rest) == folder:
            yield member, "/".join(rest)


def _check(archive: Path, members: Sequence[Member], target: Path) -> None:
    seen: set[str] = set()
    for name, info in members:
        # an empty part starts an absolute path; on Windows, backslashes separate and C: is a drive
        parts = re.split(r"[/\\]", name)
        if {"", ".", ".."} & {*parts} or any(re.match("[A-Za-z]:", part) for part in parts):
            raise InputError(
                f"{archive}: the path {name!r} leads outside its folder; do not use this archive."
            )
        sizes = [*((part, MAX_NAME) for part in name.split("/")), (name, MAX_PATH)]
        for part, most in sizes:
            if len(part.encode()) > most:
                raise InputError(
                    f"{archive}: the name {part[:40]!r}... has {len(part.encode())} bytes; expected {most} "
                    "at most, as file systems allow: rename it and pack the files again."
                )
        mode = stat.S_IFMT(info.external_attr >> 16)
        if info.create_system not in WINDOWS and mode not in (0, stat.S_IFREG):
            kind = "link" if mode == stat.S_IFLNK else "special file"
            raise InputError(f"{archive}: {name} is a {kind}; expected files only. Do not use this archive.")
        if info.flag_bits & 1:
            raise InputError(f"{archive}: {name} is encrypted; expected an archive without a password.")
        if info.compress_type not in METHODS:
            method = OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
            raise InputError(
                f"{archive}: {name} is compressed with {method}, which cannot be unpacked here; pack the "
                "files again with deflate."
            )
        if name in seen:
            raise InputError(f"{archive}: contains two files named {name}; do not use this archive.")
        seen.add(name)
    for name in seen:
        if both := next((f"{above}" for above in PurePosixPath(name).parents if f"{above}" in seen), None):
            raise InputError(f"{archive}: contains a file and a folder named {both}; rename one of them.")
    size, packed = sum(info.file_size for _, info in members), archive.stat().st_size
    if size > MAX_GROWTH * packed:
        raise InputError(
            f"{archive}: claims to expand from {packed} to {size} bytes, more than {MAX_GROWTH} times, which "
            "no videos do; do not use this archive."
        )
    free = free_space(target)
    if size > free:
        raise InputError(
            f"{archive}: needs {readable_size(size)} for {target}, where only {readable_size(free)} are "
            "left; free up space."
        )


def _write(file: zipfile.ZipFile, member: Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # zipfile stops at the declared size, which was checked, and verifies the CRC of the content
    with file.open(member.info) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    time = _time(member.info)
    os.utime(path, (time, time))


def _time(info: zipfile.ZipInfo) -> int:
    """Return a member's time; writers without a clock leave zeros, which are no date."""
    year, month, day, *clock = info.date_time
    with suppress(ValueError):
        return calendar.timegm((year, max(1, month), max(1, day), *clock, 0, 0, 0))
    return calendar.timegm((1980, 1, 1, 0, 0, 0, 0, 0, 0))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
