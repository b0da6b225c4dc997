"""Decode, sample and store the frames of a shard's videos."""

from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.settings.limits import Limits
from liveness.video.frame_store import extract
from liveness.video.manifest import read_manifest
from liveness.video.sampling import Sampling

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
extract(
    read_manifest([snakemake.input.manifest]),
    snakemake.params.videos,
    Path(snakemake.output[0]),
    Sampling(**snakemake.params.frames, nvdec=snakemake.config["frames"]["nvdec"]),
    workers=snakemake.threads,
    limits=Limits(**snakemake.config["limits"]),
)
