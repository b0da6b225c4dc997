"""Score any videos with the engines of a finished run, in services, notebooks or `snakemake score`.

with Scorer("results/scorer.json") as scorer:
    table = scorer.score_folder("new videos")
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Self

import loky
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from liveness.engines.runner import open_engines
from liveness.ensemble.aggregation import Aggregation, video_scores
from liveness.ensemble.blend import given_blend, read_blend
from liveness.ensemble.recipe import BlendRecipe
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Video
from liveness.scoring.pipeline import Member, Pipeline
from liveness.scoring.scoring_settings import ScoringSettings
from liveness.scoring.timing import video_table
from liveness.settings.limits import DEFAULT_LIMITS, Limits
from liveness.video.manifest import list_videos

# Number of videos whose frame scores are held in memory before they are aggregated.
CHUNK = 512


class Scorer:
    """Engines and decoders of a finished run, held until `close()`; use it as a context manager.

    Every engine passes its parity check when it is loaded. Frames, views, aggregation and blend are
    those of the run. Only one thread at a time may use the scorer.
    """

    def __init__(
        self,
        config: str | Path,
        *,
        batch_size: int = 32,
        threads: int | None = None,
        nvdec: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Open the engines named in the configuration of a run (`results/scorer.json`).

        Args:
            config: file written by the rule `write_scorer_config`.
            batch_size: frames per engine call; affects speed and memory, not scores.
            threads: number of decoders and CPU threads of the engines; None for all cores.
            nvdec: decode on an NVIDIA GPU; affects speed, not frames.
            limits: what one video may cost.

        Raises:
            InputError: the file is invalid, or an engine is missing or cannot be loaded.
        """
        config = Path(config)
        described = _read_config(config)
        threads = threads or loky.cpu_count()
        settings = ScoringSettings(**described["scoring"])
        test_views = settings.test_views()
        self._aggregation = Aggregation(**described["aggregate"])
        self._fallback = described["fallback_score"]
        fitted = described["fitted_blend"]
        self._blend = (
            read_blend(_inside(config, fitted))
            if fitted
            else given_blend(BlendRecipe(**described["ensemble"]))
        )
        memory = 0 if nvdec else limits.memory_mb
        with ExitStack() as stack:
            group = stack.enter_context(
                open_engines(
                    [_inside(config, engine["metadata"]) for engine in described["engines"]],
                    test_views,
                    batch_size=batch_size,
                    threads=threads,
                )
            )
            workers = stack.enter_context(Workers(threads, limits.seconds, memory))
            members = [Member(engine["model"], engine["fold"]) for engine in described["engines"]]
            self._pipeline = Pipeline(
                members, group, test_views, settings.sampling(nvdec), workers, batch_size
            )
            self._stack = stack.pop_all()

    def score_folder(self, folder: str | Path, *, progress: bool = False) -> pd.DataFrame:
        """Score every video below a folder, which may be in S3; see `score`.

        fname is relative to the folder; rows are in natural order.
        """
        names = list_videos(folder)
        return self._table((Video(f"{folder}/{name}", name) for name in names), len(names), progress)

    def score(self, videos: Iterable[str | Path], *, progress: bool = False) -> pd.DataFrame:
        """Score video files, which may be in S3.

        Returns:
            One row per entry, in the given order: fname (as given), liveness_score (0 spoof ... 1
            live), time in milliseconds, and problem, empty unless the video cannot be read; its
            score is then the run's fallback. A video that is given twice is scored once.
        """
        paths = [str(path) for path in videos]
        # tables hold no bytes that are not UTF-8, as names of files may
        names = [path.encode(errors="backslashreplace").decode() for path in paths]
        once = dict(zip(names, paths, strict=True))
        table = self._table((Video(path, name) for name, path in once.items()), len(once), progress)
        return table.set_index("fname").loc[names].reset_index()

    def _table(self, videos: Iterator[Video], total: int, progress: bool) -> pd.DataFrame:
        parts = [pd.DataFrame(columns=["fname", "liveness_score", "time", "problem"])]
        with tqdm(total=total, desc="scoring", unit="video", disable=not progress) as bar:
            while chunk := list(islice(videos, CHUNK)):
                parts.append(self._score_chunk(chunk, bar))
        return pd.concat(parts[1:] or parts, ignore_index=True)

    def _score_chunk(self, videos: list[Video], bar: Any) -> pd.DataFrame:
        scored, finished = [], []
        for part in self._pipeline.score(videos):
            scored.append(part.scores)
            finished += part.finished
            bar.update(len(part.finished))
        frames = pa.concat_tables(scored).to_pandas()
        table = video_table(finished).set_index("fname")
        scores = (
            self._blend(video_scores(frames, self._aggregation)) if len(frames) else pd.Series(dtype=float)
        )
        table["liveness_score"] = scores.reindex(table.index).fillna(self._fallback)
        table["time"] = table.filter(like="_ms").sum(axis=1).round(3)
        names = [video.fname for video in videos]
        return table.loc[names, ["liveness_score", "time", "problem"]].reset_index()

    def close(self) -> None:
        """Stop the decoders and free the engines."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


KEYS = {"engines", "scoring", "aggregate", "ensemble", "fitted_blend", "fallback_score"}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the rule `write_scorer_config` writes it.") from None
    except ValueError as error:
        raise InputError(
            f"{path}: not valid JSON ({error}); run the rule `write_scorer_config` again."
        ) from None
    if not isinstance(config, dict) or set(config) != KEYS:
        raise InputError(
            f"{path}: expected exactly the keys {sorted(KEYS)}; run the rule `write_scorer_config` again."
        )
    return config


def _inside(config: Path, name: str) -> Path:
    """Return the path of a file named in the configuration; it must be inside its folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"{config}: names {name}, which is outside its folder; the file was tampered with.")
    return config.parent / name
