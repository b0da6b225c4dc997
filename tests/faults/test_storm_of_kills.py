"""A run whose Snakemake, jobs and processes are killed again and again, and a run started twice."""

import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kills import Strike, attend, digests

from running import Run, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.faults]

TIMES = 5
FAULTS = [
    ("Snakemake", signal.SIGKILL),
    ("Snakemake", signal.SIGTERM),
    ("Snakemake", signal.SIGINT),
    # as a power failure does
    ("everything", signal.SIGKILL),
    # as Ctrl-C in a terminal does
    ("everything", signal.SIGINT),
    ("job", signal.SIGKILL),
    ("job", signal.SIGTERM),
    ("worker", signal.SIGKILL),
]
# of CPU time, of a run that takes some 200
LATEST = 12


def test_a_storm_changes_no_result(
    finished: Run, dataset: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    shutil.copytree(dataset, tmp_path / "run")
    run = Run(tmp_path / "run", tiny_config())
    draw = random.Random(0)  # noqa: S311
    faults = TIMES * FAULTS
    draw.shuffle(faults)
    for victim, kind in faults:
        strike = Strike(victim, kind, draw.uniform(0, LATEST))
        while not strike.done:
            status, output = attend(run, look=strike.look)
            if status == 0 and not strike.done:
                # all is done before the storm is over
                shutil.rmtree(run.results)
        assert not strike.left_behind(seconds=60), (victim, kind)
        if [*run.folder.glob(".snakemake/locks/*")]:
            run.snakemake("--unlock")
        # a job that is interrupted among its imports has no log yet
        assert kind is signal.SIGINT or "Traceback" not in output, output
    run.snakemake()
    assert digests(run.results) == digests(finished.results)
    record_property("kills in the storm", len(faults))


def test_a_second_start_is_refused_and_disturbs_nothing(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    before = digests(run.results)
    refused: list[str] = []

    def start_again(_: str, job: psutil.Process) -> None:
        if not refused:
            job.suspend()
            refused.append(run.snakemake(fails=True))
            job.resume()

    status, output = attend(run, "--force", "results/scores/test/0", look=start_again)
    assert status == 0, output
    assert "Directory cannot be locked" in refused[0]
    assert "Traceback" not in refused[0]
    assert digests(run.results) == before
