"""Liveness scores of any videos by the engines of a finished run: for services, notebooks, `snakemake score`.

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
from liveness.ensemble.aggregation import video_scores
from liveness.ensemble.blend import given_blend, read_blend
from liveness.ensemble.recipe import BlendRecipe
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Video
from liveness.scoring.pipeline import Member, Pipeline
from liveness.scoring.timing import video_table
from liveness.video.manifest import list_videos
from liveness.video.preprocessing import views
from liveness.video.sampling import Sampling

# Videos whose frames' scores are held before they become one score per video.
CHUNK = 512


class Scorer:
    """Holds engines and decoders until `close()`; use it as a context manager. For one thread at a time.

    The engines are those of a run of the workflow, each loaded through its parity gate, and all between the
    file and the score is as the run has it: frames, views, aggregate, blend.
    """

    def __init__(
        self, card: str | Path, *, batch_size: int = 32, threads: int | None = None, nvdec: bool = False
    ) -> None:
        """Open the engines that the card of a run (`results/scorer.json`) names.

        Args:
            card: the file that rule `write_scorer_config` wrote.
            batch_size: frames per call of an engine; changes speed and memory, no score.
            threads: decoders, and CPU threads of the engines; None means all cores of this process.

            nvdec: let an NVIDIA GPU decode; changes speed, no frame.

        Raises:
            InputError: the card is damaged, or an engine is missing or cannot be loaded.
        """
        card = Path(card)
        described = _read_card(card)
        threads = threads or loky.cpu_count()
        look = views(described["views"], described["crop_side"])
        self._aggregate = described["aggregate"]
        self._fallback = described["fallback_score"]
        fitted = described["fitted_blend"]
        self._blend = (
            read_blend(_inside(card, fitted)) if fitted else given_blend(BlendRecipe(**described["ensemble"]))
        )
        with ExitStack() as stack:
            ensemble = stack.enter_context(
                open_engines(
                    [_inside(card, engine["metadata"]) for engine in described["engines"]],
                    look,
                    batch_size=batch_size,
                    threads=threads,
                )
            )
            workers = stack.enter_context(Workers(threads))
            members = [Member(engine["model"], engine["fold"]) for engine in described["engines"]]
            sampling = Sampling(**described["sampling"], nvdec=nvdec)
            self._pipeline = Pipeline(members, ensemble, look, sampling, workers, batch_size)
            self._stack = stack.pop_all()

    def score_folder(self, folder: str | Path, *, progress: bool = False) -> pd.DataFrame:
        """Score every video below a folder, which may lie in S3. See `score`.

        fname is relative to the folder; the rows are in natural order.
        """
        names = list_videos(folder)
        return self._table((Video(f"{folder}/{name}", name) for name in names), len(names), progress)

    def score(self, videos: Iterable[str | Path], *, progress: bool = False) -> pd.DataFrame:
        """Score video files, or such in S3.

        Returns one row per video, in their order: fname (as given), liveness_score (0 spoof ... 1 live), time
        (milliseconds that it took) and problem: why it cannot be read, in which case the score is the run's
        fallback; else empty.
        """
        paths = list(dict.fromkeys(str(path) for path in videos))
        return self._table((Video(path, path) for path in paths), len(paths), progress)

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
            self._blend(video_scores(frames, *self._aggregate)) if len(frames) else pd.Series(dtype=float)
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


KEYS = {
    "engines", "sampling", "views", "crop_side", "aggregate", "ensemble", "fitted_blend", "fallback_score",
}  # fmt: skip


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; rule `write_scorer_config` writes it.") from None
    except ValueError as error:
        raise InputError(
            f"{path}: not valid JSON ({error}); rule `write_scorer_config` writes it anew."
        ) from None
    if not isinstance(card, dict) or set(card) != KEYS:
        raise InputError(
            f"{path}: expected exactly the keys {sorted(KEYS)}; rule `write_scorer_config` writes it anew."
        )
    return card


def _inside(card: Path, name: str) -> Path:
    """A file that the card names, which must lie below the card's folder (or below a link in there)."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"{card}: names {name}, which lies outside of its folder; it was tampered with.")
    return card.parent / name
