"""Digests of files, checked against the published SHA-256 test vectors."""

from pathlib import Path

import pytest

from liveness.runtime.file_digest import sha256

# NIST, FIPS 180-4 example values: the empty message and "abc"
VECTORS = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
]


@pytest.mark.parametrize(("content", "digest"), VECTORS)
def test_the_digest_is_that_of_the_bytes(tmp_path: Path, content: bytes, digest: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256(path) == sha256(str(path)) == digest


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "gone")
