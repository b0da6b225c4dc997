"""Time spent on scoring, by video and by stage."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

STAGES = ("decode", "preprocess", "compute")
VIDEO_COLUMNS = ("fname", *(f"{stage}_ms" for stage in STAGES), "problem")


@dataclass
class Finished:
    """A finished video.

    Attributes:
        fname: file name of the video.
        decode, preprocess: seconds that a decoder spent on it.
        compute: its frames' share of the seconds that the engines spent on their batches.
        problem: reason why it has no score; empty if it has one.
    """

    fname: str
    decode: float = 0.0
    preprocess: float = 0.0
    compute: float = 0.0
    problem: str = ""


def video_table(finished: Iterable[Finished]) -> pd.DataFrame:
    """Tabulate the videos by name, with VIDEO_COLUMNS and times in milliseconds."""
    rows = [
        (video.fname, *(round(1000 * getattr(video, stage), 3) for stage in STAGES), video.problem)
        for video in finished
    ]
    return pd.DataFrame(sorted(rows), columns=list(VIDEO_COLUMNS))


def read_videos(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read and concatenate the video tables of several shards, indexed by fname.

    File names are always read as text, even those that look like numbers or missing values.
    """
    types = {"fname": str, "problem": str}
    return pd.concat([pd.read_csv(path, dtype=types, keep_default_na=False) for path in paths]).set_index(
        "fname"
    )


def times(rows: Sequence[str], videos: pd.DataFrame) -> pd.DataFrame:
    """Return fname and time in milliseconds for each row of a submission; 0 for missing videos."""
    spent = videos[[f"{stage}_ms" for stage in STAGES]].sum(axis=1).reindex(list(rows), fill_value=0.0)
    return pd.DataFrame({"fname": list(rows), "time": spent.round(3).to_numpy()})


def stage_table(seconds: Mapping[str, float], elapsed: float, videos: int, decoders: int) -> pd.DataFrame:
    """Tabulate the stages of a run that scored `videos` videos in `elapsed` seconds.

    Columns: stage; seconds, summed over the processes that share the stage; processes; busy, the
    fraction of their time; videos_per_s, the throughput of the stage alone (the slowest stage is
    the one to give more hardware); videos, the same in every row. The GPU's work besides running
    engines is called `device ...`. The row `idle` is the time the engines waited for frames, the
    row `all` the whole run.
    """
    rows = []
    idle = max(0.0, elapsed - seconds["compute"])
    for stage, spent in (*seconds.items(), ("idle", idle), ("all", elapsed)):
        processes = decoders if stage in ("decode", "preprocess") else 1
        alone = videos * processes / spent if spent and stage != "idle" else None
        busy = spent / max(elapsed * processes, 1e-9)
        rows.append((stage, round(spent, 3), processes, round(busy, 2), alone and round(alone, 2), videos))
    return pd.DataFrame(
        rows, columns=["stage", "seconds", "processes", "busy", "videos_per_s", "videos"]
    ).astype({"videos_per_s": float})


def read_stages(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Merge the stage tables of several shards, as if they were scored one after the other."""
    table = pd.concat([pd.read_csv(path) for path in paths])
    # `idle` has no throughput
    whole = table[table["stage"] == "all"]
    videos = int(whole["videos"].sum())
    summed = table.groupby("stage", sort=False).agg(
        seconds=("seconds", "sum"), processes=("processes", "max")
    )
    elapsed = max(float(summed["seconds"]["all"]), 1e-9)
    summed["busy"] = summed["seconds"] / (elapsed * summed["processes"])
    alone = videos * summed["processes"] / summed["seconds"].where(summed["seconds"] > 0)
    summed["videos_per_s"] = alone.where(summed.index != "idle")
    return summed.reset_index().round(2)
