"""Plot the learning curves of one model, one line per fold."""

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.report.plot_style import write_figure
from liveness.report.plots import learning_curves
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
histories = map(pd.read_csv, snakemake.input.histories)
folds = dict(zip(snakemake.params.folds, histories, strict=True))
write_figure(learning_curves(folds), snakemake.output[0])
