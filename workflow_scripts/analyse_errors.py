"""Sheets of the held-out videos that were judged worst, with what each model saw in them."""

import logging

import pandas as pd

from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.aggregation import check_held_out
from liveness.ensemble.blend import read_held_out
from liveness.evaluation.error_analysis import (
    FALSE_ACCEPT,
    FALSE_REJECT,
    about,
    judged,
    spread_frames,
    telling_frames,
    worst,
)
from liveness.models.checkpoint import load_checkpoint
from liveness.report.grad_cam import explained
from liveness.report.html_pages import Card, contact_sheet, page, paragraph
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each
from liveness.video.frame_subset import frame_subset

SHOWN = 24
FRAMES = 4

start_log(snakemake.log[0])
params = snakemake.params
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
videos = judged(read_held_out(snakemake.input.held_out), folds)
shards = of_each(snakemake.input.scores, SCORES_FILE)
scores = pd.concat(map(pd.read_parquet, shards), ignore_index=True)
check_held_out(scores.drop_duplicates(["fname", "model", "fold"]), folds)
shown = {label: worst(videos, label, SHOWN) for label in (0, 1)}
labels = pd.concat(shown.values())["liveness_score"].to_dict()

weights = dict(zip(map(tuple, params.members), snakemake.input.weights, strict=True))
with frame_subset(
    labels, snakemake.input.manifests, params.videos, params.frames, snakemake.threads
) as store:
    pictures = {fname: spread_frames(store, fname, FRAMES) for fname in labels}
    for name, model in params.models.items():
        telling = telling_frames(scores[scores["model"] == name], labels)
        for fold, frames in telling.groupby("fold"):
            checkpoint = load_checkpoint(weights[name, fold], model["architecture"], model["image_size"])
            try:
                for fname, caption, picture in explained(checkpoint, name, frames, labels, store):
                    pictures[fname][caption] = picture
            except InputError as error:
                logging.warning("no heat maps of %s: %s", name, error)

for label, name, title, verdict in (
    (0, "accepts", "Attacks that look most live", FALSE_ACCEPT),
    (1, "rejects", "Live videos that look most like attacks", FALSE_REJECT),
):
    wrong = videos.loc[videos["liveness_score"] == label, "verdict"] == verdict
    worst = f"{wrong.sum()} of {len(wrong)} were judged wrong; the worst first."
    note = f"{worst} Heat maps show what spoke for it."
    cards = [
        Card(fname, about(video), pictures[fname], verdict if video["verdict"] == verdict else "")
        for fname, video in shown[label].iterrows()
    ]
    with atomic_write(snakemake.output[name]) as path:
        path.write_text(page(title, paragraph(note), contact_sheet(cards)), encoding="utf-8")
