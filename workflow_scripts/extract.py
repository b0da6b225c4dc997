"""Decode, sample and store the frames of a shard's videos."""

from pathlib import Path

from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.video.frame_store import extract
from liveness.video.manifest import read_manifest
from liveness.video.sampling import Sampling

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
frames = dict(snakemake.params.frames)
quality = frames.pop("quality")
extract(
    read_manifest([snakemake.input.manifest]),
    snakemake.params.videos,
    Path(snakemake.output[0]),
    Sampling(**frames, nvdec=snakemake.config["frames"]["nvdec"]),
    quality,
    workers=snakemake.threads,
)
