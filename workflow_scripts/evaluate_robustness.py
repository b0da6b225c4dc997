"""Compute held-out rates of degraded videos, attack types, folds and groups."""

import logging
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.aggregation import Aggregation, check_held_out, read_video_scores
from liveness.ensemble.blend import held_out
from liveness.ensemble.recipe import BlendRecipe
from liveness.evaluation.robustness import by_group, robustness
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each

snakemake: Snakemake

start_log(snakemake.log[0])
params = snakemake.params
recipe = BlendRecipe(**params.ensemble, criterion=params.threshold)
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
scores = read_video_scores(of_each(snakemake.input.scores, SCORES_FILE), Aggregation(**params.aggregate))
check_held_out(scores, folds)
about = folds[["liveness_score", "group", "attack"]]
plain = held_out(scores, folds, recipe).join(about)
degraded = {}
for name in params.degradations:
    shards = [path for path in snakemake.input.degraded if Path(path).parent.name == name]
    judged = read_video_scores(shards, Aggregation(**params.aggregate))
    check_held_out(judged, folds)
    degraded[name] = held_out(scores, folds, recipe, judged).join(about)
table = robustness(plain, degraded, params.seed)
logging.info(
    "held-out EER:\n%s", table[["kind", "name", "eer", "eer_low", "eer_high"]].to_string(index=False)
)
with atomic_write(snakemake.output.robustness) as path:
    write_csv(table, path)
with atomic_write(snakemake.output.groups) as path:
    write_csv(by_group(plain), path)
