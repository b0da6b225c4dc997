"""Run measurements, print their results as lines `name value`, and cache them.

With `--smoke` a benchmark runs all of its code in seconds, at sizes that make its results
meaningless.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".benchmarks"
# known before arguments are parsed, also to the processes that a benchmark starts
SMOKE = "--smoke" in sys.argv

sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

from running import film  # noqa: E402

Size = TypeVar("Size")


def sized(full: Size, smoke: Size) -> Size:
    """Return the size of this run: `full`, or with `--smoke` the small one."""
    return smoke if SMOKE else full


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows `--smoke`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="run all code once, at tiny sizes")
    return parser


def small_config(config: Mapping[str, Any], trained: Sequence[int] = (0,)) -> dict[str, Any]:
    """Return the configuration with networks and training that take seconds.

    Of two folds, only those in `trained` get a model.
    """
    tiny = {"architecture": "test_convnext", "image_size": 32, "pretrained": False, "folds": [*trained]}
    return {
        **config,
        "shards": 1,
        "frames": {**config["frames"], "count": 2, "short_side": 64},
        "folds": {**config["folds"], "count": 2},
        "models": {name: {**model, **tiny} for name, model in config["models"].items()},
        "training": {**config["training"], "epochs": 1, "warmup_epochs": 0, "batch_size": 4},
        "engine": {**config["engine"], "precision": "fp32"},
    }


def stand_in(folder: Path) -> None:
    """Write twelve tiny clips of six people, laid out and labelled like the demo."""
    for split, table, first, last in (("train", "labels.csv", 0, 8), ("test", "answers.csv", 8, 12)):
        numbers = range(first, last)
        names = [f"{number}.mp4" for number in numbers]
        film(folder / split / "videos", names, seed=first)
        pd.DataFrame(
            {
                "fname": names,
                "liveness_score": [number % 2 for number in numbers],
                "group": [f"person{number // 2}" for number in numbers],
                "attack": np.where([number % 2 for number in numbers], "", "replay"),
            }
        ).to_csv(folder / split / table, index=False)


def snakemake(folder: Path, config: Mapping[str, Any], *targets: str, log: Path | None = None) -> None:
    """Run the workflow in a folder, with a configuration that is saved there.

    With `log` its output goes to that file.
    """
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    command += ["--directory", str(folder), *targets, "--configfile", str(path)]
    if log is None:
        subprocess.run(command, check=True, cwd=ROOT)
        return
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"Snakemake failed in {folder}; its output is in {log}.")


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

    In a clean checkout results are cached by commit and arguments, except those of `--smoke`.
    """
    kept = None if SMOKE else _kept_file(arguments)
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
