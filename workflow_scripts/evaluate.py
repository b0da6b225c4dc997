"""Error rates on held-out scores, of every model and of the blend."""

import json
import logging

import pandas as pd

from liveness.evaluation import held_out_metrics
from liveness.labels import read_folds
from liveness.log import start_log
from liveness.outputs import whole
from liveness.submission import video_scores

start_log(snakemake.log[0])
params = snakemake.params
scores = pd.concat(
    [video_scores(pd.read_parquet(shard), params.aggregate, params.top_k) for shard in snakemake.input.scores]
)
metrics = held_out_metrics(scores, read_folds(snakemake.input.folds), params.weights)
for name, figures in (metrics["models"] | {"the blend": metrics["blend"]}).items():
    logging.info(
        "held-out EER of %s: %.3f (AUC %.3f, %d videos)", name, *map(figures.get, ("eer", "auc", "videos"))
    )
metrics["supplied_weights"] = params.supplied
if params.supplied:
    logging.warning(
        "the weights of %s came from outside: held-out figures hold only if they were trained on these folds",
        ", ".join(params.supplied),
    )
with whole(snakemake.output[0]) as path:
    path.write_text(json.dumps(metrics, indent=2), encoding="utf-8")
