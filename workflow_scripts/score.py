"""Score a folder with the engines of a finished run."""

from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.scorer import Scorer
from liveness.settings.limits import Limits

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
config = snakemake.config
with Scorer(
    snakemake.input.scorer,
    batch_size=config["inference"]["batch_size"],
    threads=snakemake.threads,
    nvdec=config["frames"]["nvdec"],
    limits=Limits(**config["limits"]),
) as scorer:
    table = scorer.score_folder(snakemake.params.videos, progress=True)
with atomic_write(snakemake.output[0]) as path:
    write_csv(table, path)
