"""Zip archives are unpacked completely or not at all."""

import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from liveness.runtime.errors import InputError
from liveness.storage import zip_archives
from liveness.storage.zip_archives import unzip


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2022, 12, 1, 12, 0, 0))
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def test_parts_of_an_archive_are_extracted_to_the_paths_of_the_layout(tmp_path: Path) -> None:
    names = {
        "top/train/videos/1.mp4": b"one",
        "top/train/videos/sub/đêm 2.mp4": b"two",
        "top/label.csv": b"t",
    }
    archive = zipped(tmp_path / "a.zip", names | {"top/train/": b"", "__MACOSX/top/label.csv": b"junk"})
    data = tmp_path / "data"
    (data / "videos").mkdir(parents=True)
    (data / "videos/stale.mp4").touch()
    unzip(archive, {"top/train/videos/": data / "videos", "top/label.csv": data / "labels.csv"})
    found = {path.relative_to(data).as_posix(): path for path in data.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "videos/1.mp4": b"one",
        "videos/sub/đêm 2.mp4": b"two",
        "labels.csv": b"t",
    }
    # the archive's time, so that unpacking again does not change the manifest
    assert {path.stat().st_mtime for path in found.values()} == {1669896000.0}


def encrypted(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\3\4") + 6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(content)


def linked(archive: Path) -> None:
    link = zipfile.ZipInfo("videos/link.mp4")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(link, "/etc/passwd")


def doubled(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("videos/1.mp4", "other")


def cut(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-10])


def flipped(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"videos/1.mp4") + len(b"videos/1.mp4") + 100] ^= 0xFF
    archive.write_bytes(content)


@pytest.mark.parametrize(
    ("files", "spoil", "sentence"),
    [
        (
            {"videos/../../evil.mp4": b"e"},
            None,
            "'videos/../../evil.mp4' leads outside its folder; do not use",
        ),
        ({"videos//tmp/evil.mp4": b"e"}, None, "leads outside its folder"),
        ({"videos/c:evil.mp4": b"e"}, None, "leads outside its folder"),
        ({"videos/..\\evil.mp4": b"e"}, None, "leads outside its folder"),
        ({"videos/bomb.mp4": bytes(10 << 20)}, None, "claims to expand .* bytes, more than 100 times"),
        ({}, linked, "videos/link.mp4 is a link; expected files only"),
        ({}, encrypted, "videos/1.mp4 is encrypted; expected an archive without a password"),
        ({}, doubled, "contains two files named videos/1.mp4"),
        ({}, cut, "is not a valid zip archive"),
        ({}, flipped, "is not a valid zip archive .*CRC-32"),
        ({}, lambda archive: archive.write_bytes(b"<html>"), "is not a valid zip archive"),
    ],
)
def test_a_harmful_archive_is_refused_entirely(
    tmp_path: Path, files: dict[str, bytes], spoil: Any, sentence: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    archive = zipped(folder / "a.zip", {"videos/1.mp4": os.urandom(2000)} | files)
    if spoil:
        spoil(archive)
    with pytest.raises(InputError, match=sentence):
        unzip(archive, {"videos/": folder / "videos"})
    assert list(tmp_path.rglob("*")) == [folder, archive]


class FullDisk:
    free = 4


def test_an_archive_larger_than_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "a.zip", {"videos/1.mp4": b"12345"})
    monkeypatch.setattr(zip_archives.shutil, "disk_usage", lambda path: FullDisk)
    with pytest.raises(InputError, match=r"needs 5 bytes, but .* has only 4 free; free up"):
        unzip(archive, {"videos/": tmp_path / "to/videos"})


def test_an_archive_without_a_part_of_the_layout(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"videos/1.mp4": b"1"})
    with pytest.raises(InputError, match=r"a\.zip: does not contain train/; correct fetch\.\*\.unzip"):
        unzip(archive, {"videos/": tmp_path / "v", "train/": tmp_path / "t"})
    assert list(tmp_path.iterdir()) == [archive]
