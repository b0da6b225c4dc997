"""Dry runs in processes forked with Snakemake loaded, which takes 90 % of a new one's time."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# other modules that a dry run imports
import jsonschema
import nbformat
import pandas
import smart_open
import snakemake.cli
import snakemake.profiles
import snakemake.report.html_reporter
import yte

__all__ = ["jsonschema", "nbformat", "pandas", "smart_open", "yte"]

# none of our modules are preloaded: each forked process imports the library itself
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["planning"])


def dry_run(arguments: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run `snakemake -n` in a folder; return the exit status and the output."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        process = PROCESSES.Process(target=_run, args=(["-n", *arguments], folder, output.name))
        process.start()
        process.join()
        return process.exitcode or 0, output.read()


def _run(arguments: list[str], folder: Path, output: str) -> None:
    os.chdir(folder)
    file = os.open(output, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
    snakemake.cli.main(arguments)
