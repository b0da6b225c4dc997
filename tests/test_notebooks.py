"""Notebooks run from the first cell to the last and draw figures."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from running import ROOT, Run

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def figures(name: str, folder: Path) -> int:
    """Execute a notebook in `folder` and return the number of pictures it drew."""
    notebook = nbformat.read(ROOT / f"docs/{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute(
        cwd=str(folder), env=os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    )
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_training(tmp_path: Path) -> None:
    assert figures("training", tmp_path) == 4


def test_scoring(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    (run.folder / "demo/test").mkdir(parents=True)
    (run.folder / "demo/test/videos").symlink_to(run.folder / "test")
    assert figures("scoring", run.folder) == 2
