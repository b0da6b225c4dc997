"""Find the learning rate of a model, on all folds but one."""

import shutil
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.training.fine_tune import forget
from liveness.training.job import CURVE, FOUND, fit_together, make_job

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params = dict(snakemake.params.items())
folders = {name: params.pop(name) for name in ("states", "logs")}
if snakemake.input.pretrained:
    # this job's copy of a file in storage
    params["pretrained"] = snakemake.input.pretrained[0]
job = make_job(
    params,
    training=snakemake.config["training"] | {"lr": 1.0},
    # the try of the network changes no weights
    inputs=[path for path in snakemake.input if path != snakemake.input.tried],
    frames=list(snakemake.input.frames),
    folds=snakemake.input.folds,
    fold=params["fold"],
    run=f"{snakemake.wildcards.model}/lr",
    threads=snakemake.threads,
    config=snakemake.config,
    **folders,
    find_lr=True,
)
fit_together(job, processes=max(1, snakemake.resources.gpu))
for name, output in ((FOUND, snakemake.output.lr), (CURVE, snakemake.output.curve)):
    made = Path(job.state, name)
    with atomic_write(output, made.stat().st_size) as path:
        shutil.copyfile(made, path)
forget(Path(job.state))
