"""Write down what scoring needs, so that it can be done outside of the workflow."""

import json

from liveness.log import start_log
from liveness.outputs import whole

start_log(snakemake.log[0])
with whole(snakemake.output[0]) as path:
    path.write_text(json.dumps(snakemake.params.card, indent=2), encoding="utf-8")
