"""Compute held-out error rates of every model and of the blend, with intervals."""

import json
import logging

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import divisions_of, read_folds, with_attacks
from liveness.ensemble.aggregation import Aggregation, read_video_scores
from liveness.ensemble.blend import read_blend, read_held_out
from liveness.ensemble.class_order import reversed_models
from liveness.ensemble.recipe import BlendRecipe
from liveness.evaluation.held_out_metrics import held_out_metrics
from liveness.report.markdown import headline, summary
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each

snakemake: Snakemake

start_log(snakemake.log[0])
params = snakemake.params
shards = of_each(snakemake.input.scores, SCORES_FILE)
scores = read_video_scores(shards, Aggregation(**params.aggregate))
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
metrics = held_out_metrics(
    scores,
    folds,
    read_blend(snakemake.input.blend),
    read_held_out(snakemake.input.held_out),
    BlendRecipe(**params.ensemble, criterion=params.threshold),
    params.seed,
    divisions_of(folds, snakemake.input.labels, params.by),
    pd.concat(map(pd.read_parquet, shards)) if params.frame_level else None,
)
metrics["supplied_weights"] = params.supplied
metrics["reversed"] = reversed_models(scores, folds)
for name, rates in (metrics["models"] | {"the blend": metrics["blend"]}).items():
    logging.info("held-out EER of %s: %s", name, headline(rates))
for sentence in metrics["reversed"]:
    logging.warning("%s", sentence)
for divided in metrics["by"].values():
    for warning in divided["warnings"]:
        logging.warning("%s", warning)
if params.supplied:
    logging.warning(
        "the weights of %s came from outside: held-out rates hold only if they were trained on these folds",
        ", ".join(params.supplied),
    )
with atomic_write(snakemake.output.metrics) as path:
    path.write_text(json.dumps(metrics, indent=2), encoding="utf-8")
with atomic_write(snakemake.output.summary) as path:
    path.write_text(summary(metrics), encoding="utf-8")
