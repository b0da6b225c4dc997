"""Tables of the training videos: balance, formats, near-duplicates, doubtful labels, unreadable files."""

import json
from pathlib import Path

from liveness.inventory import inventory
from liveness.labels import read_folds, read_labels
from liveness.log import start_log
from liveness.manifest import read_manifest
from liveness.outputs import whole

start_log(snakemake.log[0])
labels = read_labels(snakemake.input.labels).set_index("fname")
folds = read_folds(snakemake.input.folds)
folds["attack"] = labels["attack"].reindex(folds.index, fill_value="") if "attack" in labels else ""
videos = read_manifest(snakemake.input.manifests).set_index("fname")
leakage = json.loads(Path(snakemake.input.leakage).read_text(encoding="utf-8"))
with whole(snakemake.output[0]) as path:
    path.write_text(inventory(folds, videos, leakage), encoding="utf-8")
