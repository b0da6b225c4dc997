"""Write down what scoring needs, so that it can be done outside of the workflow."""

import json

from liveness.runtime.atomic_write import whole
from liveness.runtime.job_log import start_log

start_log(snakemake.log[0])
with whole(snakemake.output[0]) as path:
    path.write_text(json.dumps(snakemake.params.card, indent=2), encoding="utf-8")
