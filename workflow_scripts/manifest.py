"""List and probe the videos of a split; write one manifest per shard."""

from pathlib import Path

from liveness.log import start_log
from liveness.manifest import build_manifest

start_log(snakemake.log[0])
build_manifest(
    snakemake.input.videos,
    [Path(shard) for shard in snakemake.output],
    cache=Path(snakemake.params.cache),
    workers=snakemake.threads,
)
