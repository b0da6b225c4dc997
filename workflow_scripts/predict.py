"""Score the frames of a shard's videos with every eligible engine."""

import logging
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.dataset.labels import read_folds
from liveness.engines.catalog import metadata_in
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.gpu_leases import lease
from liveness.runtime.job_log import start_log
from liveness.scoring.pipeline import Member
from liveness.scoring.scoring_settings import ScoringSettings
from liveness.scoring.shard import score_shard, videos_of
from liveness.scoring.shard_files import SCORES_FILE, STAGES_FILE, VIDEOS_FILE
from liveness.scoring.timing import Finished, video_table
from liveness.settings.limits import Limits
from liveness.video.manifest import read_manifest

snakemake: Snakemake

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params, folder = snakemake.params, Path(snakemake.output[0])
settings = ScoringSettings(**params.scoring)
manifest = read_manifest([snakemake.input.manifest])
folds = None
if snakemake.input.folds:
    folds = read_folds(snakemake.input.folds[0])["fold"]
    manifest = manifest[manifest["fname"].isin(folds.index)]
with atomic_write(folder / SCORES_FILE) as path:
    finished, stages = score_shard(
        videos_of(manifest, params.videos, folds),
        path,
        engines=[metadata_in(folder) for folder in snakemake.input.engines],
        members=[Member(*member) for member in params.members],
        views=settings.test_views(),
        sampling=settings.sampling(snakemake.config["frames"]["nvdec"]),
        # the batch size and the decoder change no score, so they are no parameters
        batch_size=snakemake.config["inference"]["batch_size"],
        threads=snakemake.threads,
        limits=Limits(**snakemake.config["limits"]),
    )
finished += [
    Finished(fname, problem=problem)
    for fname, problem in manifest.loc[~manifest["readable"], ["fname", "problem"]].itertuples(index=False)
]
logging.info("%d videos:\n%s", len(finished), stages.to_string(index=False, na_rep=""))
with atomic_write(folder / VIDEOS_FILE) as path:
    write_csv(video_table(finished), path)
with atomic_write(folder / STAGES_FILE) as path:
    stages.to_csv(path, index=False)
