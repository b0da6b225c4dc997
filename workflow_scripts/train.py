"""Fine-tune one model on all folds but one."""

import json
import shutil
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.training.fine_tune import forget
from liveness.training.job import HISTORY, WEIGHTS, fit_together, make_job

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params = dict(snakemake.params.items())
folders = {name: params.pop(name) for name in ("states", "logs")}
if snakemake.input.pretrained:
    # this job's copy of a file in storage
    params["pretrained"] = snakemake.input.pretrained[0]
if snakemake.input.lr:
    found = json.loads(Path(snakemake.input.lr[0]).read_text(encoding="utf-8"))
    params["training"] = params["training"] | found
job = make_job(
    params,
    training=snakemake.config["training"],
    # the try of the network changes no weights
    inputs=[path for path in snakemake.input if path != snakemake.input.tried],
    frames=list(snakemake.input.frames),
    folds=snakemake.input.folds,
    fold=int(snakemake.wildcards.fold),
    run=f"{snakemake.wildcards.model}/{snakemake.wildcards.fold}",
    threads=snakemake.threads,
    config=snakemake.config,
    **folders,
)
fit_together(job, processes=max(1, snakemake.resources.gpu))
for name, output in ((WEIGHTS, snakemake.output.weights), (HISTORY, snakemake.output.history)):
    made = Path(job.state, name)
    with atomic_write(output, made.stat().st_size) as path:
        shutil.copyfile(made, path)
forget(Path(job.state))
