"""Decode, sample and store the frames of a shard's videos."""

from pathlib import Path

from liveness.frames import extract
from liveness.log import start_log
from liveness.manifest import read_manifest

start_log(snakemake.log[0])
frames = snakemake.params.frames
extract(
    read_manifest([snakemake.input.manifest]),
    Path(snakemake.params.videos),
    Path(snakemake.output[0]),
    count=frames["count"],
    window=tuple(frames["window"]),
    short_side=frames["short_side"],
    quality=frames["quality"],
    workers=snakemake.threads,
)
