"""Atomic writing of output files."""

import os
from pathlib import Path

import pytest

from liveness.runtime.atomic_write import atomic_write


def test_the_folder_is_created_and_holds_only_the_output(tmp_path: Path) -> None:
    output = tmp_path / "new/folder/scores.parquet"
    with atomic_write(output) as temporary:
        assert temporary.parent == output.parent
        assert temporary.suffix == ".parquet"
        temporary.write_text("new", encoding="utf-8")
        assert not output.exists()
    assert output.read_text(encoding="utf-8") == "new"
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    output = tmp_path / "submission.csv"
    output.write_text("old", encoding="utf-8")
    with pytest.raises(error), atomic_write(output) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise error
    assert output.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_an_error_before_the_first_byte_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="early"), atomic_write(tmp_path / "never.csv"):
        raise ValueError("early")
    assert not list(tmp_path.iterdir())


def test_an_unwritten_output_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "forgotten.csv"):
        pass


def test_files_created_as_private_become_readable_for_others(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "weights.bin") as path:
        path.touch(mode=0o600)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "weights.bin").stat().st_mode & 0o777 == 0o666 & ~mask
