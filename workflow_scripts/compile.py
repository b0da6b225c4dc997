"""Compile an engine and validate it against its PyTorch model on real frames."""

from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.engines.catalog import metadata_in
from liveness.engines.compile import compile_engine
from liveness.engines.interface import BuildOptions
from liveness.engines.metadata import engine_stem
from liveness.engines.parity import Limits
from liveness.engines.parity_sample import read_sample
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params = snakemake.params
settings, precisions = params.engine, params.precisions or ["fp32"]
limits = Limits(**{key: float(value) for key, value in params.limits.items()})
compile_engine(
    engine_stem(metadata_in(snakemake.output[0])),
    backend=settings["backend"],
    precision=settings["precision"],
    sources=dict(zip(precisions, map(Path, snakemake.input.sources), strict=True)),
    reference=read_sample(snakemake.input.reference),
    max_batch=settings["max_batch"],
    limits=limits,
    threads=snakemake.threads,
    options=BuildOptions(**params.options),
)
