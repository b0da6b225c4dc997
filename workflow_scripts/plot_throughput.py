"""Plot and tabulate the throughput that each stage of scoring would reach by itself."""

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.report.html_pages import page, paragraph, sortable_table
from liveness.report.plot_style import write_figure
from liveness.report.plots import stage_throughput
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import STAGES_FILE, of_each
from liveness.scoring.timing import read_stages

snakemake: Snakemake

start_log(snakemake.log[0])
stages = pd.concat(
    read_stages(of_each(shards, STAGES_FILE)).assign(split=split) for split, shards in snakemake.input.items()
)
write_figure(stage_throughput(stages), snakemake.output.figure)
note = "videos_per_s: what a stage would reach by itself; busy: the share of the time of its processes."
columns = ["split", "stage", "seconds", "processes", "busy", "videos_per_s"]
with atomic_write(snakemake.output.table) as path:
    path.write_text(
        page("Stages of scoring", paragraph(note), sortable_table(stages[columns])), encoding="utf-8"
    )
