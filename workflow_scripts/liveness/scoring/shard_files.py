"""Files of a shard that `predict` writes, in one folder: Snakemake plans one output faster."""

from collections.abc import Iterable
from pathlib import Path

# frame scores (`pipeline.SCORE_SCHEMA`), one row per video, time spent by stage
SCORES_FILE = "scores.parquet"
VIDEOS_FILE = "videos.csv"
STAGES_FILE = "stages.csv"


def of_each(shards: Iterable[str | Path], name: str) -> list[Path]:
    """Return the path of the file `name` in each shard's folder."""
    return [Path(shard, name) for shard in shards]
