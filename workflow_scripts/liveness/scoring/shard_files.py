"""What `predict` leaves of a shard: three files in one folder, which Snakemake plans faster than three."""

from collections.abc import Iterable
from pathlib import Path

# scores of frames (`pipeline.SCORE_SCHEMA`), what became of each video, what each stage took
SCORES_FILE = "scores.parquet"
VIDEOS_FILE = "videos.csv"
STAGES_FILE = "stages.csv"


def of_each(shards: Iterable[str | Path], name: str) -> list[Path]:
    """The file of that name in each shard's folder."""
    return [Path(shard, name) for shard in shards]
