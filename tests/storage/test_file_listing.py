"""Listing of folders and detection of changes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from liveness.runtime.errors import InputError
from liveness.storage.file_listing import files_below, listing_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub/below").mkdir(parents=True)
    for name in ("a", "sub/b", "sub/below/c"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(0, 10**18))
    return tmp_path


def overwrite(folder: Path) -> None:
    (folder / "sub/b").write_text("s/b")


def change_size_alone(folder: Path) -> None:
    (folder / "a").write_text("longer")
    os.utime(folder / "a", ns=(0, 10**18))


@pytest.mark.parametrize(
    "change",
    [
        overwrite,
        change_size_alone,
        lambda folder: (folder / "sub/below/new").touch(),
        lambda folder: (folder / "sub/b").unlink(),
        lambda folder: (folder / "a").rename(folder / "b"),
        lambda folder: (folder / "dangling").symlink_to("nowhere"),
    ],
)
def test_any_change_is_detected(folder: Path, change: Callable[[Path], None]) -> None:
    before = listing_digest(folder)
    assert listing_digest(folder) == before
    change(folder)
    assert listing_digest(folder) != before


def test_hidden_files_and_times_of_folders_are_ignored(folder: Path) -> None:
    before = listing_digest(folder)
    (folder / ".snakemake_timestamp").touch()
    (folder / "sub/.hidden").mkdir()
    (folder / "sub/.hidden/file").touch()
    os.utime(folder / "sub")
    assert listing_digest(folder) == before


def test_too_many_files_have_no_state(folder: Path) -> None:
    assert listing_digest(folder, most=3) == listing_digest(folder)
    assert listing_digest(folder, most=2) is None


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that grows too long on the way down; permissions do not bind root."""
    deep = folder / "sub"
    monkeypatch.chdir(deep)
    for _ in range(20):
        Path("d" * 250).mkdir()
        os.chdir("d" * 250)
    with pytest.raises(InputError, match=r"the folder cannot be read \(File name too long\)"):
        listing_digest(folder)


def test_links_that_cannot_be_followed_are_files(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "long").symlink_to("x" * 300)
    (folder / "gone").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found = {name for name, _ in files_below(folder)}
    assert found == {"a", "sub/b", "sub/below/c", "loop", "long", "gone", "pipe"}


def test_links_are_followed_once(folder: Path) -> None:
    (folder / "sub/loop").symlink_to(folder)
    assert sorted(name for name, _ in files_below(folder)) == ["a", "sub/b", "sub/below/c"]
