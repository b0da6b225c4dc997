"""Score the frames of a shard's videos with every engine that may."""

import logging
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import pyarrow.parquet as pq
from tqdm import tqdm

from liveness.decoding import Video
from liveness.engines.ensemble import open_ensemble
from liveness.frames import Sampling
from liveness.labels import read_folds
from liveness.leases import lease
from liveness.log import start_log
from liveness.manifest import read_manifest
from liveness.outputs import whole
from liveness.parallel import Workers
from liveness.pipeline import SCORES, Member, Pipeline
from liveness.preprocessing import views
from liveness.throughput import Finished, stage_table, video_table

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params, output = snakemake.params, snakemake.output
# neither changes a score, so neither is a parameter
batch_size, nvdec = snakemake.config["inference"]["batch_size"], snakemake.config["frames"]["nvdec"]
manifest = read_manifest([snakemake.input.manifest])
folds = read_folds(snakemake.input.folds[0])["fold"] if snakemake.input.folds else None
if folds is not None:
    # what has no label has no fold, and nobody may say which engines did not see it
    manifest = manifest[manifest["fname"].isin(folds.index)]
readable = manifest[manifest["readable"]]
videos = [
    Video(Path(params.videos) / fname, fname, duration, None if folds is None else int(folds[fname]))
    for fname, duration in readable[["fname", "duration"]].itertuples(index=False)
]
finished = [
    Finished(fname, problem=problem)
    for fname, problem in manifest.loc[~manifest["readable"], ["fname", "problem"]].itertuples(index=False)
]

start = perf_counter()
with ExitStack() as stack:
    workers = stack.enter_context(Workers(snakemake.threads))
    look = views(params.views, params.crop_side)
    ensemble = stack.enter_context(
        open_ensemble(
            [Path(path) for path in snakemake.input.metadata],
            look,
            batch_size=batch_size,
            threads=snakemake.threads,
        )
    )
    pipeline = Pipeline(
        [Member(*member) for member in params.members],
        ensemble,
        look,
        Sampling(
            **params.frames | {"window": tuple(params.frames["window"])}, first=params.first, nvdec=nvdec
        ),
        workers,
        batch_size,
    )
    path = stack.enter_context(whole(output.scores))
    writer = stack.enter_context(pq.ParquetWriter(path, SCORES))
    progress = stack.enter_context(tqdm(total=len(videos), desc="scoring", unit="video"))
    for scored in pipeline.score(videos):
        writer.write_table(scored.scores)
        finished += scored.finished
        progress.update(len(scored.finished))
with whole(output.videos) as path:
    video_table(finished).to_csv(path, index=False)
stages = stage_table(pipeline.seconds, perf_counter() - start, len(videos), workers.count)
logging.info("%d videos:\n%s", len(videos), stages.to_string(index=False, na_rep=""))
with whole(output.stages) as path:
    stages.to_csv(path, index=False)
