"""Zip archives from elsewhere: some of their folders and files, put where the configuration wants them."""

import calendar
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from liveness.runtime.errors import InputError

# Videos hardly shrink, tables to a tenth: what claims to grow more than this is there to fill the disk.
MAX_GROWTH = 100


def unzip(archive: Path, layout: Mapping[str, Path]) -> None:
    """Put parts of an archive where `layout` says: all of them, each whole, or none.

    A key that ends with `/` is a folder in the archive, another one a file; the values are their new paths,
    and what lies there is replaced. Files keep the archive's times (taken as UTC), so that the same archive
    always gives the same files.

    Raises InputError for a damaged or encrypted archive, one without a part of the layout, or one that has
    links, names that lead out of their folder, two files of one name, or more bytes than the disk holds.
    """
    with _opened(archive) as file:
        members = [member for member in file.infolist() if not member.is_dir()]
        plan = {key: list(_chosen(members, key)) for key in layout}
        for key, chosen in plan.items():
            if not chosen:
                raise InputError(f"{archive}: has no {key}; correct fetch.*.unzip in the configuration.")
        _check(archive, [member for chosen in plan.values() for member, _ in chosen], min(layout.values()))
        drafts = {key: path.with_name(f".{path.name}.partial") for key, path in layout.items()}
        try:
            for key, draft in drafts.items():
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
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise InputError(f"{archive}: is not a whole zip archive ({error}); fetch another one.") from error


def _chosen(members: list[zipfile.ZipInfo], key: str) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """The members that a key of the layout names, with their paths below its value."""
    for member in members:
        if key.endswith("/") and member.filename.startswith(key):
            yield member, member.filename.removeprefix(key)
        elif member.filename == key:
            yield member, ""


def _check(archive: Path, members: list[zipfile.ZipInfo], target: Path) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.filename
        # an empty part begins an absolute path; a colon and a backslash are separators on Windows
        if {"", ".."} & set(name.split("/")) or "\\" in name or ":" in name:
            raise InputError(
                f"{archive}: the name {name!r} leads out of its folder; do not use this archive."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{archive}: {name} is a link; expected files only, so do not use this archive.")
        if member.flag_bits & 1:
            raise InputError(f"{archive}: {name} is encrypted; expected an archive without a password.")
        if name in seen:
            raise InputError(f"{archive}: has two files of the name {name}; do not use this archive.")
        seen.add(name)
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > MAX_GROWTH * packed:
        raise InputError(
            f"{archive}: {packed} bytes claim to become {size}, more than {MAX_GROWTH} times as many, as no "
            "videos do; do not use this archive."
        )
    folder = next(parent for parent in target.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(f"{archive}: becomes {size} bytes, but {folder} has {free} left; make room.")


def _write(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # zipfile stops at the size that was checked, and compares the checksum of what it read
    with file.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    time = calendar.timegm((*member.date_time, 0, 0, 0))
    os.utime(path, (time, time))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
