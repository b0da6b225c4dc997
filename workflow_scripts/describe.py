"""Tables of the training videos: balance, formats, near-duplicates, doubtful labels, unreadable files."""

import json
from pathlib import Path

from liveness.inventory import inventory
from liveness.labels import read_attacks, read_folds
from liveness.log import start_log
from liveness.manifest import read_manifest
from liveness.outputs import whole

start_log(snakemake.log[0])
folds = read_folds(snakemake.input.folds)
folds["attack"] = read_attacks(snakemake.input.labels, folds.index)
videos = read_manifest(snakemake.input.manifests).set_index("fname")
leakage = json.loads(Path(snakemake.input.leakage).read_text(encoding="utf-8"))
with whole(snakemake.output[0]) as path:
    path.write_text(inventory(folds, videos, leakage), encoding="utf-8")
