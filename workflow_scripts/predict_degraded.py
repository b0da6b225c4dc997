"""Score a shard of degraded training videos, otherwise as `predict` does."""

import logging

from snakemake.iocontainers import Snakemake

from liveness.augmentation.fixed_degradation import degraded
from liveness.dataset.labels import read_folds
from liveness.engines.catalog import metadata_in
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.scoring.pipeline import Member
from liveness.scoring.scoring_settings import ScoringSettings
from liveness.scoring.shard import score_shard, videos_of
from liveness.settings.limits import Limits
from liveness.video.manifest import read_manifest

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params = snakemake.params
settings = ScoringSettings(**params.scoring)
sampling, degrade = degraded(
    snakemake.wildcards.degradation, settings.sampling(snakemake.config["frames"]["nvdec"])
)
folds = read_folds(snakemake.input.folds)["fold"]
with atomic_write(snakemake.output[0]) as path:
    finished, stages = score_shard(
        videos_of(read_manifest([snakemake.input.manifest]), params.videos, folds),
        path,
        engines=[metadata_in(folder) for folder in snakemake.input.engines],
        members=[Member(*member) for member in params.members],
        views=settings.test_views(),
        sampling=sampling,
        batch_size=snakemake.config["inference"]["batch_size"],
        threads=snakemake.threads,
        limits=Limits(**snakemake.config["limits"]),
        degrade=degrade,
    )
logging.info("%d videos:\n%s", len(finished), stages.to_string(index=False, na_rep=""))
