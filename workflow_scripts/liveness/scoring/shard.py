"""Score one shard of videos, each by every eligible engine."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import pandas as pd
import pyarrow.parquet as pq
from tqdm import tqdm

from liveness.engines.runner import open_engines
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Video
from liveness.scoring.pipeline import SCORE_SCHEMA, Member, Pipeline
from liveness.scoring.timing import Finished, stage_table
from liveness.settings.limits import DEFAULT_LIMITS, Limits
from liveness.video.preprocessing import Degrade, View
from liveness.video.sampling import Sampling


def videos_of(manifest: pd.DataFrame, folder: str | Path, folds: pd.Series | None) -> list[Video]:
    """Return the readable videos of a manifest.

    With `folds` (by fname), only videos that have a fold are returned, with their folds: for videos
    without a label it is unknown which engines have not seen them.
    """
    readable = manifest[manifest["readable"]]
    return [
        Video(f"{folder}/{fname}", fname, duration, None if folds is None else int(folds[fname]))
        for fname, duration in readable[["fname", "duration"]].itertuples(index=False)
        if folds is None or fname in folds.index
    ]


def score_shard(
    videos: Sequence[Video],
    output: Path,
    *,
    engines: Sequence[Path],
    members: Sequence[Member],
    views: Sequence[View],
    sampling: Sampling,
    batch_size: int,
    threads: int,
    limits: Limits = DEFAULT_LIMITS,
    degrade: Degrade | None = None,
) -> tuple[list[Finished], pd.DataFrame]:
    """Write the scores of all frames (a parquet file of `pipeline.SCORE_SCHEMA`) to `output`.

    `engines` are metadata files, one per member. `degrade` is applied to decoded frames first.

    Returns:
        The finished videos, and the table of stages (see `timing.stage_table`).
    """
    finished: list[Finished] = []
    memory = 0 if sampling.nvdec else limits.memory_mb
    with ExitStack() as stack:
        workers = stack.enter_context(Workers(threads, limits.seconds, memory))
        group = stack.enter_context(open_engines(engines, views, batch_size=batch_size, threads=threads))
        pipeline = Pipeline(members, group, views, sampling, workers, batch_size, degrade)
        writer = stack.enter_context(pq.ParquetWriter(output, SCORE_SCHEMA))
        scorable = pipeline.scorable(videos)
        progress = stack.enter_context(tqdm(total=len(scorable), desc="scoring", unit="video"))
        start = perf_counter()
        for scored in pipeline.score(scorable):
            writer.write_table(scored.scores)
            finished += scored.finished
            progress.update(len(scored.finished))
        elapsed = perf_counter() - start
        # work of the GPU besides running engines
        device = {f"device {stage}": s for stage, s in group.seconds.items() if stage != "compute"}
    return finished, stage_table(pipeline.seconds | device, elapsed, len(scorable), workers.count)
