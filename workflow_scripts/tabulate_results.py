"""Make sortable pages of held-out rates, of held-out videos, and of the training data."""

import json
from html import escape
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.aggregation import Aggregation, check_held_out, model_scores, read_video_scores
from liveness.ensemble.blend import read_held_out
from liveness.evaluation.error_analysis import verdicts
from liveness.report.data_summary import balance, formats, leakage_table
from liveness.report.html_pages import page, paragraph, sortable_table
from liveness.report.markdown import divided, division_notes, notes, rates
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each
from liveness.video.manifest import read_manifest

snakemake: Snakemake

start_log(snakemake.log[0])
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
scores = read_video_scores(
    of_each(snakemake.input.scores, SCORES_FILE), Aggregation(**snakemake.params.aggregate)
)
check_held_out(scores, folds)
metrics = json.loads(Path(snakemake.input.metrics).read_text(encoding="utf-8"))
leakage = json.loads(Path(snakemake.input.leakage).read_text(encoding="utf-8"))
manifest = read_manifest(snakemake.input.manifests).set_index("fname")
videos = verdicts(read_held_out(snakemake.input.held_out), folds)
videos = videos.join(model_scores(scores).add_prefix("score of ")).sort_values("score").reset_index()

by_column = []
for column, division in metrics["by"].items():
    by_column += [f"<h2>By {escape(column)}</h2>", sortable_table(divided(column, division))]
    by_column += map(paragraph, division_notes(column, division))

pages = {
    "rates": page(
        "Held-out figures",
        sortable_table(rates(metrics)),
        *map(paragraph, notes(metrics)),
        *by_column,
    ),
    "videos": page("Held-out videos", sortable_table(videos, snakemake.input.held_out)),
    "data": page(
        "Training videos",
        sortable_table(balance(folds)),
        "<h2>Formats</h2>",
        sortable_table(formats(manifest, folds["liveness_score"])),
    ),
    "leakage": page(
        "What about the training videos is doubtful",
        sortable_table(leakage_table(leakage), snakemake.input.leakage),
    ),
}
for name, text in pages.items():
    with atomic_write(snakemake.output[name]) as path:
        path.write_text(text, encoding="utf-8")
