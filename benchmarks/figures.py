"""Figures of benchmarks: runs that give them, lines `name value` that show them, files that keep them."""

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
    """Run the workflow in a folder, with a configuration that is kept there."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    command += ["--directory", str(folder), *targets, "--configfile", str(path)]
    subprocess.run(command, check=True, cwd=ROOT)


def interleave(parts: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each part; one round runs each once, so that a slow spell of the machine hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in tqdm(range(rounds), desc=", ".join(parts), unit="round"):
        for name, part in parts.items():
            start = perf_counter()
            part()
            seconds[name].append(perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def report(measure: Callable[[], Mapping[str, float]], arguments: Sequence[str] = ()) -> None:
    """Print what `measure` finds; in a clean checkout, what it found at this commit with these arguments."""
    kept = _kept_file(arguments)
    if kept and kept.is_file():
        print(f"measured before at this commit; remove {kept} to measure again")
        figures = json.loads(kept.read_text(encoding="utf-8"))
    else:
        figures = dict(measure())
        if kept:
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(figures), encoding="utf-8")
    for name, value in figures.items():
        print(name, f"{value:.4g}")


def _kept_file(arguments: Sequence[str]) -> Path | None:
    """Where this commit's figures are kept; None where the checkout is changed or is none."""

    def git(*command: str) -> str | None:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit or git("status", "--porcelain"):
        return None
    return KEPT / "-".join([Path(sys.argv[0]).stem, *arguments, f"{commit[:12]}.json"])
