"""Safe extraction of selected files and folders from untrusted zip archives."""

import calendar
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from liveness.runtime.errors import InputError

# Videos hardly compress and tables shrink to a tenth: a larger expansion is a zip bomb.
MAX_GROWTH = 100


def unzip(archive: Path, layout: Mapping[str, Path]) -> None:
    """Extract the parts of an archive that `layout` names: all of them or, on any error, none.

    A key that ends with `/` is a folder in the archive, any other key a file; the values are their
    new paths, and existing files there are replaced. Files keep the archive's times (taken as UTC),
    so that the same archive always gives the same files.

    Raises InputError for an archive that is damaged or encrypted, that lacks a part of the layout,
    that contains links, paths outside their folder or duplicate names, or that exceeds the free
    disk space.
    """
    with _opened(archive) as file:
        members = [member for member in file.infolist() if not member.is_dir()]
        plan = {key: list(_chosen(members, key)) for key in layout}
        for key, chosen in plan.items():
            if not chosen:
                raise InputError(
                    f"{archive}: does not contain {key}; correct fetch.*.unzip in the configuration."
                )
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
        raise InputError(f"{archive}: is not a valid zip archive ({error}); download it again.") from error


def _chosen(members: list[zipfile.ZipInfo], key: str) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Yield the members that a key of the layout selects, with their paths below its value."""
    for member in members:
        if key.endswith("/") and member.filename.startswith(key):
            yield member, member.filename.removeprefix(key)
        elif member.filename == key:
            yield member, ""


def _check(archive: Path, members: list[zipfile.ZipInfo], target: Path) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.filename
        # an empty part starts an absolute path; colons and backslashes are separators on Windows
        if {"", ".."} & set(name.split("/")) or "\\" in name or ":" in name:
            raise InputError(
                f"{archive}: the path {name!r} leads outside its folder; do not use this archive."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{archive}: {name} is a link; expected files only. Do not use this archive.")
        if member.flag_bits & 1:
            raise InputError(f"{archive}: {name} is encrypted; expected an archive without a password.")
        if name in seen:
            raise InputError(f"{archive}: contains two files named {name}; do not use this archive.")
        seen.add(name)
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > MAX_GROWTH * packed:
        raise InputError(
            f"{archive}: claims to expand from {packed} to {size} bytes, more than {MAX_GROWTH} times, which "
            "no videos do; do not use this archive."
        )
    folder = next(parent for parent in target.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"{archive}: needs {size} bytes, but {folder} has only {free} free; free up disk space."
        )


def _write(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # zipfile stops at the declared size, which was checked, and verifies the CRC of the content
    with file.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    time = calendar.timegm((*member.date_time, 0, 0, 0))
    os.utime(path, (time, time))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
