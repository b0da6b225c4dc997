"""From videos to the scores of their frames: decode workers feed batches that mix videos."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from liveness.errors import InputError
from liveness.frames import read_video
from liveness.parallel import Crash, bounded_map
from liveness.preprocessing import model_input
from liveness.video import VideoError

SCORES = pa.schema(
    [
        ("fname", pa.string()),
        ("index", pa.int32()),
        ("time", pa.float64()),
        ("model", pa.string()),
        ("fold", pa.int32()),
        ("score", pa.float32()),
    ]
)


class Engine(Protocol):
    """What scoring needs of an engine: uint8 [n, size, size, 3] in, float32 probabilities of live [n] out."""

    def __call__(self, images: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Member:
    """One engine of the ensemble, the fold that its model did not see and the input size that it takes."""

    model: str
    fold: int
    image_size: int
    engine: Engine


@dataclass(frozen=True)
class Video:
    """A video to score. `fold` is None where every engine may score it, else the fold that held it out."""

    fname: str
    duration: float
    fold: int | None = None


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are scored; config.yaml explains each value."""

    count: int
    window: tuple[float, float]
    short_side: int
    first: int


@dataclass(frozen=True)
class Decoded:
    """Frames of one video as engines take them: per input size uint8 [n, size, size, 3]; times in seconds."""

    times: np.ndarray
    inputs: dict[int, np.ndarray]


@dataclass
class _Batch:
    """Frames that wait for the same engines."""

    members: list[Member]
    rows: list[tuple[str, int, float]] = field(default_factory=list)
    inputs: dict[int, list[np.ndarray]] = field(default_factory=dict)


class Scorer:
    """Scores videos of one folder with the engines of an ensemble.

    Memory does not grow with the number of videos: the decoders run at most two batches ahead, and scores
    leave as soon as a batch is full.
    """

    def __init__(
        self, members: Iterable[Member], folder: Path, sampling: Sampling, batch_size: int, workers: int
    ) -> None:
        self.members = list(members)
        self.folder = folder
        self.sampling = sampling
        self.batch_size = batch_size
        self.workers = workers

    def score(
        self, videos: Iterable[Video], on_problem: Callable[[Video, str], None]
    ) -> Iterator[tuple[int, pa.Table]]:
        """Yield (videos finished since the last one, table of SCORES) batch by batch.

        `on_problem` is told of each video that cannot be read, with the reason.
        """
        waiting: dict[int | None, _Batch] = {}
        finished = 0
        for video, decoded in self._decode(videos):
            finished += 1
            if isinstance(decoded, str):
                on_problem(video, decoded)
                continue
            batch = waiting.setdefault(video.fold, _Batch(self._members_for(video.fold)))
            for index, time in enumerate(decoded.times):
                batch.rows.append((video.fname, index, float(time)))
                for size, images in decoded.inputs.items():
                    batch.inputs.setdefault(size, []).append(images[index])
                if len(batch.rows) == self.batch_size:
                    yield finished, self._run(waiting.pop(video.fold))
                    finished = 0
                    batch = waiting.setdefault(video.fold, _Batch(batch.members))
        for batch in waiting.values():
            if batch.rows:
                yield finished, self._run(batch)
                finished = 0

    def _members_for(self, fold: int | None) -> list[Member]:
        return [member for member in self.members if fold is None or member.fold == fold]

    def _decode(self, videos: Iterable[Video]) -> Iterator[tuple[Video, Decoded | str]]:
        sizes = {fold: frozenset(m.image_size for m in self._members_for(fold)) for fold in self._folds()}
        function = partial(_decode_video, folder=self.folder, sampling=self.sampling, sizes=sizes)
        ahead = self.workers + 2 * -(-self.batch_size // self.sampling.first)
        scorable = (video for video in videos if video.fold is None or self._members_for(video.fold))
        for video, result in bounded_map(function, scorable, self.workers, ahead):
            yield video, result.reason if isinstance(result, Crash) else result

    def _folds(self) -> set[int | None]:
        return {None, *(member.fold for member in self.members)}

    @staticmethod
    def _run(batch: _Batch) -> pa.Table:
        inputs = {size: np.stack(images) for size, images in batch.inputs.items()}
        tables = []
        for member in batch.members:
            scores = member.engine(inputs[member.image_size])
            if not np.isfinite(scores).all():
                raise InputError(
                    f"the engine of {member.model}, fold {member.fold} gives scores that are no numbers to "
                    f"{batch.rows[0][0]} or a video near it; set engine.precision to fp32"
                )
            pairs = zip(batch.rows, scores, strict=True)
            columns = zip(*((*row, member.model, member.fold, score) for row, score in pairs), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCORES, strict=True)]
            tables.append(pa.Table.from_arrays(arrays, schema=SCORES))
        return pa.concat_tables(tables)


def _decode_video(
    video: Video, folder: Path, sampling: Sampling, sizes: Mapping[int | None, frozenset[int]]
) -> Decoded | str:
    """Decode in a worker process; only the model inputs travel back, or the reason why there are none."""
    try:
        frames, times = read_video(
            folder / video.fname,
            video.duration,
            count=sampling.count,
            window=sampling.window,
            short_side=sampling.short_side,
            first=sampling.first,
        )
    except VideoError as error:
        return str(error)
    inputs = {size: np.stack([model_input(frame, size) for frame in frames]) for size in sizes[video.fold]}
    return Decoded(np.asarray(times), inputs)
