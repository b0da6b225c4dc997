"""Score the frames of a shard's videos with every engine that may."""

from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from tqdm import tqdm

from liveness.engines.loading import load_engine
from liveness.labels import read_folds
from liveness.log import start_log
from liveness.manifest import read_manifest
from liveness.outputs import whole
from liveness.scorer import SCORES, Member, Sampling, Scorer, Video

start_log(snakemake.log[0])
params, threads = snakemake.params, snakemake.threads
manifest = read_manifest([snakemake.input.manifest])
folds = read_folds(snakemake.input.folds[0])["fold"] if snakemake.input.folds else None
if folds is not None:
    # what has no label has no fold, and nobody may say which engines did not see it
    manifest = manifest[manifest["fname"].isin(folds.index)]
unreadable = dict(manifest.loc[~manifest["readable"], ["fname", "problem"]].itertuples(index=False))
videos = [
    Video(fname, duration, None if folds is None else int(folds[fname]))
    for fname, duration in manifest.loc[manifest["readable"], ["fname", "duration"]].itertuples(index=False)
]
sampling = Sampling(**params.frames | {"window": tuple(params.frames["window"]), "first": params.first})

with whole(snakemake.output.scores) as path, ExitStack() as stack:
    members = []
    for (model, fold), metadata in zip(params.members, snakemake.input.metadata, strict=True):
        engine = stack.enter_context(load_engine(metadata, threads=threads))
        members.append(Member(model, fold, engine.image_size, engine))
    scorer = Scorer(
        members, Path(params.videos), sampling, snakemake.config["inference"]["batch_size"], threads
    )
    writer = stack.enter_context(pq.ParquetWriter(path, SCORES))
    progress = stack.enter_context(tqdm(total=len(videos), desc="scoring", unit="video"))
    for finished, scores in scorer.score(
        videos, lambda video, reason: unreadable.update({video.fname: reason})
    ):
        writer.write_table(scores)
        progress.update(finished)
with whole(snakemake.output.unreadable) as path:
    pd.DataFrame(sorted(unreadable.items()), columns=["fname", "reason"]).to_csv(path, index=False)
