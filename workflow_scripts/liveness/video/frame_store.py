"""Storage of the frames of many videos in a few memory-mapped files."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Crash, bounded_map
from liveness.settings.limits import DEFAULT_LIMITS, Limits
from liveness.video.decoder import VideoError
from liveness.video.face_crop import faceless_summary
from liveness.video.jpeg import decode_jpeg, encode_jpeg
from liveness.video.sampling import Sampling, read_video

if TYPE_CHECKING:  # importing pandas takes a second in every process that decodes
    import pandas as pd

log = logging.getLogger(__name__)

SCHEMA = pa.schema(
    [("fname", pa.string()), ("index", pa.int32()), ("time", pa.float64()), ("image", pa.binary())]
)
UNREADABLE, DIGEST = b"unreadable", b"digest"
ROWS_PER_BATCH = 256


def extract(
    manifest: "pd.DataFrame",
    folder: str | Path,
    output: Path,
    sampling: Sampling,
    workers: int,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Write the sampled frames of a manifest's videos to an Arrow file that `FrameStore` reads.

    Columns: `fname`, `index` (0 ... count-1), `time` (seconds), `image` (JPEG of the given quality,
    in canonical form). Rows are in the manifest's order, whatever the number of workers. A video
    that cannot be read has no rows; its name and the reason are logged and stored in the file
    (`FrameStore.unreadable`). A digest of all this is stored in the file too (`frames_digest`). The
    number of frames without a face is logged.
    """
    unreadable: dict[str, str] = dict(
        manifest.loc[~manifest["readable"], ["fname", "problem"]].itertuples(index=False, name=None)
    )
    readable = manifest[manifest["readable"]]
    videos = list(zip(readable["fname"], readable["duration"], strict=True))
    memory = 0 if sampling.nvdec else limits.memory_mb
    encode = partial(_encode_video, str(folder), sampling)
    results = bounded_map(encode, videos, workers, 8 * workers, limits.seconds, memory)
    with atomic_write(output) as temporary, pa.ipc.new_file(temporary, SCHEMA) as writer:
        rows: list[tuple[str, int, float, bytes]] = []
        faceless: list[tuple[int, int]] = []
        digest = hashlib.sha256()
        for (fname, _), result in tqdm(results, total=len(videos), desc="extracting", unit="video"):
            if isinstance(result, tuple):
                encoded, without = result
                for index, (time, image) in enumerate(encoded):
                    rows.append((fname, index, time, image))
                    # the image's length keeps the digested bytes unambiguous
                    digest.update(repr((fname, index, time, len(image))).encode() + image)
                faceless.append((without, len(encoded)))
            else:
                unreadable[fname] = result.reason if isinstance(result, Crash) else result
            if len(rows) >= ROWS_PER_BATCH:
                writer.write_batch(_batch(rows))
                rows = []
        # The metadata goes to the last batch: the schema was written first, before the unreadable
        # videos were known.
        without_frames = json.dumps(unreadable)
        digest.update(without_frames.encode())
        metadata = {UNREADABLE: without_frames, DIGEST: digest.hexdigest()}
        writer.write_batch(_batch(rows), custom_metadata=metadata)
    if sampling.crop == "face":
        log.info(faceless_summary(faceless))
    for fname, problem in unreadable.items():
        log.warning("%s: no frames: %s", fname, problem)


def frames_digest(path: str | Path) -> str:
    """Return the SHA-256 that `extract` stored with a file's frames, without reading the frames.

    It covers names, indices, times and images in their order, and the unreadable videos. Raises
    InputError if the file is damaged or has no digest.
    """
    _, metadata = _open(path)
    return metadata[DIGEST].decode()


class FrameStore:
    """A sequence of the frames in several extracted files; only accessed frames are read from disk.

    `fnames` (list of str), `indices` (int32) and `times` (float64, seconds) have one entry per
    frame; `unreadable` maps the names of videos without frames to the reason. A pickled store maps
    the files again in the process that unpickles it; forked processes share the memory maps.

    Raises InputError if a file is damaged or has no digest.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self._paths = [Path(path) for path in paths]
        self.unreadable: dict[str, str] = {}
        tables = [SCHEMA.empty_table()]
        for path in self._paths:
            reader, metadata = _open(path)
            tables.append(reader.read_all())
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
        """Return the rows of a video, int64 [k], in the order of indices; none if unreadable."""
        return np.array(self._rows.get(fname, []), np.int64)

    def image(self, row: int) -> np.ndarray:
        """Return a frame as uint8 RGB [H, W, 3]."""
        return decode_jpeg(self._images[row].as_buffer())


def _open(path: str | Path) -> tuple[pa.ipc.RecordBatchFileReader, Mapping[bytes, bytes]]:
    """Map a file into memory; return its reader and the metadata of its last batch."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        _, metadata = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1)
    except (OSError, ValueError):
        metadata = None
    if not metadata or DIGEST not in metadata:
        raise InputError(
            f"{path}: the file is damaged or from an older version; delete it and run the workflow again "
            "to extract its frames."
        )
    return reader, metadata


def _encode_video(
    folder: str, sampling: Sampling, video: tuple[str, float]
) -> tuple[list[tuple[float, bytes]], int] | str:
    """Return (time, JPEG) of each frame and the number of faceless frames, or an error text."""
    fname, duration = video
    try:
        images, times, faceless = read_video(f"{folder}/{fname}", duration, sampling)
    except VideoError as error:
        return str(error)
    encoded = [encode_jpeg(image, sampling.quality) for image in images]
    return list(zip(times.tolist(), encoded, strict=True)), faceless


def _batch(rows: list[tuple[str, int, float, bytes]]) -> pa.RecordBatch:
    columns = [[row[position] for row in rows] for position in range(len(SCHEMA))]
    return pa.record_batch(columns, schema=SCHEMA)
