"""The submission and the engines' parity figures as pages that sort."""

import pandas as pd

from liveness.report.html_pages import page, sortable_table
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log

start_log(snakemake.log[0])
for name, title in (("submission", "Submission"), ("parity", "Engines beside their PyTorch models")):
    table = pd.read_csv(snakemake.input[name], dtype={"fname": str}, keep_default_na=False, na_values=[""])
    with atomic_write(snakemake.output[name]) as path:
        path.write_text(page(title, sortable_table(table, snakemake.input[name])), encoding="utf-8")
