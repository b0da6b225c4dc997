"""Downloads from a real server: checked against their SHA-256, and resumed where they broke off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from liveness.runtime.errors import InputError
from liveness.storage.download import download
from web_server import CONTENT, SHA, Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


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
