"""Show the held-out videos that were judged worst, with Grad-CAM evidence of each model."""

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.aggregation import check_held_out
from liveness.ensemble.blend import read_held_out
from liveness.evaluation.error_analysis import FALSE_ACCEPT, FALSE_REJECT, verdicts, worst
from liveness.report.error_sheets import error_pictures, error_sheet
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each
from liveness.video.frame_subset import frame_subset

snakemake: Snakemake

SHOWN = 24

start_log(snakemake.log[0])
params, inputs = snakemake.params, snakemake.input
folds = with_attacks(read_folds(inputs.folds), inputs.labels)
videos = verdicts(read_held_out(inputs.held_out), folds)
scores = pd.concat(map(pd.read_parquet, of_each(inputs.scores, SCORES_FILE)), ignore_index=True)
check_held_out(scores.drop_duplicates(["fname", "model", "fold"]), folds)
shown = {label: worst(videos, label, SHOWN) for label in (0, 1)}
labels = {str(fname): label for label, table in shown.items() for fname in table.index}
weights = dict(zip(map(tuple, params.members), inputs.weights, strict=True))
with frame_subset(labels, inputs.manifests, params.videos, params.frames, snakemake.threads) as store:
    pictures = error_pictures(store, labels, scores, weights, params.models)
for label, output, title, verdict in (
    (0, snakemake.output.accepts, "Attacks that look most live", FALSE_ACCEPT),
    (1, snakemake.output.rejects, "Live videos that look most like attacks", FALSE_REJECT),
):
    column = videos.loc[videos["liveness_score"] == label, "verdict"]
    with atomic_write(output) as path:
        sheet = error_sheet(title, verdict, column, shown[label], pictures)
        path.write_text(sheet, encoding="utf-8")
