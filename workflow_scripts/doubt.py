"""Training videos whose label is likely wrong: a table, and what they look like."""

import logging

import numpy as np

from liveness.blend import read_held_out
from liveness.doubts import doubtful_labels
from liveness.frames import FrameStore
from liveness.labels import read_folds, with_attacks
from liveness.log import start_log
from liveness.outputs import whole
from liveness.sheet import Tile, contact_sheet

start_log(snakemake.log[0])
params = snakemake.params
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
videos = read_held_out(snakemake.input.held_out).join(folds[["liveness_score", "group", "attack"]])
doubtful = doubtful_labels(videos)
logging.info("%d of %d labels are likely wrong", len(doubtful), len(videos))
with whole(snakemake.output.table) as path:
    doubtful.to_csv(path)

store = FrameStore(snakemake.input.frames)
tiles = []
for fname, video in doubtful.head(params.shown).iterrows():
    rows = store.rows(fname)
    chosen = rows[np.unique([0, len(rows) // 2, len(rows) - 1])]
    label = "live" if video["liveness_score"] else "spoof"
    tiles.append(
        Tile([store.image(row) for row in chosen], [fname, f"labelled {label}, score {video['score']:.2f}"])
    )
with whole(snakemake.output.sheet) as path:
    contact_sheet("Labels that are likely wrong", tiles, columns=3).save(path, "PNG")
