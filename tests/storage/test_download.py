"""Downloads from a real server: verified by SHA-256 and resumed after a broken connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from liveness.runtime.disk import DiskError
from liveness.runtime.errors import InputError
from liveness.storage.download import download
from small_disks import small_files
from web_server import CONTENT, SHA, Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


def test_a_download_has_the_content_of_the_url(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "new folder/part"
    assert download(server.url("/file"), SHA, part).read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_resumes(server: Server, tmp_path: Path, ranges: bool) -> None:
    """A server without support for ranges sends the whole file again."""
    server.ranges, server.breaks_after = ranges, 1 << 20
    part = tmp_path / "part"
    with pytest.raises(InputError, match=r"/file: download failed \(.* 1048576 bytes are kept, check the"):
        download(server.url("/file"), SHA, part)
    server.breaks_after = None
    assert download(server.url("/file"), SHA, part).read_bytes() == CONTENT
    assert server.asked == [("/file", None), ("/file", "bytes=1048576-")]


def test_a_complete_file_is_not_requested(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(CONTENT)
    download(server.url("/file"), SHA, part)
    assert not server.asked


@pytest.mark.parametrize("before", [b"", b"something else", CONTENT + b"more"])
def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path, before: bytes) -> None:
    part = tmp_path / "part"
    part.write_bytes(before)
    with pytest.raises(
        InputError, match=f"its SHA-256 is [0-9a-f]{{64}}; expected {'0' * 64}, so nothing was"
    ):
        download(server.url("/file"), "0" * 64, part)
    assert not part.exists()


def test_a_wrong_address(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/none: download failed \(HTTP Error 404: Not Found\); 0 bytes"):
        download(server.url("/none"), SHA, tmp_path / "part")


def test_a_download_on_a_full_disk_blames_no_server(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "1.part"
    with (
        small_files(1 << 20),
        pytest.raises(DiskError, match=r"1\.part \(a download\) .* .it needs 3\.1 MB, 1\.0"),
    ):
        download(server.url("/file"), SHA, part)
    assert download(server.url("/file"), SHA, part).read_bytes() == CONTENT
    assert server.asked == [("/file", None), ("/file", "bytes=1048576-")]
