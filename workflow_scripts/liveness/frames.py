"""Frames of many videos in a few files that are memory-mapped, not read."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from tqdm import tqdm

from liveness.faces import crop_to_face, faceless_summary
from liveness.outputs import whole
from liveness.parallel import Crash, bounded_map
from liveness.preprocessing import canonical, sample_times
from liveness.video import VideoError, read_frames

if TYPE_CHECKING:  # importing pandas takes a second, in every process that decodes
    import pandas as pd

log = logging.getLogger(__name__)

SCHEMA = pa.schema(
    [("fname", pa.string()), ("index", pa.int32()), ("time", pa.float64()), ("image", pa.binary())]
)
UNREADABLE = b"unreadable"
ROWS_PER_BATCH = 256


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are looked at and in what form; config.yaml explains each value under frames.

    `first` says how many of the `count` frames are wanted; None means all of them. `nvdec` changes no pixel.
    """

    count: int
    window: Sequence[float]
    short_side: int
    snap_to_reference: bool = False
    nvdec: bool = False
    first: int | None = None
    crop: str = "none"
    face_margin: float = 0.3

    @property
    def frames(self) -> int:
        """How many frames a video gives."""
        return min(self.first or self.count, self.count)

    def times(self, duration: float) -> np.ndarray:
        """When a video of `duration` seconds is looked at, float64 [n] in seconds."""
        return sample_times(duration, self.count, self.window)[: self.first]


class Sampled(NamedTuple):
    """What was seen of a video: its sampled frames.

    `images` are uint8 RGB [H, W, 3] in canonical form (see `preprocessing.canonical`), `times` float64 [n] in
    seconds when they are shown, and `faceless` counts those that were to be cropped to a face and have none.
    """

    images: list[np.ndarray]
    times: np.ndarray
    faceless: int


def read_video(
    path: str | Path,
    duration: float,
    sampling: Sampling,
    degrade: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Sampled:
    """Decode the sampled frames of a video and bring them into the form that training and scoring share.

    `duration` comes from the manifest. Decoding stops at the last frame wanted. `degrade` changes the decoded
    frames first (see `degradation`): faces are looked for in what is left.

    Raises VideoError if no frame can be decoded, InputError if there is no detector for the faces to crop to.
    """
    times = sampling.times(duration).tolist()
    frames = read_frames(path, times, sampling.snap_to_reference, sampling.nvdec)
    decoded = (degrade(frame.image) if degrade else frame.image for frame in frames)
    images, faceless = [], 0
    for image in decoded:
        if sampling.crop == "face":
            face = crop_to_face(image, sampling.face_margin)
            faceless += face is None
            image = image if face is None else face
        images.append(canonical(image, sampling.short_side))
    return Sampled(images, np.array([frame.time for frame in frames]), faceless)


def extract(
    manifest: "pd.DataFrame",
    folder: str | Path,
    output: Path,
    sampling: Sampling,
    quality: int,
    workers: int,
) -> None:
    """Write the sampled frames of a manifest's videos to an Arrow file that `FrameStore` reads.

    Columns: `fname`, `index` (0 ... count-1), `time` (seconds), `image` (JPEG of the given quality, in
    canonical form). The rows are in the manifest's order whatever the number of workers. A video that cannot
    be read has no rows; its name and the reason are logged and kept in the file (`FrameStore.unreadable`).
    Frames in which no face was found are logged, by number.
    """
    unreadable: dict[str, str] = dict(
        manifest.loc[~manifest["readable"], ["fname", "problem"]].itertuples(index=False, name=None)
    )
    readable = manifest[manifest["readable"]]
    videos = list(zip(readable["fname"], readable["duration"], strict=True))
    encode = partial(_encode_video, str(folder), sampling, quality)
    results = bounded_map(encode, videos, workers, in_flight=8 * workers)
    with whole(output) as temporary, pa.ipc.new_file(temporary, SCHEMA) as writer:
        rows: list[tuple[str, int, float, bytes]] = []
        faceless: list[tuple[int, int]] = []
        for (fname, _), result in tqdm(results, total=len(videos), desc="extracting", unit="video"):
            if isinstance(result, tuple):
                encoded, without = result
                rows += [(fname, index, time, image) for index, (time, image) in enumerate(encoded)]
                faceless.append((without, len(encoded)))
            else:
                unreadable[fname] = result.reason if isinstance(result, Crash) else result
            if len(rows) >= ROWS_PER_BATCH:
                writer.write_batch(_batch(rows))
                rows = []
        # Only now is it known what could not be read, and the schema was written first: the last batch tells.
        writer.write_batch(_batch(rows), custom_metadata={UNREADABLE: json.dumps(unreadable)})
    if sampling.crop == "face":
        log.info(faceless_summary(faceless))
    for fname, problem in unreadable.items():
        log.warning("%s: no frames: %s", fname, problem)


class FrameStore:
    """The frames of several extracted files as one sequence; only the frames looked at are read from disk.

    `fnames` (list of str), `indices` (int32) and `times` (float64, seconds) have one entry per frame;
    `unreadable` maps the names of videos without frames to the reason. A store that is pickled for another
    process maps the files there anew, and forked processes share the maps.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self._paths = [Path(path) for path in paths]
        self.unreadable: dict[str, str] = {}
        tables = [SCHEMA.empty_table()]
        for path in self._paths:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            tables.append(reader.read_all())
            _, metadata = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1)
            self.unreadable |= json.loads(metadata[UNREADABLE])
        table = pa.concat_tables(tables)
        self.fnames: list[str] = table["fname"].to_pylist()
        self.indices: np.ndarray = table["index"].to_numpy()
        self.times: np.ndarray = table["time"].to_numpy()
        self._images: pa.ChunkedArray = table["image"]
        self._rows: dict[str, list[int]] = {}
        for row, fname in enumerate(self.fnames):
            self._rows.setdefault(fname, []).append(row)

    def __len__(self) -> int:
        return len(self.fnames)

    def __reduce__(self) -> tuple[type["FrameStore"], tuple[list[Path]]]:
        return FrameStore, (self._paths,)

    def rows(self, fname: str) -> np.ndarray:
        """Return int64 [k]: the rows of a video in the order of its indices; none if unreadable."""
        return np.array(self._rows.get(fname, []), np.int64)

    def image(self, row: int) -> np.ndarray:
        """Return a frame as uint8 RGB [H, W, 3]."""
        return decode_jpeg(self._images[row].as_buffer())


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode a uint8 RGB image [H, W, 3]; from quality 95 on, colours keep the full resolution (4:4:4).

    Training sees frames that went through this and prediction frames that did not: halving the colours'
    resolution would be the larger part of the difference.
    """
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality >= 95 else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, buffer = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return buffer.tobytes()


def decode_jpeg(buffer: bytes | pa.Buffer) -> np.ndarray:
    """Decode what `encode_jpeg` made to uint8 RGB [H, W, 3]."""
    image = cv2.imdecode(np.frombuffer(buffer, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("not a JPEG: the frames file is damaged; remove it, so that it is extracted again")
    return np.asarray(image, np.uint8)


def _encode_video(
    folder: str, sampling: Sampling, quality: int, video: tuple[str, float]
) -> tuple[list[tuple[float, bytes]], int] | str:
    """Return (time, JPEG) of a video's frames and how many have no face, or why there are none."""
    fname, duration = video
    try:
        images, times, faceless = read_video(f"{folder}/{fname}", duration, sampling)
    except VideoError as error:
        return str(error)
    encoded = [encode_jpeg(image, quality) for image in images]
    return list(zip(times.tolist(), encoded, strict=True)), faceless


def _batch(rows: list[tuple[str, int, float, bytes]]) -> pa.RecordBatch:
    columns = [[row[position] for row in rows] for position in range(len(SCHEMA))]
    return pa.record_batch(columns, schema=SCHEMA)
