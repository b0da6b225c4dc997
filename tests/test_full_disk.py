"""A run on a disk that fills up names what did not fit, and goes on once there is space."""

import subprocess
from pathlib import Path

import pytest

from running import Run, tiny_config
from small_disks import small_disk

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def test_a_run_names_what_did_not_fit_and_goes_on(dataset: Path, tmp_path: Path) -> None:
    """The results have a disk of their own; Snakemake's files are elsewhere."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = Run(folder, tiny_config(data_root=str(dataset)))
    with small_disk(folder / "results", "150k") as results:
        output = run.snakemake("frames", fails=True)
        closing = next(line for line in output.splitlines() if line.startswith("extract failed: "))
        for text in (
            ".arrow (stored frames) cannot be written: the disk is full (",
            "MB were written, 0.0 MB are left",
        ):
            assert text in closing
        assert not [*results.rglob("*.arrow")]
        subprocess.run(["mount", "-o", "remount,size=20m", str(results)], check=True)
        run.snakemake("frames")
        assert len([*results.rglob("*.arrow")]) == 2


def test_a_run_in_a_full_folder_does_not_begin(dataset: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "run", "256k") as folder:
        run = Run(folder, tiny_config(data_root=str(dataset)))
        with pytest.raises(OSError, match="No space left"):
            (folder / "filler").write_bytes(bytes(1 << 20))
        output = run.snakemake("frames", fails=True)
        assert f"{folder}/.snakemake" in output and "cannot be written: the disk is full (" in output
        assert "Traceback" not in output
