"""Fixtures and order of the tests."""

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

from running import ROOT, TEST_NAMES, TRAIN_NAMES, Run, film, tiny_config

# Processes share two cores here: a slow example says nothing.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


def _rank(item: pytest.Item) -> int:
    """Training first, then what needs the finished run, then all others."""
    if item.path.name == "test_training.py":
        return 0
    return 1 if "finished" in getattr(item, "fixturenames", []) else 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let parallel workers (`pytest -n auto --dist loadgroup`) make each expensive fixture once.

    What needs the finished run starts first since it takes longest, in two groups (two workers then make the
    run, each its own, which takes less time than one worker for all); every other file is a group of its own.
    """
    gpu = Path("/dev/nvidiactl").exists()
    for item in items:
        if not gpu and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="there is no NVIDIA GPU"))
        fixtures: list[str] = getattr(item, "fixturenames", [])
        half = "workflow" if item.path.name == "test_workflow.py" else "others"
        group = f"finished run: {half}" if "finished" in fixtures else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    if "PYTEST_XDIST_WORKER" in os.environ:
        # training forks its loaders, which a process does not bear in which other tests left threads behind
        items.sort(key=_rank)


@pytest.fixture(scope="session", autouse=True)
def _one_library_path() -> None:
    """Worker processes of the library under test must find it too."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow_scripts"), str(ROOT / "tests")])


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with labels.csv (groups of two videos) and test/, in a folder to copy from."""
    folder = tmp_path_factory.mktemp("dataset")
    film(folder / "train", TRAIN_NAMES, seed=0)
    film(folder / "test", TEST_NAMES, seed=1)
    rows = [f'"{name}",{number % 2},person{number // 2}' for number, name in enumerate(TRAIN_NAMES)]
    (folder / "labels.csv").write_text("\n".join(["fname,liveness_score,group", *rows]), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole chain, run once; tests that change anything work on a copy."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(dataset, folder, dirs_exist_ok=True)
    run = Run(folder, tiny_config())
    run.snakemake()
    return run
