"""Zip archives are unpacked completely or not at all."""

import calendar
import io
import logging
import os
import random
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liveness.runtime.disk import DiskError
from liveness.runtime.errors import InputError
from liveness.storage.zip_archives import unzip
from small_disks import small_files


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


def test_an_archive_larger_than_the_disk(tmp_path: Path) -> None:
    """It claims three times what is free, and is large enough itself for that to be believed."""
    free = shutil.disk_usage(tmp_path).free
    archive = tmp_path / "a.zip"
    with archive.open("wb") as target:
        # a hole, which takes no space
        target.seek(free)
        with zipfile.ZipFile(target, "w") as file:
            file.writestr("videos/1.mp4", b"12345")
            file.filelist[0].file_size = 3 * free
    with pytest.raises(
        InputError, match=r"needs [\d,.]+ GB for .*videos, where only [\d,.]+ GB are left; free"
    ):
        unzip(archive, {"videos/": tmp_path / "to/videos"})


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"videos/1.mp4": os.urandom(9000), "videos/2.mp4": b"2"})
    (tmp_path / "videos").mkdir()
    with (
        small_files(5000),
        pytest.raises(DiskError, match=r"videos \(a folder\) .* needs 0\.0 MB, 0\.0 MB were"),
    ):
        unzip(archive, {"videos/": tmp_path / "videos"})
    assert sorted(tmp_path.iterdir()) == [archive, tmp_path / "videos"]


def test_an_archive_without_a_part_of_the_layout(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"videos/1.mp4": b"1"})
    with pytest.raises(InputError, match=r"a\.zip: does not contain train/; correct fetch\.\*\.unzip"):
        unzip(archive, {"videos/": tmp_path / "v", "train/": tmp_path / "t"})
    assert list(tmp_path.iterdir()) == [archive]


def patched(path: Path, name: str, change: Callable[[bytearray, int, int], None]) -> Path:
    """Write an archive of one video and change its local and central headers, at these offsets."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(name, (2022, 12, 1, 12, 0, 0)), b"video")
    content = bytearray(path.read_bytes())
    change(content, content.index(b"PK\3\4"), content.index(b"PK\1\2"))
    path.write_bytes(content)
    return path


def unzipped(archive: Path) -> dict[str, bytes]:
    """Unpack the folder `videos` of an archive and return its files."""
    folder = archive.parent / "unpacked"
    unzip(archive, {"videos/": folder})
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.mp4")}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        # year << 9 | month << 5 | day, and the time
        ((0, 0), (1980, 1, 1, 0, 0, 0)),
        (((42 << 9) | (12 << 5), 12 << 11), (2022, 12, 1, 12, 0, 0)),
        (((42 << 9) | (2 << 5) | 30, 0), (2022, 3, 2, 0, 0, 0)),
        ((0xFFFF, 0xFFFF), (1980, 1, 1, 0, 0, 0)),
    ],
)
def test_dates_that_are_none(tmp_path: Path, when: tuple[int, int], expected: tuple[int, ...]) -> None:
    def change(content: bytearray, local: int, central: int) -> None:
        struct.pack_into("<HH", content, local + 10, when[1], when[0])
        struct.pack_into("<HH", content, central + 12, when[1], when[0])

    archive = patched(tmp_path / "a.zip", "videos/1.mp4", change)
    assert unzipped(archive) == {"1.mp4": b"video"}
    time = (tmp_path / "unpacked/1.mp4").stat().st_mtime
    assert time == calendar.timegm((*expected, 0, 0, 0))


def by_windows(content: bytearray, local: int, central: int) -> None:
    """Mark the archive as made on FAT."""
    content[central + 5] = 0


def test_backslashes_of_windows_are_slashes(tmp_path: Path) -> None:
    archive = patched(tmp_path / "a.zip", "videos\\people\\1.mp4", by_windows)
    assert unzipped(archive) == {"people/1.mp4": b"video"}


def test_backslashes_of_others_belong_to_names(tmp_path: Path) -> None:
    archive = patched(tmp_path / "a.zip", "videos/a\\1.mp4", lambda *_: None)
    assert unzipped(archive) == {"a\\1.mp4": b"video"}


@pytest.mark.parametrize("name", ["videos\\..\\..\\1.mp4", "videos\\\\1.mp4", "videos\\C:\\1.mp4"])
def test_backslashes_do_not_lead_outside(tmp_path: Path, name: str) -> None:
    archive = patched(tmp_path / "a.zip", name, by_windows)
    with pytest.raises(InputError, match="leads outside its folder"):
        unzipped(archive)


def test_a_clock_in_a_name(tmp_path: Path) -> None:
    assert unzipped(zipped(tmp_path / "a.zip", {"videos/12:30.mp4": b"v"})) == {"12:30.mp4": b"v"}


def renamed(raw: bytes) -> Callable[[bytearray, int, int], None]:
    """Replace the name in both headers by bytes of the same length."""

    def change(content: bytearray, local: int, central: int) -> None:
        for start in (local + 30, central + 46):
            content[start : start + len(raw)] = raw

    return change


def test_names_in_utf8_without_the_flag(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """macOS and zip on Linux write them."""
    name = "videos/mặt.mp4".encode()
    archive = patched(tmp_path / "a.zip", "x" * len(name), renamed(name))
    assert unzipped(archive) == {"mặt.mp4": b"video"}
    assert not caplog.messages


def test_names_of_old_windows_are_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = b"videos/m\x84nn.mp4"
    archive = patched(tmp_path / "a.zip", "x" * len(name), renamed(name))
    with caplog.at_level(logging.WARNING):
        assert unzipped(archive) == {"männ.mp4": b"video"}
    assert "the encoding of 1 names is unknown, and 'videos/männ.mp4' is how the first is" in caplog.text


def test_a_name_in_unicode_beside_one_in_a_local_encoding(tmp_path: Path) -> None:
    """Info-ZIP writes both."""
    raw, name = b"videos/m?t.mp4", "videos/mặt.mp4"
    info = zipfile.ZipInfo("y" * len(raw))
    field = b"\1" + struct.pack("<L", zlib.crc32(raw.replace(b"?", b"\xe4"))) + name.encode()
    info.extra = struct.pack("<HH", 0x9999, 2) + b"ab" + struct.pack("<HH", 0x7075, len(field)) + field
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(info, b"video")
    archive.write_bytes(archive.read_bytes().replace(b"y" * len(raw), raw.replace(b"?", b"\xe4")))
    assert unzipped(archive) == {"mặt.mp4": b"video"}


def test_accents_of_a_key_may_be_encoded_otherwise(tmp_path: Path) -> None:
    decomposed, composed = (unicodedata.normalize(form, "đêm") for form in ("NFD", "NFC"))
    archive = zipped(tmp_path / "a.zip", {f"{decomposed}/1.mp4": b"v", f"{decomposed}.csv": b"t"})
    unzip(archive, {f"{composed}/": tmp_path / "videos", f"{composed}.csv": tmp_path / "t.csv"})
    assert (tmp_path / "videos/1.mp4").read_bytes() == b"v"
    assert (tmp_path / "t.csv").read_bytes() == b"t"


def test_what_macos_adds_stays_behind(tmp_path: Path) -> None:
    added = ["videos/._1.mp4", "videos/sub/.DS_Store", "videos/__MACOSX/1.mp4"]
    archive = zipped(tmp_path / "a.zip", {"videos/1.mp4": b"v", **dict.fromkeys(added, b"junk")})
    unzip(archive, {"videos/": tmp_path / "to"})
    assert [path.name for path in (tmp_path / "to").rglob("*")] == ["1.mp4"]


class Pipe(io.RawIOBase):
    """What an archive is streamed to: sizes follow the data, in descriptors."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return self.file.write(content)

    def close(self) -> None:
        self.file.close()


def test_a_streamed_archive_with_zip64(tmp_path: Path) -> None:
    with Pipe(tmp_path / "a.zip") as pipe, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:  # type: ignore[call-overload]
        for number in range(3):
            with file.open(f"videos/{number}.mp4", "w", force_zip64=True) as member:
                member.write(b"video")
    assert unzipped(tmp_path / "a.zip") == {f"{number}.mp4": b"video" for number in range(3)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as file:
        file.writestr("videos/1.mp4", b"video")
    assert unzipped(tmp_path / "a.zip") == {"1.mp4": b"video"}


@pytest.mark.parametrize(("method", "name"), [(9, "deflate64"), (98, "ppmd"), (77, "method 77")])
def test_a_method_that_cannot_be_unpacked(tmp_path: Path, method: int, name: str) -> None:
    def change(content: bytearray, local: int, central: int) -> None:
        struct.pack_into("<H", content, local + 8, method)
        struct.pack_into("<H", content, central + 10, method)

    archive = patched(tmp_path / "a.zip", "videos/1.mp4", change)
    with pytest.raises(
        InputError, match=f"1.mp4 is compressed with {name}, which cannot be unpacked here; pack"
    ):
        unzipped(archive)


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"videos/a": b"1", "videos/a/b/1.mp4": b"2"})
    with pytest.raises(InputError, match="contains a file and a folder named videos/a; rename one of them"):
        unzipped(archive)
    assert [*tmp_path.iterdir()] == [archive]


def test_an_empty_folder_of_a_file_s_name_is_none(tmp_path: Path) -> None:
    assert unzipped(zipped(tmp_path / "a.zip", {"videos/1.mp4": b"1", "videos/1.mp4/": b""})) == {
        "1.mp4": b"1"
    }


@pytest.mark.parametrize("name", ["đ" * 140 + ".mp4", "a/" * 2000 + "1.mp4"])
def test_names_that_file_systems_refuse(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", {f"videos/{name}": b"1"})
    with pytest.raises(
        InputError, match=r"has \d+ bytes; expected (255|3000) at most, as file systems allow"
    ):
        unzipped(archive)


def test_long_names_and_deep_folders(tmp_path: Path) -> None:
    name = "/".join([*(f"{'folder' * 8}{depth}" for depth in range(20)), "đ" * 125 + ".mp4"])
    assert unzipped(zipped(tmp_path / "a.zip", {f"videos/{name}": b"1"})) == {name: b"1"}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_archives_are_refused_in_a_sentence(tmp_path: Path, method: int) -> None:
    """Some random bytes are changed: an archive is unpacked or refused, and leaves nothing."""
    rng = random.Random(method)  # noqa: S311
    with zipfile.ZipFile(tmp_path / "good.zip", "w", method) as file:
        for number in range(3):
            file.writestr(f"videos/{number}.mp4", rng.randbytes(40) * 5)
    good = (tmp_path / "good.zip").read_bytes()
    archive, refused = tmp_path / "a.zip", 0
    for _ in range(100):
        content = bytearray(good[: rng.choice([len(good), rng.randrange(1, len(good))])])
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        archive.write_bytes(content)
        try:
            unzip(archive, {"videos/": tmp_path / "unpacked"})
        except InputError as error:
            refused += 1
            assert str(error).startswith(str(archive))
            assert not [*tmp_path.glob(".*")]
    assert refused > 50
