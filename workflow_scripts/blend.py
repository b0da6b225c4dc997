"""Fit the blend on held-out scores; score each held-out video by one fitted without its fold."""

import logging

from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.dataset.labels import read_folds
from liveness.ensemble.aggregation import Aggregation, check_held_out, read_video_scores
from liveness.ensemble.blend import fit_blend, held_out, write_blend
from liveness.ensemble.class_order import reversed_models
from liveness.ensemble.recipe import BlendRecipe
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each

snakemake: Snakemake

start_log(snakemake.log[0])
params = snakemake.params
recipe = BlendRecipe(**params.ensemble, criterion=params.threshold)
folds = read_folds(snakemake.input.folds)
scores = read_video_scores(of_each(snakemake.input.scores, SCORES_FILE), Aggregation(**params.aggregate))
check_held_out(scores, folds)
for sentence in reversed_models(scores, folds):
    logging.warning("%s", sentence)
blend = fit_blend(scores, folds, recipe)
logging.info(
    "the blend (%s) was fitted on %d held-out videos; live is a score of at least %.4f (%s)",
    blend.method, blend.videos, blend.threshold, blend.criterion,
)  # fmt: skip
with atomic_write(snakemake.output.blend) as path:
    write_blend(blend, path)
with atomic_write(snakemake.output.held_out) as path:
    write_csv(held_out(scores, folds, recipe), path, index=True)
