"""Plot held-out scores: error trade-offs, distributions, calibration, models and the blend."""

import json
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import read_folds, with_attacks
from liveness.ensemble.aggregation import Aggregation, check_held_out, model_scores, read_video_scores
from liveness.ensemble.blend import read_held_out
from liveness.evaluation.error_analysis import verdicts
from liveness.report import plots
from liveness.report.plot_style import write_figure
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, of_each

snakemake: Snakemake

start_log(snakemake.log[0])
params, output = snakemake.params, snakemake.output
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
scores = read_video_scores(of_each(snakemake.input.scores, SCORES_FILE), Aggregation(**params.aggregate))
check_held_out(scores, folds)
models = model_scores(scores)
videos = verdicts(read_held_out(snakemake.input.held_out), folds)
metrics = json.loads(Path(snakemake.input.metrics).read_text(encoding="utf-8"))
blend = metrics["blend"]

write_figure(plots.detection_error_tradeoff(videos, models, blend, params.seed), output.det)
write_figure(plots.receiver_operating_characteristic(videos, models, blend, params.seed), output.roc)
write_figure(plots.score_histograms(videos), output.histograms)
write_figure(plots.reliability(videos, params.seed), output.reliability)
write_figure(plots.ensemble_comparison({"blend": blend, **metrics["models"]}), output.models)
