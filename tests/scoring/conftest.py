"""Clips and worker processes that the tests of scoring share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clips import numbered, write_clip
from liveness.runtime.workers import Workers


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven clips and a broken one; clip n shows the numbers from 20 n on, ten a second."""
    folder = tmp_path_factory.mktemp("videos")
    for n in range(7):
        write_clip(folder / f"{n}.mp4", numbered(10 + 20 * n)[20 * n :], fps=10)
    (folder / "broken.mp4").write_bytes(b"broken")
    return folder


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(2) as processes:
        yield processes
