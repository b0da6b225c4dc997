"""GPU leases between real processes, with invented GPU names: locking needs no device."""

import ast
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from liveness.runtime import gpu_leases
from running import ROOT

GPUS = ["a", "b", "c", "d"]
HEAD = """
import os, subprocess, sys, time
from liveness.runtime import gpu_leases
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log

gpu_leases.REPORT_S = 0.5
start_log({log!r})
"""
# the body of a job: print its lease on one line, then run until its standard input closes
HOLD = "print(*lease({gpus}), flush=True)\nsys.stdin.read()\n"


class Jobs:
    """Processes that lease GPUs from one lock folder; they are killed at the end of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "GPU_LEASES": str(folder / "locks"),
            "CUDA_VISIBLE_DEVICES": "a,b,c,d",
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self, gpus: int, body: str = HOLD, log: str = "job.log", **environment: str
    ) -> subprocess.Popen[str]:
        program = HEAD.format(log=str(self.folder / log)) + body.format(gpus=gpus)
        job = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | environment,
        )
        self.started.append(job)
        return job

    def log(self, name: str = "job.log") -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path)
    yield jobs
    for job in jobs.started:
        job.kill()
        with job:
            pass


def granted(job: subprocess.Popen[str]) -> list[str]:
    """Wait for the job's lease and return its GPU ids."""
    assert job.stdout
    return job.stdout.readline().split()


def end(job: subprocess.Popen[str]) -> None:
    assert job.stdin
    job.stdin.close()
    job.wait()


def waits(job: subprocess.Popen[str], jobs: Jobs, log: str, reports: int = 1) -> bool:
    """Return whether the job logs so many times, within 60 s, that it waits."""
    deadline = time.monotonic() + 60
    while job.poll() is None and time.monotonic() < deadline:
        if (jobs.folder / log).is_file() and jobs.log(log).count("waiting for") >= reports:
            return True
        time.sleep(0.05)
    return False


# leases of a single job


def test_a_job_gets_the_requested_number_of_gpus_and_logs_their_ids(jobs: Jobs) -> None:
    job = jobs.start(
        2, "lease({gpus})\nprint(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['CUDA_DEVICE_ORDER'])\n"
    )
    assert granted(job) == ["a,b", "PCI_BUS_ID"]
    end(job)
    assert jobs.log().endswith("INFO leased GPU a, b\n")


def test_a_job_without_gpus_sees_none_and_locks_none(jobs: Jobs) -> None:
    job = jobs.start(0, "print(lease({gpus}), repr(os.environ['CUDA_VISIBLE_DEVICES']))\n")
    assert granted(job) == ["[]", "''"]
    assert not (jobs.folder / "locks").exists()


@pytest.mark.parametrize(
    ("visible", "there"), [("a,b,c,d", "4 (a, b, c, d)"), ("", "0 (none)"), ("0,-1,1", "1 (0)")]
)
def test_requesting_too_many_gpus_fails_with_one_sentence(jobs: Jobs, visible: str, there: str) -> None:
    job = jobs.start(5, CUDA_VISIBLE_DEVICES=visible)
    _, error = job.communicate()
    assert error == (
        f"the job asks for gpu=5, but this machine offers {there}; request fewer with --set-resources "
        "RULE:gpu=N, or check CUDA_VISIBLE_DEVICES and nvidia-smi.\n"
    )


def test_an_unusable_lock_folder_fails_with_one_sentence(jobs: Jobs) -> None:
    (jobs.folder / "locks").write_text("not a folder")
    _, error = jobs.start(1).communicate()
    assert "locks" in error
    assert "cannot hold the GPU locks (Not a directory)" in error
    assert "Traceback" not in error


def test_assigned_gpus_are_passed_through(jobs: Jobs) -> None:
    """Two jobs on a cluster may see the same index, each in its own cgroup."""
    pair = [jobs.start(1, CUDA_VISIBLE_DEVICES="0", GPU_LEASES="off") for _ in range(2)]
    assert [granted(job) for job in pair] == [["0"], ["0"]]
    assert "GPUs as assigned: 0" in jobs.log()


def test_all_users_of_the_machine_can_use_the_lock_files(jobs: Jobs) -> None:
    old = os.umask(0o077)
    try:
        job = jobs.start(1)
    finally:
        os.umask(old)
    granted(job)
    folder = jobs.folder / "locks"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}


@pytest.mark.thorough
def test_nothing_that_scripts_import_asks_cuda_for_its_devices() -> None:
    """CUDA reads CUDA_VISIBLE_DEVICES on first use: a lease after that would have no effect."""
    imports = [
        ast.unparse(node)
        for script in ("extract", "train", "compile", "predict", "score")
        for node in ast.parse((ROOT / f"workflow_scripts/{script}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    asked = "import os, torch\ndef asked(*_): os._exit(1)\ntorch._C._cuda_getDeviceCount = asked\n"
    program = asked + "\n".join([*imports, "import liveness.engines.torch_engine", "print('imported')"])
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "imported\n"
    )


# sets of visible GPUs


def test_visible_gpus_are_read_as_cuda_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, ids in {"7, 9": ["7", "9"], "": [], "3,-1,4": ["3"], "NoDevFiles": [], "1,1": ["1"]}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
        assert gpu_leases.visible_gpus() == ids


def test_all_names_of_a_gpu_share_one_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_leases, "_uuids", lambda: ["GPU-1234-ab", "GPU-5678-cd"])
    assert {gpu_leases._lock_name(gpu) for gpu in ("1", "GPU-5678", "GPU-5678-cd")} == {"GPU-5678-cd.lock"}
    assert gpu_leases._lock_name("MIG-GPU-5678/1/0") == "MIG-GPU-5678_1_0.lock"


def test_jobs_with_disjoint_gpus_do_not_wait_for_each_other(jobs: Jobs) -> None:
    assert granted(jobs.start(2, CUDA_VISIBLE_DEVICES="a,b")) == ["a", "b"]
    waiting = jobs.start(1, log="waiting.log", CUDA_VISIBLE_DEVICES="a,b")
    assert waits(waiting, jobs, "waiting.log")
    assert granted(jobs.start(2, CUDA_VISIBLE_DEVICES="d,c")) == ["d", "c"]


def test_jobs_with_overlapping_gpus_share_the_common_ones(jobs: Jobs) -> None:
    first = jobs.start(2, CUDA_VISIBLE_DEVICES="a,b")
    assert granted(first) == ["a", "b"]
    assert granted(jobs.start(1, CUDA_VISIBLE_DEVICES="b,c")) == ["c"]
    second = jobs.start(1, log="second.log", CUDA_VISIBLE_DEVICES="b,c")
    assert waits(second, jobs, "second.log")
    end(first)
    assert granted(second) == ["b"]


# waiting


def test_waiting_is_logged_at_its_start_and_then_repeatedly(jobs: Jobs) -> None:
    first = jobs.start(3, log="first.log")
    granted(first)
    second = jobs.start(2)
    assert waits(second, jobs, "job.log", reports=3)
    end(first)
    assert granted(second) == ["a", "b"]
    end(second)
    lines = [line.split(" INFO ")[1] for line in jobs.log().splitlines()]
    again = "waiting for 2 of the GPUs a, b, c, d (0 min so far)"
    assert lines[:3] == ["waiting for 2 of the GPUs a, b, c, d", again, again]
    assert lines[-1] == "leased GPU a, b"
    assert "waiting" not in jobs.log("first.log")


def test_later_jobs_do_not_overtake_a_job_that_needs_many_gpus(jobs: Jobs) -> None:
    first = jobs.start(1)
    granted(first)
    large = jobs.start(4, log="large.log")
    assert waits(large, jobs, "large.log")
    small = jobs.start(1, log="small.log")
    assert waits(small, jobs, "small.log")
    end(first)
    assert granted(large) == GPUS
    end(large)
    assert granted(small) == ["a"]


def test_a_killed_waiter_leaves_the_queue(jobs: Jobs) -> None:
    first = jobs.start(1)
    granted(first)
    large = jobs.start(4, log="large.log")
    assert waits(large, jobs, "large.log")
    large.kill()
    assert granted(jobs.start(3)) == ["b", "c", "d"]


# child processes

RANK = (
    "import sys; from liveness.runtime.gpu_leases import lease;"
    " print(*lease(2), flush=True); sys.stdin.read()"
)
PARENT = f"""
lease({{gpus}})
print(subprocess.Popen([sys.executable, "-c", {RANK!r}]).pid, flush=True)
time.sleep(60)
"""


def test_a_started_child_that_leases_again_shares_the_lease_and_keeps_it(jobs: Jobs) -> None:
    """Lightning starts the ranks of distributed training with Popen, which inherits no locks."""
    parent = jobs.start(2, PARENT)
    pid = int(granted(parent)[0])
    assert granted(parent) == ["a", "b"]
    parent.kill()
    other = jobs.start(3, log="other.log")
    assert waits(other, jobs, "other.log")
    os.kill(pid, signal.SIGKILL)
    assert granted(other) == ["a", "b", "c"]


# stress test


def alive(pid: int) -> bool:
    """Return whether the process still has its memory: a dying one frees that before its locks."""
    try:
        return "VmSize" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def claim(folder: Path, gpus: list[str], family: set[int]) -> None:
    """Record this process as user of the GPUs, then look for other live users.

    Of two processes that overlap, the one that writes later sees the other.
    """
    for gpu in gpus:
        path = folder / "claims" / gpu
        with path.open("a") as claims:
            claims.write(f"{os.getpid()}\n")
        others = {int(line) for line in path.read_text().splitlines()} - family - {os.getpid()}
        if overlap := [pid for pid in others if alive(pid)]:
            (folder / "overlaps").open("a").write(f"{gpu}: {os.getpid()} and {overlap}\n")


def stress_job(folder: Path, number: int, gpus: int, seconds: float) -> None:
    """Lease, claim and work.

    Every fourth job forks a child that outlives it; every eighth is killed while it works.
    """
    (folder / f"{number}.asked").write_text(repr(time.monotonic()))
    ids = gpu_leases.lease(gpus)
    (folder / f"{number}.granted").write_text(repr(time.monotonic()))
    assert len(ids) == gpus
    claim(folder, ids, set())
    parent = os.getpid()
    if number % 4 == 0 and not os.fork():
        claim(folder, ids, {parent})
        time.sleep(0.1)
        # these parents kill themselves below: at any speed of the machine, children outlive some
        while number % 8 == 0 and os.getppid() == parent:
            time.sleep(0.01)
        (folder / f"{number}.{'child' if os.getppid() == parent else 'orphan'}").touch()
        os._exit(0)
    time.sleep(seconds)
    if number % 8 == 0:
        os.kill(parent, signal.SIGKILL)


def wait_for_files(folder: Path, pattern: str, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(folder.glob(pattern))) < count:
        assert time.monotonic() < deadline, sorted(folder.iterdir())
        time.sleep(0.01)


def hold_all(folder: Path) -> None:
    """Lease all GPUs until enough jobs wait for them."""
    gpu_leases.lease(6)
    (folder / "held").touch()
    while not (folder / "enough").exists():
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc to see which processes live")
def test_stress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 processes request 1-4 of 6 GPUs; many are killed, and some leave a child behind.

    At any speed of the machine, the first twenty wait, and five of them are killed.
    """
    monkeypatch.setenv("GPU_LEASES", str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a,b,c,d,e,f")
    (tmp_path / "claims").mkdir()
    # cached here once rather than in each process
    gpu_leases._uuids()
    rng = np.random.default_rng(0)
    fork = multiprocessing.get_context("fork")
    # jobs work longer than a process takes to start, so that a queue builds up
    started, jobs, to_kill = time.monotonic(), [], []
    holder = fork.Process(target=hold_all, args=(tmp_path,))
    holder.start()
    wait_for_files(tmp_path, "held", 1)
    for number, gpus in enumerate(rng.choice([1, 2, 3, 4], 200, p=[0.5, 0.2, 0.1, 0.2])):
        job = fork.Process(target=stress_job, args=(tmp_path, number, int(gpus), rng.uniform(0, 0.12)))
        job.start()
        jobs.append(job)
        if rng.random() < 0.2 and number > 19:
            to_kill.append((time.monotonic() + rng.uniform(0, 1), job))
        time.sleep(0.01)
        if number == 19:
            wait_for_files(tmp_path, "*.asked", 20)
            for waiting in jobs[1:6]:
                waiting.kill()
            (tmp_path / "enough").touch()
        for moment, victim in to_kill:
            if moment < time.monotonic():
                victim.kill()
    for job in jobs:
        job.join(60)
    seconds = time.monotonic() - started

    overlaps = tmp_path / "overlaps"
    assert not overlaps.exists(), overlaps.read_text()
    killed = [number for number, job in enumerate(jobs) if job.exitcode == -signal.SIGKILL]
    assert {job.exitcode for job in jobs} == {0, -signal.SIGKILL}
    asked, granted = (
        # a file is empty if its process was killed before it wrote the time
        {
            int(path.stem): float(path.read_text())
            for path in tmp_path.glob(f"*.{moment}")
            if path.stat().st_size
        }
        for moment in ("asked", "granted")
    )
    at_work = len(granted.keys() & set(killed))
    orphans = len(list(tmp_path.glob("*.orphan")))
    passed = max(
        sum(asked[other] > asked[number] + 1 and granted[other] < granted[number] for other in granted)
        for number in granted
    )
    print(
        f"{seconds:.1f} s; killed {at_work} at work, {len(killed) - at_work} waiting; {orphans} children "
        f"outlived their parents; at most {passed} jobs overtook one that came a second earlier"
    )
    assert at_work > 3
    assert len(killed) - at_work > 3
    assert orphans > 3
    # Some overtake, since the kernel requeues waiters behind a killed one. Without a queue, all do.
    assert passed < 50
