"""Remove the folders of files that were only needed on the way to the results."""

import logging
import shutil
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
for folder in filter(Path.is_dir, map(Path, snakemake.params.folders)):
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    logging.info("%s: %.1f MB removed", folder, size / 1e6)
