"""The list of videos: which there are, what they are, and which shard each belongs to."""

import csv
import hashlib
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import pandas as pd
from natsort import natsort_keygen, ns
from tqdm import tqdm

from liveness.errors import InputError
from liveness.outputs import whole
from liveness.parallel import Crash, bounded_map
from liveness.video import probe, unreadable

EXTENSIONS = {
    ".mp4",
    ".m4v",
    ".mov",
    ".avi",
    ".webm",
    ".mkv",
    ".3gp",
    ".mpg",
    ".mts",
    ".m2ts",
    ".wmv",
    ".flv",
}

# How videos begin whatever they are called: Matroska and WebM, Flash, MPEG programme stream, ASF.
MAGIC = (b"\x1aE\xdf\xa3", b"FLV\x01", b"\x00\x00\x01\xba", b"0&\xb2u\x8ef\xcf\x11")
# The first box of an MP4 or QuickTime file, and the brands of that family that hold sound or still images.
BOXES = (b"ftyp", b"moov", b"mdat", b"wide")
NO_VIDEO_BRANDS = (b"M4A ", b"M4B ", b"mif1", b"heic", b"heix", b"avif")

DTYPES = {
    "fname": "str",
    "size": "int64",
    "mtime_ns": "int64",
    "duration": "float64",
    "fps": "float64",
    "width": "int64",
    "height": "int64",
    "rotation": "int64",
    "codec": "str",
    "readable": "bool",
    "problem": "str",
}

SECONDS_BETWEEN_SAVES = 30

# fname, size, mtime_ns
File = tuple[str, int, int]


def shard_of(fname: str, shards: int) -> int:
    """Return the shard (0 ... shards-1) of a video: the same on every machine, in every run, for ever.

    The name is normalised first (NFC), because file systems disagree on how to write an accent.
    """
    name = unicodedata.normalize("NFC", fname).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) % shards


def list_videos(folder: str | Path) -> list[str]:
    """Return the names of all videos below a folder, relative to it, with `/`, in natural order.

    A video is a file with a usual extension, readable or not, or any other file that begins like a video.
    Links are followed; hidden files and folders (a leading dot) are passed over.

    Raises InputError if the folder is missing, has no video, or has a video whose name is not UTF-8.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; expected the folder that holds the videos")
    names = [path.relative_to(folder).as_posix() for path in _files(folder, ()) if _is_video(path)]
    if not names:
        raise InputError(f"{folder}: no video found; expected files such as .mp4, .mov, .avi, .webm or .mkv")
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{folder}: the name {name!r} is not valid UTF-8; rename the file") from error
    # Natural order does not tell 1.mp4 from 01.mp4, so the plain order decides between such names.
    return sorted(sorted(names), key=natsort_keygen(alg=ns.PATH))


def build_manifest(folder: str | Path, shard_paths: Sequence[Path], cache: Path, workers: int) -> None:
    """Probe all videos of a folder and write one CSV per shard: video f into `shard_paths[shard_of(f, n)]`.

    Columns: `fname` (relative to the folder), `size` (bytes), `mtime_ns` (time of last change), then those of
    `Probe`. A shard's bytes change if and only if a video of it is added, removed, replaced or touched. A
    shard without videos has a header only. A video that cannot be read has a row with `readable` False.

    `cache` is a CSV of earlier probes, which stand for as long as a file's name, size and time of last change
    do. It is saved every half minute, so that an interrupted run goes on where it was. Unreadable files are
    probed again each time: the reason may have been the disk.

    Raises what `list_videos` raises.
    """
    folder = Path(folder)
    files = [_stat(folder, fname) for fname in list_videos(folder)]
    probed = _read_cache(cache)
    todo = [file for file in files if file not in probed]
    # The processes get a function of a module without pandas, which would cost each of them a second.
    results = bounded_map(probe, (folder / fname for fname, _, _ in todo), workers, in_flight=16 * workers)
    saved = time.monotonic()
    progress = tqdm(results, total=len(todo), desc="probing", unit="video")
    for file, (_, result) in zip(todo, progress, strict=True):
        probed[file] = astuple(unreadable(result.reason) if isinstance(result, Crash) else result)
        if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
            _write(cache, probed.items())
            saved = time.monotonic()
    _write(cache, ((file, probed[file]) for file in files))

    shards: list[list[File]] = [[] for _ in shard_paths]
    for file in files:
        shards[shard_of(file[0], len(shards))].append(file)
    for path, members in zip(shard_paths, shards, strict=True):
        _write(path, ((file, probed[file]) for file in members))


def read_manifest(paths: Iterable[Path]) -> pd.DataFrame:
    """Return the rows of all shards in the order of `paths`, with the columns and types of DTYPES.

    No name is taken for a number or a missing value, be it `007` or `NA`.
    """
    shards = [pd.read_csv(path, dtype=DTYPES, keep_default_na=False) for path in paths]
    return pd.concat([pd.DataFrame(columns=list(DTYPES)).astype(DTYPES), *shards], ignore_index=True)


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder, links followed; a link to a missing file is a file too."""
    real = folder.resolve()
    if real in above:  # a link to a folder that it lies in
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path, (*above, real))
        elif path.is_file() or (path.is_symlink() and not path.exists()):
            yield path


def _is_video(path: Path) -> bool:
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(189)
    except OSError:
        return False
    if head[4:8] in BOXES:
        return head[8:12] not in NO_VIDEO_BRANDS
    transport_stream = len(head) == 189 and head[0] == head[188] == 0x47
    return transport_stream or head.startswith(MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def _stat(folder: Path, fname: str) -> File:
    try:
        status = (folder / fname).stat()
    except OSError:  # a link to nothing: the probe will say so
        return fname, 0, 0
    return fname, status.st_size, status.st_mtime_ns


def _read_cache(path: Path) -> dict[File, tuple]:
    if not path.exists():
        return {}
    rows = read_manifest([path])
    rows = rows[rows["readable"]]
    return {row[:3]: row[3:] for row in rows.itertuples(index=False, name=None)}


def _write(path: Path, rows: Iterable[tuple[File, tuple]]) -> None:
    with whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(DTYPES)
        writer.writerows([*key, *values] for key, values in rows)
