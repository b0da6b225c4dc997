"""Measure the cost of a million videos before the first is scored: dry runs and the manifest.

A dry run plans the scoring of videos with supplied weights in 2,000 shards, in three states: fresh,
complete, and after a video was added; the slowest counts. The videos need not exist. The lower
limit is a minimal workflow: as many jobs of one rule with one input and one output, without
checkpoint and params. The videos of the manifest rule do exist, as links to one clip: 10,000 new
ones, or a million of which 1,000 are new. Takes about fifteen minutes on two cores and ends with
lines `name value`.
"""

import csv
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import yaml
from measure import ROOT, argument_parser, report, sized
from tqdm import tqdm

from clips import write_clip
from liveness.video.decoder import probe
from liveness.video.manifest import DTYPES, TABLES, shard_of

SHARDS = sized(2_000, 3)
VIDEOS = sized({"10k": 10_000, "100k": 100_000, "1m": 1_000_000}, {"10k": 10, "100k": 20, "1m": 40})
# videos that are added to a million
NEW = sized(1_000, 10)
# seconds that Snakemake sleeps per job with --touch, but not when it runs jobs
TOUCH_SLEEPS_S = 0.1
# file systems allow about 65,000 hard links to a file
LINKS = 50_000
LEAST = f"""
rule all:
    input: expand("{{number}}.out", number=range({SHARDS}))
rule least:
    input: "one.in"
    output: "{{number}}.out"
    script: "least.py"
"""
MANIFEST = """
import sys
from pathlib import Path
from liveness.video.manifest import build_manifest
videos, results, shards = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
paths = [results / f"{shard}.csv" for shard in range(shards)]
build_manifest(videos, paths, results / "probes.sqlite", workers=len(__import__("os").sched_getaffinity(0)))
"""


class Cost(NamedTuple):
    seconds: float
    mb: float
    output: str


def run(command: Sequence[str], folder: Path) -> Cost:
    """Run a command; return time and peak memory of it and the processes it waited for."""
    log = folder / "log.txt"
    start = perf_counter()
    with log.open("w") as file:
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - start
    output = log.read_text(encoding="utf-8")
    if status:
        raise SystemExit(output)
    return Cost(seconds, usage.ru_maxrss / 1024, output)


def snakemake(folder: Path, *arguments: str) -> Cost:
    options = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(folder / "config.yaml")]
    return run(
        [sys.executable, "-m", "snakemake", "submission", *options, "--cores", "2", *arguments], folder
    )


def least(folder: Path) -> Cost:
    """Plan a minimal workflow with as many jobs as shards."""
    (folder / "Snakefile").write_text(LEAST, encoding="utf-8")
    for name in ("one.in", "least.py"):
        (folder / name).touch()
    return run([sys.executable, "-m", "snakemake", "--cores", "2", "-n"], folder)


def write_manifests(folder: Path, videos: int, when: float) -> None:
    """Write the shards of a manifest as the rule would have written them at time `when`."""
    shards: list[list[str]] = [[] for _ in range(SHARDS)]
    for number in range(videos):
        fname = f"{number // 1000}/{number}.mp4"
        shards[shard_of(fname, SHARDS)].append(fname)
    for shard, names in enumerate(shards):
        path = folder / f"results/manifest/test/{shard}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
            writer.writerow(DTYPES)
            writer.writerows(
                [name, 10**6, 1.7e18, 5.0, 25.0, 720, 1280, 0, "h264", True, ""] for name in names
            )
        os.utime(path, (when, when))


def dry_runs(folder: Path) -> dict[str, float]:
    """Measure planning for each number of videos and each state."""
    config = {
        "data": {"test": {"videos": "videos"}},
        "shards": SHARDS,
        "folds": {"count": 2},
        "models": {
            "m": {"architecture": "convnext_tiny", "folds": [0], "weights": {0: "weights.safetensors"}}
        },
    }
    config["models"]["m"]["image_size"] = 224
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "videos").mkdir()
    (folder / "weights.safetensors").touch()
    figures: dict[str, float] = {}
    worst: dict[str, Cost] = {}
    fresh = snakemake(folder, "-n")
    jobs = int(re.findall(r"^total +(\d+)$", fresh.output, re.MULTILINE)[0])
    figures["scale.jobs"] = jobs
    outputs = [
        line.split("\t")[0] for line in snakemake(folder, "--summary").output.splitlines() if "\t" in line
    ]
    for output in outputs[1:]:
        path = folder / output
        path.parent.mkdir(parents=True, exist_ok=True)
        # folders have no suffix
        if path.suffix:
            path.touch()
        else:
            path.mkdir()
    before = (folder / "weights.safetensors").stat().st_mtime
    for name, videos in VIDEOS.items():
        write_manifests(folder, videos, before)
        os.utime(folder / "videos", (before, before))
        if not worst:
            # only once: it takes minutes, and other sizes only differ in the manifests
            touched = snakemake(folder, "--touch", "--forceall")
            write_manifests(folder, videos, before)
        complete = snakemake(folder, "-n")
        if "Nothing to be done" not in complete.output:
            raise SystemExit(complete.output[-2000:])
        os.utime(folder / "videos")
        added = snakemake(folder, "-n")
        states = {"fresh": fresh, "complete": complete, "added": added}
        for state, cost in states.items():
            figures[f"scale.dryrun_{name}_{state}_s"] = cost.seconds
        worst[name] = max(states.values())
        figures[f"scale.dryrun_{name}_s"] = worst[name].seconds
        figures[f"scale.dryrun_{name}_mb"] = max(cost.mb for cost in states.values())
    figures["scale.job_ms"] = 1e3 * ((touched.seconds - fresh.seconds) / jobs - TOUCH_SLEEPS_S)
    (folder / "least").mkdir()
    figures["scale.dryrun_least_s"] = least(folder / "least").seconds
    figures["scale.dryrun_ratio_to_least"] = worst["1m"].seconds / figures["scale.dryrun_least_s"]
    figures["scale.growth_100k_to_1m"] = worst["1m"].seconds / worst["100k"].seconds
    return figures


def link_videos(folder: Path, videos: int) -> list[str]:
    """Create `videos` hard links to clips of two seconds; return their names."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (64, 36, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    frames = [np.roll(texture, 3 * n, 1) for n in range(50)]
    names = []
    for number in tqdm(range(videos), desc="linking", unit="video"):
        if number % LINKS == 0:
            clip = write_clip(folder.parent / f"clip-{videos}-{number}.mp4", frames, fps=25)
        name = f"{number // 1000}/{number}.mp4"
        if number % 1000 == 0:
            (folder / name).parent.mkdir(parents=True)
        os.link(clip, folder / name)
        names.append(name)
    return names


def manifests(folder: Path) -> dict[str, float]:
    """Measure listing and probing."""
    figures: dict[str, float] = {}
    for name, known in (("10k", 0), ("1m", VIDEOS["1m"] - NEW)):
        videos, results = folder / name / "videos", folder / name / "results"
        results.mkdir(parents=True)
        names = link_videos(videos, VIDEOS[name])
        values = astuple(probe(videos / names[0]))
        with closing(sqlite3.connect(results / "probes.sqlite")) as database:
            database.executescript(TABLES)
            rows = (
                (fname, (status := (videos / fname).stat()).st_size, status.st_mtime_ns)
                for fname in names[:known]
            )
            marks = ", ".join("?" * len(DTYPES))
            database.executemany(f"insert into probed values ({marks})", ((*row, *values) for row in rows))  # noqa: S608
            database.commit()
        cost = run([sys.executable, "-c", MANIFEST, str(videos), str(results), str(SHARDS)], folder)
        figures[f"scale.manifest_{name}_s"] = cost.seconds
        figures[f"scale.manifest_{name}_mb"] = cost.mb
    figures["scale.manifest_videos_per_s"] = VIDEOS["10k"] / figures["scale.manifest_10k_s"]
    return figures


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        for name in ("dryrun", "manifest"):
            (Path(folder) / name).mkdir()
        return dry_runs(Path(folder, "dryrun")) | manifests(Path(folder, "manifest"))


if __name__ == "__main__":
    argument_parser(__doc__).parse_args()
    report(measure)
