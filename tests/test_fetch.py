"""Files from the web, by a real server: checked, resumed, unpacked whole or not at all."""

import hashlib
import os
import shutil
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from liveness.runtime.errors import InputError
from liveness.storage import zip_archives
from liveness.storage.download import download
from liveness.storage.zip_archives import unzip
from running import TEST_NAMES, Run, tiny_config

CONTENT = os.urandom(3 << 20)
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` by path; knows what was asked of it, and can be told to misbehave."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/file": CONTENT}
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.breaks_after: int | None = None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.breaks_after])

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


# downloads


def test_what_is_fetched_is_what_was_asked_for(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "new folder/part"
    assert download(server.url("/file"), SHA, part).read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    """Also with a server that can only send all of it again."""
    server.ranges, server.breaks_after = ranges, 1 << 20
    part = tmp_path / "part"
    with pytest.raises(InputError, match=r"/file: cannot be fetched \(.* 1048576 bytes are kept, check the"):
        download(server.url("/file"), SHA, part)
    server.breaks_after = None
    assert download(server.url("/file"), SHA, part).read_bytes() == CONTENT
    assert server.asked == [("/file", None), ("/file", "bytes=1048576-")]


def test_what_is_whole_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(CONTENT)
    download(server.url("/file"), SHA, part)
    assert not server.asked


@pytest.mark.parametrize("before", [b"", b"something else", CONTENT + b"more"])
def test_another_checksum_leaves_nothing(server: Server, tmp_path: Path, before: bytes) -> None:
    part = tmp_path / "part"
    part.write_bytes(before)
    with pytest.raises(
        InputError, match=f"its SHA-256 is [0-9a-f]{{64}}; expected {'0' * 64}, so nothing was"
    ):
        download(server.url("/file"), "0" * 64, part)
    assert not part.exists()


def test_an_address_that_is_wrong(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/none: cannot be fetched \(HTTP Error 404: Not Found\); 0 bytes"):
        download(server.url("/none"), SHA, tmp_path / "part")


# archives


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2022, 12, 1, 12, 0, 0))
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def test_parts_of_an_archive_get_the_places_of_the_layout(tmp_path: Path) -> None:
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
    # the archive's time, so that unpacking again changes no manifest
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
            "'videos/../../evil.mp4' leads out of its folder; do not use",
        ),
        ({"videos//tmp/evil.mp4": b"e"}, None, "leads out of its folder"),
        ({"videos/c:evil.mp4": b"e"}, None, "leads out of its folder"),
        ({"videos/..\\evil.mp4": b"e"}, None, "leads out of its folder"),
        ({"videos/bomb.mp4": bytes(10 << 20)}, None, "bytes claim to become .*, more than 100 times as many"),
        ({}, linked, "videos/link.mp4 is a link; expected files only"),
        ({}, encrypted, "videos/1.mp4 is encrypted; expected an archive without a password"),
        ({}, doubled, "has two files of the name videos/1.mp4"),
        ({}, cut, "is not a whole zip archive"),
        ({}, flipped, "is not a whole zip archive .*CRC-32"),
        ({}, lambda archive: archive.write_bytes(b"<html>"), "is not a whole zip archive"),
    ],
)
def test_an_archive_that_does_harm_is_refused_whole(
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
    with pytest.raises(InputError, match=r"becomes 5 bytes, but .* has 4 left; make room"):
        unzip(archive, {"videos/": tmp_path / "to/videos"})


def test_an_archive_without_what_the_layout_names(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"videos/1.mp4": b"1"})
    with pytest.raises(InputError, match=r"a\.zip: has no train/; correct fetch\.\*\.unzip"):
        unzip(archive, {"videos/": tmp_path / "v", "train/": tmp_path / "t"})
    assert list(tmp_path.iterdir()) == [archive]


# the rules


@pytest.mark.slow
@pytest.mark.thorough
def test_a_dataset_is_fetched_once_and_then_stays(server: Server, dataset: Path, tmp_path: Path) -> None:
    videos = {f"test/videos/{name}": (dataset / "test" / name).read_bytes() for name in TEST_NAMES}
    server.files["/test.zip"] = zipped(tmp_path / "a.zip", videos).read_bytes()
    entry = {
        "url": server.url("/test.zip"),
        "sha256": hashlib.sha256(server.files["/test.zip"]).hexdigest(),
        "unzip": {"test/videos/": "data/videos"},
    }
    weights = {"url": server.url("/file"), "sha256": SHA, "to": "weights/net.pth"}
    # the training videos are here
    shutil.copytree(dataset, tmp_path, dirs_exist_ok=True)
    data = tiny_config()["data"] | {"test": {"videos": "data/videos"}}
    config = tiny_config(data=data, fetch={"test": entry, "weights": weights})
    run = Run(tmp_path, config)
    targets = ["results/manifest/test", "weights/net.pth"]
    assert run.executed(*targets) == {"fetch_test": 1, "fetch_weights": 1, "manifest": 1}
    assert (tmp_path / "weights/net.pth").read_bytes() == CONTENT
    manifests = [path.read_text() for path in sorted(tmp_path.glob("results/manifest/test/*.csv"))]
    assert sum(text.count("\n") - 1 for text in manifests) == len(TEST_NAMES)
    assert not list(tmp_path.glob("results/fetched/*"))

    # another mirror is no change; another archive is
    run.configure(config | {"fetch": {"test": entry | {"url": server.url("/gone")}, "weights": weights}})
    assert run.planned(*targets) == {}
    config["fetch"]["test"] = entry | {"sha256": "0" * 64}
    run.configure(config)
    output = run.snakemake(*targets, fails=True)
    assert f"expected {'0' * 64}, so nothing was kept" in output
