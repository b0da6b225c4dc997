"""Runs of the workflow whose jobs, or whose Snakemake, are killed at seeded moments.

A moment is the CPU time that a job has used, so that it means the same on a busy machine.
"""

import hashlib
import random
import re
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from running import Run, here

SCRIPT = re.compile(r"/\.snakemake/scripts/tmp\w+\.(\w+)\.py$")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
# what measures the run itself, or the journal of an interrupted one
MEASURED = {"logs", "benchmarks", "stages.csv", "videos.csv", "time_submission.csv", "throughput.svg"}
JOURNALS = {".sqlite"}
SECONDS_BETWEEN_LOOKS = 0.02

Look = Callable[[str, psutil.Process], None]


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def jobs_of(snakemake: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the script's name and the process of every job that runs."""
    for child in snakemake.children():
        with suppress(psutil.Error):
            for script in filter(None, map(SCRIPT.search, child.cmdline())):
                yield script[1], child


def attend(run: Run, *arguments: str, look: Look) -> tuple[int, str]:
    """Run Snakemake and show every running job to `look`, again and again, until the end.

    Returns the exit status and the output.
    """
    path = run.folder / "output.txt"
    with path.open("w", encoding="utf-8") as output:
        process = psutil.Popen(
            [*run.command, *here(*arguments)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=run.root,
            start_new_session=True,
        )
        while process.poll() is None:
            with suppress(psutil.Error):
                for script, job in jobs_of(process):
                    look(script, job)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return process.returncode, path.read_text(encoding="utf-8")


class Durations:
    """The CPU time in seconds of each job of an undisturbed run, by script."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[psutil.Process, float]] = defaultdict(dict)

    def look(self, script: str, job: psutil.Process) -> None:
        self._seen[script][job] = cpu_seconds(job)

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def __getitem__(self, script: str) -> list[float]:
        return sorted(self._seen[script].values())


class Killer:
    """Kills jobs of every script, each `times` times, with SIGKILL or SIGTERM."""

    def __init__(self, durations: Durations, times: int, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._durations, self._times, self._seed = durations, times, seed
        self._due: dict[psutil.Process, float] = {}
        self._told: set[psutil.Process] = set()

    @property
    def spared(self) -> list[str]:
        """Scripts whose jobs have not been killed often enough."""
        return [script for script in self._durations if self.kills[script] < self._times]

    def look(self, script: str, job: psutil.Process) -> None:
        if job in self._told or self.kills[script] >= self._times:
            return
        draw = random.Random(f"{self._seed} {script} {self.kills[script]}")  # noqa: S311
        # most of the moments are late, where files are written: a start is all imports
        share = 1 - draw.random() ** 2
        due = self._due.setdefault(job, share * draw.choice(self._durations[script]))
        if cpu_seconds(job) >= due:
            job.send_signal(draw.choice(SIGNALS))
            self._told.add(job)
            self.kills[script] += 1


def digests(folder: Path) -> Mapping[str, str]:
    """Return the SHA-256 of every result by its path, without what measures the run."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not MEASURED & {*path.relative_to(folder).parts}
        and path.suffix not in JOURNALS
        and path.name != ".snakemake_timestamp"
    }
