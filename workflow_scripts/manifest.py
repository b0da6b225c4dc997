"""List and probe the videos of a split; write one manifest per shard."""

from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.runtime.job_log import start_log
from liveness.settings.limits import Limits
from liveness.video.manifest import build_manifest

snakemake: Snakemake

start_log(snakemake.log[0])
# Undeclared, so that it survives failed jobs and reruns; named by the digest of the code, so that a
# corrected probe starts a new one.
cache = f"{snakemake.params.cache}.probes-{snakemake.params.code}.sqlite"
build_manifest(
    snakemake.input.videos,
    [Path(snakemake.output[0], f"{shard}.csv") for shard in range(snakemake.params.shards)],
    cache=Path(cache),
    workers=snakemake.threads,
    limits=Limits(**snakemake.config["limits"]),
)
