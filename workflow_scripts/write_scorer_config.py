"""Write what scoring outside of the workflow needs."""

import json

from snakemake.iocontainers import Snakemake

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
with atomic_write(snakemake.output[0]) as path:
    path.write_text(json.dumps(snakemake.params.scorer, indent=2), encoding="utf-8")
