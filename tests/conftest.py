"""Fixtures and the order of tests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import yaml
from filelock import FileLock

from running import ROOT, SHARED, TEST_NAMES, TRAIN_NAMES, Run, film, tiny_config

PARALLEL = "PYTEST_XDIST_WORKER" in os.environ

# As rules set it for their jobs: idle threads must not occupy the core of another worker.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Processes share two cores, so a slow example is no failure.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


def _rank(item: pytest.Item) -> int:
    """Return the position of a test's file in the queue of parallel workers.

    One worker creates the finished run and continues with the slowest tests; meanwhile another runs
    tests that need no run, training first: it forks data loaders, which is unsafe in a process that
    already has many threads.
    """
    first = {
        "test_report.py": 0,
        "test_fine_tune.py": 1,
        "test_workflow.py": 1,
        "test_incremental.py": 1,
    }
    needs_run = {"finished", "finished_real"} & set(getattr(item, "fixturenames", []))
    return first.get(item.path.name, 3 if needs_run else 2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip GPU tests on machines without one; order files for parallel workers."""
    gpu = Path("/dev/nvidiactl").exists()
    for item in items:
        if not gpu and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="there is no NVIDIA GPU"))
    if PARALLEL:
        items.sort(key=_rank)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded: sums, and the highest of peaks."""
    figures: dict[str, float] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            join = max if name.startswith("peak") else sum
            figures[name] = join((figures.get(name, 0), value))
    if figures:
        terminalreporter.section("figures")
    for name, value in figures.items():
        terminalreporter.line(f"{name}: {value:g}")


@pytest.fixture(scope="session", autouse=True)
def _one_library_path() -> None:
    """Let worker processes of the library import it as well."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow_scripts"), str(ROOT / "tests")])


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first worker creates and all workers read."""
    # CI sets a folder, so that its commands share finished runs
    kept = os.environ.get("KEPT_RUNS")
    base = Path(kept) if kept else factory.getbasetemp().parent if PARALLEL else factory.getbasetemp()
    folder = base / name
    with FileLock(base / f"{name}.lock"):
        if not folder.is_dir():
            draft = base / f"{name}.draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            make(draft)
            draft.rename(folder)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to copy from, with train/, labels.csv (groups of two videos) and test/."""

    def make(folder: Path) -> None:
        film(folder / "train", TRAIN_NAMES, seed=0)
        film(folder / "test", TEST_NAMES, seed=1)
        rows = [f'"{name}",{number % 2},person{number // 2}' for number, name in enumerate(TRAIN_NAMES)]
        (folder / "labels.csv").write_text("\n".join(["fname,liveness_score,group", *rows]), encoding="utf-8")

    return _made_once(tmp_path_factory, "dataset", make)


@pytest.fixture(scope="session")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole workflow, run once; tests that change anything work on a copy."""

    def make(folder: Path) -> None:
        shutil.copytree(dataset, folder, dirs_exist_ok=True)
        Run(folder, tiny_config()).snakemake()

    return Run(_made_once(tmp_path_factory, "finished", make), tiny_config())


@pytest.fixture(scope="session")
def finished_real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on real videos, if present: the small configuration with short training."""
    real = SHARED / "real"
    if not real.is_dir():
        pytest.skip("the real videos are not here")
    config = yaml.safe_load((ROOT / "configs/small.yaml").read_text(encoding="utf-8"))
    config |= {"data_root": str(real), "frames": {"count": 3, "short_side": 192}, "folds": {"count": 2}}
    config["training"]["epochs"] = 2
    folder = _made_once(tmp_path_factory, "finished_real", lambda draft: Run(draft, config).snakemake())
    return Run(folder, config)
