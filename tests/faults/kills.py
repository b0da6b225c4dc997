"""Runs of the workflow whose jobs, or whose Snakemake, are killed at seeded moments.

A moment is the CPU time that a job has used, so that it means the same on a busy machine.
"""

import hashlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from running import Run, here

SCRIPT = re.compile(r"/\.snakemake/scripts/tmp\w+\.(\w+)\.py$")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
# what measures the run itself, or the journal of an interrupted one
MEASURED = {
    "logs",
    "benchmarks",
    "stages.csv",
    "videos.csv",
    "time_submission.csv",
    "scored",
    "throughput.svg",
}
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


class Stopwatch:
    """Notes the CPU time that the jobs of a script use in an undisturbed run."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._seen: dict[psutil.Process, float] = {}

    def look(self, script: str, job: psutil.Process) -> None:
        if script == self._script:
            self._seen[job] = cpu_seconds(job)

    @property
    def seconds(self) -> float:
        """The longest time, since a job may be seen only once more than half done."""
        return max(self._seen.values())


class Killer:
    """Kills the jobs of a script, `times` in all, with SIGKILL or SIGTERM."""

    def __init__(self, script: str, seconds: float, times: int) -> None:
        self._script = script
        draw = random.Random(script)  # noqa: S311
        # most of the moments are late, where files are written: a start is all imports
        shares = [1 - draw.random() ** 2 for _ in range(times)]
        self._due = [(share * seconds, draw.choice(SIGNALS)) for share in shares]
        self._told: set[psutil.Process] = set()

    @property
    def left(self) -> int:
        """How many kills are still to come."""
        return len(self._due)

    def hurry(self) -> None:
        """Let what is left come earlier, since a job ended before."""
        self._due = [(0.8 * moment, kind) for moment, kind in self._due]

    def look(self, script: str, job: psutil.Process) -> None:
        if script != self._script or not self._due or job in self._told:
            return
        moment, kind = self._due[-1]
        if cpu_seconds(job) >= moment:
            job.send_signal(kind)
            self._told.add(job)
            self._due.pop()


class Strike:
    """One fault of a run, when its jobs have used so many seconds of CPU time together."""

    def __init__(self, victim: str, kind: signal.Signals, seconds: float) -> None:
        """The victim is "job", "worker" (a process of a job), "Snakemake" or "everything"."""
        self.victim, self.kind = victim, kind
        self._seconds = seconds
        self._used: dict[psutil.Process, float] = {}
        self.family: list[psutil.Process] = []

    @property
    def done(self) -> bool:
        return bool(self.family)

    def look(self, _: str, job: psutil.Process) -> None:
        self._used[job] = cpu_seconds(job)
        if self.done or sum(self._used.values()) < self._seconds:
            return
        snakemake = psutil.Process(job.ppid())
        self.family = [snakemake, *snakemake.children(recursive=True)]
        if self.victim == "everything":
            os.killpg(snakemake.pid, self.kind)
        elif self.victim == "worker":
            # the youngest, which is the most likely to decode or to load data
            [*job.children(recursive=True), job][0].send_signal(self.kind)
        else:
            {"job": job, "Snakemake": snakemake}[self.victim].send_signal(self.kind)

    def left_behind(self, seconds: float) -> list[psutil.Process]:
        """Return the processes of the run that are still there after so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := [*filter(is_alive, self.family)]) and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return left


def is_alive(process: psutil.Process) -> bool:
    """A zombie that nobody has collected is dead too."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
