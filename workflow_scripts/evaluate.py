"""Rates on held-out scores, of every model and of the blend, with their intervals."""

import json
import logging

import pandas as pd

from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.aggregation import (
    Aggregation,
    check_held_out,
    model_scores,
    read_video_scores,
    single_frames,
)
from liveness.ensemble.blend import held_out, read_blend, read_held_out
from liveness.ensemble.recipe import BlendRecipe
from liveness.evaluation.rates import held_out_rates
from liveness.report.markdown import number, summary
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each

start_log(snakemake.log[0])
params, settings = snakemake.params, snakemake.params.evaluation
alone = BlendRecipe("mean", criterion=settings["threshold"])
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)


def measured(table, folds):
    return held_out_rates(table.join(folds[["liveness_score", "group", "attack"]]), params.seed)


scores = read_video_scores(of_each(snakemake.input.scores, SCORES_FILE), Aggregation(**params.aggregate))
check_held_out(scores, folds)
models = {
    name: measured(held_out(own, folds, alone), folds) for name, own in scores.groupby("model", sort=True)
}
if settings["frame_level"]:
    frames = pd.concat([pd.read_parquet(shard) for shard in of_each(snakemake.input.scores, SCORES_FILE)])
    for name, own in frames.groupby("model"):
        single, of_frames = single_frames(own, folds)
        models[name]["frame_level"] = measured(held_out(single, of_frames, alone), of_frames)

blend = read_blend(snakemake.input.blend)
metrics = {
    "models": models,
    "blend": measured(read_held_out(snakemake.input.held_out), folds)
    | {
        "method": blend.method,
        "calibration": params.calibration,
        "scored": int(scores["fname"].nunique()),
        "complete": len(model_scores(scores).dropna()),
    },
    "threshold": {"criterion": blend.criterion, "value": blend.threshold},
    "supplied_weights": params.supplied,
}
for name, one in (models | {"the blend": metrics["blend"]}).items():
    logging.info(
        "held-out EER of %s: %s (AUC %.3f, %d videos)",
        name, number(one["eer"], one["intervals"].get("eer")), one["auc"], one["videos"],
    )  # fmt: skip
if params.supplied:
    logging.warning(
        "the weights of %s came from outside: held-out figures hold only if they were trained on these folds",
        ", ".join(params.supplied),
    )
with atomic_write(snakemake.output.metrics) as path:
    path.write_text(json.dumps(metrics, indent=2), encoding="utf-8")
with atomic_write(snakemake.output.summary) as path:
    path.write_text(summary(metrics), encoding="utf-8")
