"""profiles/slurm: the workflow on a real one-node Slurm with two fake GPUs (slurm_cluster.py)."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from running import ROOT, TEST_NAMES, Run, tiny_config
from slurm_cluster import cluster, obstacle
from slurm_cluster import install as slurm_packages

PROFILE = ROOT / "profiles/slurm"
MODELS = {"convnext": {"architecture": "test_convnext", "image_size": 64, "pretrained": False}}
WEIGHTS = [f"results/weights/convnext/{fold}.safetensors" for fold in (0, 1)]
LOGS = [f"results/logs/train/convnext/{fold}.log" for fold in (0, 1)]
# as in the comments of the profile
ARRAYS = ["--slurm-array-jobs", "extract,predict,predict_degraded"]
EVERYTHING_AT_ONCE = ["--jobs", "10000", "--max-jobs-per-timespan", "10000/1s"]
# enough epochs to interrupt training halfway, and more than it can ever finish
EPOCHS, ENDLESS = 60, 100_000
# limit for runs of a few minutes that share the machine with other tests
LIMIT_S = 1800


def config(**changes: Any) -> dict[str, Any]:
    """Return a configuration of one model and two folds: each job starts Snakemake twice."""
    return tiny_config(shards=1, models=MODELS) | changes


class ClusterRun(Run):
    """A working directory whose jobs run on Slurm."""

    @property
    def command(self) -> list[str]:
        # the profile polls Slurm rarely, as suits a shared cluster
        asking = ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
        return [*super().command, "--workflow-profile", str(PROFILE), *asking]

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start Snakemake in the background; kill it at the end if necessary."""
        command = [*self.command, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # processes that a shell starts in the background ignore Ctrl-C, and so do their children
        heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        with subprocess.Popen(command, text=True, cwd=self.root, **pipes, **heard) as process:
            try:
                yield process
            finally:
                process.kill()

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        with self.started(*arguments) as process:
            output, _ = process.communicate(timeout=LIMIT_S)
        assert (process.returncode != 0) == fails, output
        return output

    def log(self, path: str) -> str:
        file = self.folder / path
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def trains(self, fold: int) -> bool:
        """Return True once the fold's training is past its first epoch."""
        return any(self.folder.glob(f"results/training/convnext/{fold}/*/last.ckpt"))


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def queued() -> list[str]:
    """Return the ids of pending, running and completing jobs."""
    return slurm("squeue", "--noheader", "--format=%i").split()


def until(condition: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, slurm("squeue", "--states=all")
        time.sleep(0.1)


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ClusterRun, str]]:
    """The whole workflow after a run on Slurm, with its output; Slurm stays up."""
    if reason := obstacle():
        pytest.skip(f"no Slurm can be started here: {reason}")
    try:
        slurm_packages()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"Slurm's packages cannot be had here: {error}")
    plugin = tmp_path_factory.mktemp("plugin")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run([*install, "--target", plugin, "-r", ROOT / "requirements-slurm.txt"], check=True)
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(dataset, folder, dirs_exist_ok=True)
    run = ClusterRun(folder, config())
    with pytest.MonkeyPatch.context() as patch, cluster():
        patch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(plugin)]))
        yield run, run.snakemake(*ARRAYS, *EVERYTHING_AT_ONCE)


@pytest.fixture
def run(whole: tuple[ClusterRun, str], tmp_path: Path) -> ClusterRun:
    """A copy of the finished run."""
    copy = whole[0].copy(tmp_path / "run")
    assert isinstance(copy, ClusterRun)
    return copy


def train_again(run: ClusterRun, epochs: int) -> None:
    """Change the configuration of a finished run so that it must train again."""
    run.configure(config(training=tiny_config()["training"] | {"epochs": epochs}))


@pytest.mark.slow
@pytest.mark.slurm
def test_the_whole_workflow_ends_in_a_submission(whole: tuple[ClusterRun, str]) -> None:
    run, output = whole
    submission = pd.read_csv(run.folder / "results/submission.csv")
    assert set(submission["fname"]) == set(TEST_NAMES)
    assert submission["liveness_score"].between(0, 1).all()
    assert (run.folder / "results/metrics.json").is_file()
    assert not queued()
    assert "Submitted array job" in output
    # export and compile of each fold are grouped into one job; so are blend and evaluate
    sent = [name.split("_wildcards_")[0] for name in slurm("squeue", "-t", "all", "-h", "-o", "%k").split()]
    grouped = sorted(name.partition("_")[2] for name in sent if "engine" in name or "verdict" in name)
    assert grouped == ["engine_compile_export"] * 2 + ["verdict_blend_evaluate"]


@pytest.mark.slow
@pytest.mark.slurm
def test_folds_that_train_at_once_have_a_gpu_each(whole: tuple[ClusterRun, str]) -> None:
    assigned = [re.findall("GPUs as assigned: (.*)", whole[0].log(log)) for log in LOGS]
    assert sorted(assigned) == [["0"], ["1"]]


@pytest.mark.slow
@pytest.mark.slurm
def test_stopped_trainings_go_on(run: ClusterRun) -> None:
    """One job is preempted and requeued by Slurm; the other hits its time limit and is retried."""
    train_again(run, EPOCHS)
    with run.started(*WEIGHTS) as process:
        until(lambda: run.trains(fold=0) and run.trains(fold=1))
        jobs = dict(re.findall(r"^(\d+) .*convnext_(\d)", slurm("squeue", "-h", "-o", "%i %k"), re.MULTILINE))
        preempted, timed_out = sorted(jobs, key=jobs.__getitem__)
        slurm("scontrol", "requeue", preempted)
        # the signal that the profile's --signal=TERM@120 sends
        slurm("scancel", "--signal=TERM", timed_out)
        output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, output
    assert "Restarts=1" in slurm("scontrol", "show", "job", preempted)
    assert output.count("Trying to restart job") == 1
    for fold in (0, 1):
        assert re.search(r"resuming with epoch \d+ from results/training", run.log(LOGS[fold]))
        history = pd.read_csv(run.folder / f"results/history/convnext/{fold}.csv")
        assert history["epoch"].tolist() == list(range(EPOCHS))


@pytest.mark.slow
@pytest.mark.slurm
def test_the_sentence_of_a_failed_job_reaches_the_user(run: ClusterRun) -> None:
    """After a retry with twice the memory."""
    (run.folder / "broken").mkdir()
    (run.folder / "broken/noise.mp4").write_bytes(bytes(range(256)))
    data = tiny_config()["data"] | {"test": {"videos": "broken"}}
    run.configure(config(data=data, ensemble={"calibration": "temperature"}))
    output = run.snakemake("submission", "evaluation", "--retries", "1", fails=True)
    assert "mem_mb=4000," in output
    assert "mem_mb=8000," in output
    said = [line for line in output.strip().splitlines()[-8:] if " failed: " in line]
    assert len(said) == 1
    assert said[0].startswith(
        "submit failed: 1 of 1 videos cannot be read, more than inference.max_unreadable"
    )


@pytest.mark.slow
@pytest.mark.slurm
def test_cancelling_leaves_nothing_running(run: ClusterRun) -> None:
    train_again(run, ENDLESS)
    with run.started(*WEIGHTS) as process:
        until(lambda: run.trains(fold=0) and run.trains(fold=1))
        assert len(queued()) == 2
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode != 0
    assert "\ninterrupted: run the same command again" in output
    until(lambda: not queued())
    assert subprocess.run(["pgrep", "-f", str(run.folder)], capture_output=True).stdout == b""


@pytest.mark.slow
@pytest.mark.slurm
def test_the_commands_of_the_guide(run: ClusterRun) -> None:
    lines = "".join((ROOT / name).read_text() for name in ("README.md", "docs/clusters.md")).splitlines()
    commands = {
        line.split("#")[0].strip() for line in lines if "snakemake --workflow-profile profiles/slurm" in line
    }
    shutil.copy(ROOT / "config.yaml", run.folder / "my.yaml")
    shutil.copytree(PROFILE, run.folder / "profiles/slurm")
    for command in commands:
        words = [sys.executable, "-m", *command.split()[0].split("/")[-1:], *command.split()[1:], "-n"]
        words += ["--snakefile", str(ROOT / "Snakefile")]
        done = subprocess.run(words, cwd=run.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert commands


def test_the_profile_has_a_number_of_cores_for_each_rule_that_spreads_over_them() -> None:
    """Otherwise a rule would request the cores of the submitting machine."""
    rules: dict[str, str] = {}
    for path in (ROOT / "rules").glob("*.smk"):
        blocks = re.split(r"^(?:rule|checkpoint) (\w+):$", path.read_text(), flags=re.MULTILINE)
        rules |= dict(zip(blocks[1::2], blocks[2::2], strict=True))
    profile = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    default = yaml.safe_load((ROOT / "profiles/default/profile.yaml").read_text())
    spread = {name for name, text in rules.items() if "threads:" in text} | set(default["set-threads"])
    assert set(profile["set-threads"]) == spread
    assert {*profile["set-resources"], *profile["groups"]} <= set(rules)
