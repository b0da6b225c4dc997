"""Compare two result folders: rates with intervals, their paired difference, speed."""

import logging

from snakemake.iocontainers import Snakemake

from liveness.evaluation.run_comparison import compare, read_run, videos_per_second
from liveness.report.markdown import comparison
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
params = snakemake.params
if not params.runs:
    raise InputError("runs is missing; name two result folders: snakemake compare --config runs=[A,B]")
first, second = map(read_run, params.runs)
rates = compare(first, second, params.seed)
text = comparison(rates, params.runs, [videos_per_second(run) for run in params.runs])
logging.info("%s", text)
with atomic_write(f"{params.output}.csv") as path:
    rates.to_csv(path)
with atomic_write(f"{params.output}.md") as path:
    path.write_text(text, encoding="utf-8")
