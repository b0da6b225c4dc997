"""Score the frames of videos: decoders feed engines with batches that mix videos."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import pyarrow as pa

from liveness.engines.interface import EngineGroup
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Cut, Decoded, Video, decode
from liveness.scoring.timing import Finished
from liveness.video.face_crop import faceless_summary
from liveness.video.preprocessing import Degrade, View
from liveness.video.sampling import Sampling

log = logging.getLogger(__name__)

SCORE_SCHEMA = pa.schema(
    [
        ("fname", pa.string()),
        ("index", pa.int32()),
        ("time", pa.float64()),
        ("model", pa.string()),
        ("fold", pa.int32()),
        ("score", pa.float32()),
    ]
)


@dataclass(frozen=True)
class Member:
    """One engine of the ensemble: its model and the fold that was held out from its training."""

    model: str
    fold: int


@dataclass(frozen=True)
class Scored:
    """Frame scores (a table of SCORE_SCHEMA) and the videos finished since the previous scores."""

    scores: pa.Table
    finished: list[Finished]


@dataclass
class _Batch:
    """Frames for the same engines, and the times when they were submitted and answered."""

    fold: int | None
    rows: list[tuple[str, int, float]] = field(default_factory=list)
    inputs: dict[Cut, list[np.ndarray]] = field(default_factory=dict)
    frames: list[np.ndarray] = field(default_factory=list)
    submitted: float = 0.0
    answered: float = 0.0


class Pipeline:
    """Score videos with the engines of an ensemble.

    Memory does not grow with the number of videos: decoders run at most two batches ahead of the
    engines, and scores are yielded as soon as a batch is computed.

    `seconds` holds the time spent so far by stage: decode and preprocess summed over the decoders,
    compute while the engines had work.
    """

    def __init__(
        self,
        members: Sequence[Member],
        group: EngineGroup,
        views: Sequence[View],
        sampling: Sampling,
        workers: Workers,
        batch_size: int,
        degrade: Degrade | None = None,
    ) -> None:
        """`group` must have one engine per member, opened with the same views.

        `degrade` is applied to every frame before all engines.
        """
        self._members = members
        self._group = group
        self._boxes = {view.box for view in views}
        self._sampling = sampling
        self._workers = workers
        self._batch_size = batch_size
        self._degrade = degrade
        self._open: dict[str, tuple[Finished, int]] = {}  # videos with pending frames, and how many
        self._free = 0.0  # time when the engines became idle
        self.seconds = {"decode": 0.0, "preprocess": 0.0, "compute": 0.0}

    def score(self, videos: Iterable[Video]) -> Iterator[Scored]:
        """Yield scores batch by batch. A video that cannot be read is finished with a problem.

        When frames are cropped to faces, logs at the end how many had none.

        Raises:
            InputError: an engine gives scores that are not finite.
        """
        waiting: dict[int | None, _Batch] = {}
        running: deque[tuple[_Batch, Future[np.ndarray]]] = deque()
        faceless: list[tuple[int, int]] = []
        for video, decoded in self._decode(videos):
            self.seconds["decode"] += decoded.decode
            self.seconds["preprocess"] += decoded.preprocess
            record = Finished(video.fname, decoded.decode, decoded.preprocess, problem=decoded.problem)
            if decoded.problem:
                yield Scored(SCORE_SCHEMA.empty_table(), [record])
                continue
            faceless.append((decoded.faceless, len(decoded.times)))
            self._open[video.fname] = record, len(decoded.times)
            for index in range(len(decoded.times)):
                batch = waiting.setdefault(video.fold, _Batch(video.fold))
                _add(batch, video.fname, decoded, index)
                if len(batch.rows) == self._batch_size:
                    running.append(self._submit(waiting.pop(video.fold)))
            while running and running[0][1].done():
                yield self._collect(*running.popleft())
        running.extend(self._submit(batch) for batch in waiting.values())
        while running:
            yield self._collect(*running.popleft())
        if self._sampling.crop == "face":
            log.info(faceless_summary(faceless))

    def scorable(self, videos: Iterable[Video]) -> list[Video]:
        """Return the videos that at least one engine may score."""
        folds = {None, *(member.fold for member in self._members)}
        return [video for video in videos if video.fold in folds]

    def _decode(self, videos: Iterable[Video]) -> Iterator[tuple[Video, Decoded]]:
        ahead = self._workers.count + 2 * -(-self._batch_size // self._sampling.frames)
        return decode(self.scorable(videos), self._sampling, self._cuts, self._workers, ahead, self._degrade)

    def _engines(self, fold: int | None) -> list[int]:
        """Return the positions of the engines that may score videos of a fold."""
        return [i for i, member in enumerate(self._members) if fold is None or member.fold == fold]

    def _cuts(self, video: Video) -> frozenset[Cut] | None:
        if self._group.takes_frames:
            return None
        sizes = {self._group.sizes[engine] for engine in self._engines(video.fold)}
        return frozenset((size, box) for size in sizes for box in self._boxes)

    def _submit(self, batch: _Batch) -> tuple[_Batch, Future[np.ndarray]]:
        inputs: Mapping[Cut, np.ndarray] = {cut: np.stack(images) for cut, images in batch.inputs.items()}
        images = batch.frames if self._group.takes_frames else inputs
        batch.submitted = perf_counter()
        future = self._group.submit(images, self._engines(batch.fold))
        future.add_done_callback(lambda _: setattr(batch, "answered", perf_counter()))
        return batch, future

    def _collect(self, batch: _Batch, future: Future[np.ndarray]) -> Scored:
        scores = future.result()
        answered = batch.answered or perf_counter()
        # batches run one after the other: this one started once submitted and the last one was done
        seconds = answered - max(batch.submitted, self._free)
        self._free = answered
        self.seconds["compute"] += seconds
        finished = []
        for fname, _, _ in batch.rows:
            record, frames = self._open[fname]
            record.compute += seconds / len(batch.rows)
            self._open[fname] = record, frames - 1
            if frames == 1:
                finished.append(record)
                del self._open[fname]
        return Scored(self._table(batch, scores), finished)

    def _table(self, batch: _Batch, scores: np.ndarray) -> pa.Table:
        columns = [
            pa.array(column, kind.type)
            for column, kind in zip(zip(*batch.rows, strict=True), SCORE_SCHEMA, strict=False)
        ]
        tables = []
        for engine, probability in zip(self._engines(batch.fold), scores, strict=True):
            member = self._members[engine]
            if not np.isfinite(probability).all():
                raise InputError(
                    f"the engine of {member.model}, fold {member.fold} gives scores that are not finite for "
                    f"{batch.rows[0][0]} or a video in the same batch; set engine.precision to fp32"
                )
            constants = [
                pa.repeat(pa.scalar(value, kind), len(batch.rows))
                for value, kind in ((member.model, pa.string()), (member.fold, pa.int32()))
            ]
            tables.append(pa.table([*columns, *constants, pa.array(probability)], schema=SCORE_SCHEMA))
        return pa.concat_tables(tables)


def _add(batch: _Batch, fname: str, decoded: Decoded, index: int) -> None:
    batch.rows.append((fname, index, float(decoded.times[index])))
    for cut, images in decoded.inputs.items():
        batch.inputs.setdefault(cut, []).append(images[index])
    batch.frames += decoded.frames[index : index + 1]
