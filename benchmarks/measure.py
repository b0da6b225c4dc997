"""Benchmark results: run measurements, print them as lines `name value`, and cache them."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import yaml
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".benchmarks"


def snakemake(folder: Path, config: Mapping[str, Any], *targets: str) -> None:
    """Run the workflow in a folder, with a configuration that is saved there."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    command += ["--directory", str(folder), *targets, "--configfile", str(path)]
    subprocess.run(command, check=True, cwd=ROOT)


def interleave(parts: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each part.

    Each round runs every part once, so that slow phases of the machine affect all parts alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in tqdm(range(rounds), desc=", ".join(parts), unit="round"):
        for name, part in parts.items():
            start = perf_counter()
            part()
            seconds[name].append(perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def report(measure: Callable[[], Mapping[str, float]], arguments: Sequence[str] = ()) -> None:
    """Print the results of `measure`.

    In a clean checkout results are cached by commit and arguments.
    """
    kept = _kept_file(arguments)
    if kept and kept.is_file():
        print(f"already measured at this commit; remove {kept} to measure again")
        figures = json.loads(kept.read_text(encoding="utf-8"))
    else:
        figures = dict(measure())
        if kept:
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(figures), encoding="utf-8")
    for name, value in figures.items():
        print(name, f"{value:.4g}")


def _kept_file(arguments: Sequence[str]) -> Path | None:
    """Return the cache file of this commit, or None outside a clean checkout."""

    def git(*command: str) -> str | None:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit or git("status", "--porcelain"):
        return None
    return KEPT / "-".join([Path(sys.argv[0]).stem, *arguments, f"{commit[:12]}.json"])
