"""Plot held-out error rates of degraded videos, attack types and folds, as bars."""

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.report.plot_style import write_figure
from liveness.report.plots import robustness_bars
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
table = pd.read_csv(snakemake.input.robustness, dtype={"name": str}, keep_default_na=False, na_values=[""])
write_figure(robustness_bars(table), snakemake.output[0])
