"""Collect what the parity gate measured on every engine into one table."""

from snakemake.iocontainers import Snakemake

from liveness.engines.catalog import metadata_in
from liveness.engines.parity_table import parity_table
from liveness.report.markdown import markdown
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
members = map(tuple, snakemake.params.members)
table = parity_table(dict(zip(members, map(metadata_in, snakemake.input.engines), strict=True)))
with atomic_write(snakemake.output[0]) as path:
    table.to_csv(path, index=False)
with atomic_write(snakemake.output[1]) as path:
    path.write_text(markdown(table) + "\n", encoding="utf-8")
