"""Plot the curve of the learning-rate finder of one model."""

import json
from pathlib import Path

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.report.plot_style import write_figure
from liveness.report.plots import learning_rate
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
found = json.loads(Path(snakemake.input.lr).read_text(encoding="utf-8"))["lr"]
write_figure(learning_rate(pd.read_csv(snakemake.input.curve), found), snakemake.output[0])
