"""Make a sortable page of a CSV file."""

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.report.html_pages import page, sortable_table
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
source = snakemake.input.table
table = pd.read_csv(source, dtype={"fname": str}, keep_default_na=False, na_values=[""])
with atomic_write(snakemake.output[0]) as path:
    path.write_text(page(snakemake.params.title, sortable_table(table, source)), encoding="utf-8")
