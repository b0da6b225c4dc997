"""List training videos whose label is likely wrong, and show them."""

import logging

from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.blend import read_held_out
from liveness.evaluation.error_analysis import describe_video, spread_frames, verdicts
from liveness.evaluation.label_errors import doubtful_labels
from liveness.report.html_pages import Card, contact_sheet, page, paragraph
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.video.frame_subset import frame_subset

snakemake: Snakemake

VIDEOS = 48
FRAMES = 4

start_log(snakemake.log[0])
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
videos = verdicts(read_held_out(snakemake.input.held_out), folds)
doubtful = doubtful_labels(videos)
note = f"{len(doubtful)} of {len(videos)} labels are likely wrong; the likeliest first."
logging.info(note)
with atomic_write(snakemake.output.table) as path:
    write_csv(doubtful, path, index=True)

shown = doubtful.head(VIDEOS)
names = [str(fname) for fname in shown.index]
params = snakemake.params
with frame_subset(names, snakemake.input.manifests, params.videos, params.frames, snakemake.threads) as store:
    cards = [
        Card(
            fname,
            describe_video(video),
            spread_frames(store, fname, FRAMES),
            "labelled live" if video["liveness_score"] else "labelled spoof",
        )
        for fname, (_, video) in zip(names, shown.iterrows(), strict=True)
    ]
with atomic_write(snakemake.output.sheet) as path:
    text = page("Labels that are likely wrong", paragraph(note), contact_sheet(cards))
    path.write_text(text, encoding="utf-8")
