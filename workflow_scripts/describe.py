"""Summarise the training videos: balance, formats, near-duplicates, likely label errors."""

import json
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import read_folds, with_attacks
from liveness.report.data_summary import inventory
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.video.manifest import read_manifest

snakemake: Snakemake

start_log(snakemake.log[0])
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
videos = read_manifest(snakemake.input.manifests).set_index("fname")
leakage = json.loads(Path(snakemake.input.leakage).read_text(encoding="utf-8"))
with atomic_write(snakemake.output[0]) as path:
    path.write_text(inventory(folds, videos, leakage), encoding="utf-8")
