"""What `predict` leaves of a shard: three files in one folder, which Snakemake plans faster than three."""

from collections.abc import Iterable
from pathlib import Path

# scores of frames (`pipeline.SCORES`), what became of each video, what each stage took
SCORES = "scores.parquet"
VIDEOS = "videos.csv"
STAGES = "stages.csv"


def of_each(shards: Iterable[str | Path], name: str) -> list[Path]:
    """The file of that name in each shard's folder."""
    return [Path(shard, name) for shard in shards]
