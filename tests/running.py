"""Run the workflow as users do, on a tiny dataset of encoded videos."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from clips import write_clip
from dry_runs import dry_run

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared/data"

# names that break naive workflows: spaces, quotes, Unicode, subfolders, other containers, no suffix
TRAIN_NAMES = [
    "plain.mp4", "two words.mp4", "it's.mov", "ánh sáng.webm", "sub/folder.mkv", "007.avi",
    "percent%20.mp4", "semi;colon.mp4", "NA.mp4", "{braces}.mp4", "tab_less", "UPPER.MP4",
]  # fmt: skip
TEST_NAMES = ["10.mp4", "9.mp4", "new one.mp4", "đêm/2.webm"]
CODECS = {".webm": "libvpx-vp9", ".avi": "mpeg4"}


def film(folder: Path, names: Iterable[str], seed: int) -> None:
    """Write a clip of one second per name; every second one is bluish, so models can learn it."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        texture = rng.integers(0, 255, (16, 12, 3)).repeat(10, 0).repeat(10, 1).astype(np.uint8)
        if number % 2:
            texture[..., 2] = 255
        images = [np.roll(texture, 3 * step, axis=1) for step in range(8)]
        codec = CODECS.get(path.suffix, "libx264")
        write_clip(path, images, fps=8, codec=codec, format=None if path.suffix else "mp4")


def tiny_config(**changes: Any) -> dict[str, Any]:
    """Return a configuration of two small, different models on two folds.

    `changes` replace top-level keys.
    """
    config: dict[str, Any] = {
        "data": {"train": {"videos": "train", "labels": "labels.csv"}, "test": {"videos": "test"}},
        "shards": 2,
        "frames": {"count": 3, "short_side": 96},
        "folds": {"count": 2, "groups": "labels"},
        "models": {
            "convnext": {"architecture": "test_convnext", "image_size": 64, "pretrained": False},
            "vit": {"architecture": "test_vit", "image_size": 96, "pretrained": False},
        },
        "training": {"epochs": 2, "warmup_epochs": 0, "batch_size": 8},
    }
    return config | changes


def name_data(folder: Path) -> None:
    """Create the files needed to plan `tiny_config`: labels, and empty files for videos."""
    for name in ("train", "test"):
        (folder / name).mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / "train" / name).touch()
    (folder / "labels.csv").write_text("fname,liveness_score\na.mp4,1\nb.mp4,0\n", encoding="utf-8")


def here(*arguments: str) -> list[str]:
    """Return arguments of a local run: tiny jobs run faster in parallel than with threads."""
    return ["--cores", "2", *arguments, "--set-threads", "train=1", "predict=1"]


class Run:
    """A working directory outside the checkout with its own data and configuration."""

    def __init__(self, folder: Path, config: dict[str, Any], root: Path = ROOT) -> None:
        self.folder = folder
        self.root = root
        self.configure(config)

    def configure(self, config: dict[str, Any]) -> None:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def options(self) -> list[str]:
        """Snakemake's options for this directory."""
        options = ["--snakefile", str(self.root / "Snakefile"), "--directory", str(self.folder)]
        return [*options, "--configfile", str(self.folder / "config.yaml")]

    @property
    def command(self) -> list[str]:
        """The Snakemake command for this directory, without further arguments."""
        return [sys.executable, "-m", "snakemake", *self.options]

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake and return its output; with `fails` it must fail."""
        command = [*self.command, *here(*arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.root)
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        return output

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return the jobs of a dry run by rule."""
        status, output = dry_run([*self.options, *here(*arguments)], self.root)
        assert status == 0, output
        return job_table(output)

    def executed(self, *arguments: str) -> dict[str, int]:
        """Run and return the finished jobs by rule.

        A dry run overestimates the jobs after a checkpoint.
        """
        return finished_jobs(self.snakemake(*arguments))

    def copy(self, folder: Path) -> "Run":
        """Copy the run to change it; modification times are kept, so nothing in it is stale."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        return type(self)(folder, config, self.root)


def job_table(output: str) -> dict[str, int]:
    """Return the job counts that a dry run prints, without targets."""
    jobs: dict[str, int] = {}
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("job ") and "count" in line:
            next(lines)
            for row in lines:
                name, _, count = row.rpartition(" ")
                if name.strip() in ("", "total"):
                    break
                jobs[name.strip()] = int(count)
    return {name: count for name, count in jobs.items() if name not in TARGETS}


TARGETS = {"all", "manifests", "frames", "models", "engines", "scores", "submission", "evaluation", "report"}


def finished_jobs(output: str) -> dict[str, int]:
    """Count finished jobs by rule."""
    jobs: dict[str, int] = {}
    for line in output.splitlines():
        if line.startswith("Finished jobid:"):
            rule = line.partition("(Rule: ")[2].rstrip(")")
            if rule not in TARGETS:
                jobs[rule] = jobs.get(rule, 0) + 1
    return jobs
