"""Manifest of the videos: their names, properties and shards."""

import csv
import hashlib
import sqlite3
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple
from operator import itemgetter
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.disk import writing
from liveness.runtime.errors import InputError
from liveness.runtime.workers import Crash, bounded_map
from liveness.settings.limits import DEFAULT_LIMITS, Limits
from liveness.storage.file_listing import files_below, size_and_time
from liveness.storage.natural_order import natural_order
from liveness.storage.s3 import is_remote, list_files, read_start
from liveness.video.decoder import probe, unreadable

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

# magic bytes of videos without a known extension: Matroska and WebM, Flash, MPEG program stream,
# ASF
MAGIC = (b"\x1aE\xdf\xa3", b"FLV\x01", b"\x00\x00\x01\xba", b"0&\xb2u\x8ef\xcf\x11")
# the first box of an MP4 or QuickTime file
BOXES = (b"ftyp", b"moov", b"mdat", b"wide")
# number of bytes to inspect: an MPEG transport stream repeats its sync byte after 188
HEAD = 189
# brands of the MP4 family that hold sound or still images
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

COLUMNS = ", ".join(DTYPES)
READABLE = list(DTYPES).index("readable")
# `probed` holds earlier probes; `listed` holds the present files, as long as the connection lasts
TABLES = f"""
create table if not exists probed ({COLUMNS}, primary key (fname)) without rowid;
create temporary table listed (fname, size, mtime_ns, shard);
"""
NEW = """
create temporary table new as
    select fname, size, mtime_ns from listed left join probed using (fname, size, mtime_ns)
    where readable is not 1;
create index temp.shards on listed (shard);
create index temp.names on listed (fname);
delete from probed where fname not in (select fname from listed);
"""
SECONDS_BETWEEN_SAVES = 5

# fname, size, mtime_ns
File = tuple[str, int, int]


def shard_of(fname: str, shards: int) -> int:
    """Return the shard (0 ... shards-1) of a video: the same on every machine and in every run.

    The name is normalised first (NFC), because file systems encode accents differently.
    """
    name = unicodedata.normalize("NFC", fname).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) % shards


def find_videos(folder: str | Path) -> Iterator[File]:
    """Yield (name, size in bytes, modification time in ns) of all videos below a folder, unordered.

    Names are relative to the folder, with `/`. A video is a file with a known extension, readable
    or not, or any other file with the magic bytes of a video. Links are followed; hidden files and
    folders (a leading dot) are skipped. The folder may be in S3.

    Raises InputError if the folder is missing, contains no video, or contains a video whose name is
    not UTF-8.
    """
    none = True
    for file in _remote_videos(str(folder)) if is_remote(folder) else _local_videos(Path(folder)):
        try:
            file[0].encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{folder}: the name {file[0]!r} is not valid UTF-8; rename the file") from error
        none = False
        yield file
    if none:
        raise InputError(f"{folder}: no video found; expected files such as .mp4, .mov, .avi, .webm or .mkv")


def _local_videos(folder: Path) -> Iterator[File]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the folder that contains the videos")
    for fname, entry in files_below(folder):
        if _is_video(Path(entry.path)):
            yield fname, *size_and_time(entry)


def _remote_videos(folder: str) -> Iterator[File]:
    for file in list_files(folder):
        # a known extension spares reading the first bytes, which takes a round trip per file
        if PurePosixPath(file[0]).suffix.lower() in EXTENSIONS or _begins_like_video(
            read_start(f"{folder}/{file[0]}", HEAD)
        ):
            yield file


def list_videos(folder: str | Path) -> list[str]:
    """Return the names of `find_videos` in natural order."""
    return natural_order(fname for fname, _, _ in find_videos(folder))


def build_manifest(
    folder: str | Path,
    shard_paths: Sequence[Path],
    cache: Path,
    workers: int,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Probe all videos of a folder and write one CSV file per shard; see `shard_of`.

    Columns: `fname` (relative to the folder), `size` (bytes), `mtime_ns` (modification time), then
    those of `Probe`. A shard's bytes change if and only if one of its videos is added, removed,
    replaced or touched. A shard without videos has only a header. A video that cannot be read has a
    row with `readable` False.

    `cache` is a database of earlier probes, which remain valid as long as a file's name, size and
    modification time are unchanged. It is saved every few seconds, so that an interrupted run
    resumes where it stopped. Unreadable files are probed again in every run: the disk may have been
    at fault. Memory holds one shard at a time and, for S3, the listing of one folder.

    Raises InputError like `find_videos`, and if the disk is full.
    """
    with writing(cache):
        cache.parent.mkdir(parents=True, exist_ok=True)
    # without file locks, which cluster file systems often lack: no two jobs write the same file
    address = f"{cache.absolute().as_uri()}?nolock=1"
    with writing(cache), closing(sqlite3.connect(address, uri=True)) as database:
        database.executescript(TABLES)
        videos = tqdm(find_videos(folder), desc="listing", unit="video")
        database.executemany(
            "insert into listed values (?, ?, ?, ?)",
            ((*file, shard_of(file[0], len(shard_paths))) for file in videos),
        )
        _probe_new(folder, database, workers, limits)
        for shard, path in enumerate(shard_paths):
            rows = database.execute(
                f"select {COLUMNS} from listed join probed using (fname, size, mtime_ns) where shard = ?",  # noqa: S608
                [shard],
            )
            _write(path, natural_order(rows, key=itemgetter(0)))


def _probe_new(folder: str | Path, database: sqlite3.Connection, workers: int, limits: Limits) -> None:
    """Probe the files that are `listed` but not `probed`, and drop probes of unlisted files."""
    database.executescript(NEW)
    (count,) = database.execute("select count(*) from new").fetchone()
    names = (fname for (fname,) in database.execute("select fname from new order by rowid"))
    # `probe` is in a module without pandas, whose import would cost each process a second
    paths = (f"{folder}/{fname}" for fname in names)
    results = bounded_map(probe, paths, workers, 16 * workers, limits.seconds, limits.memory_mb)
    saved = time.monotonic()
    files = database.execute("select fname, size, mtime_ns from new order by rowid")
    progress = tqdm(results, total=count, desc="probing", unit="video")
    for file, (_, result) in zip(files, progress, strict=True):
        values = astuple(unreadable(result.reason) if isinstance(result, Crash) else result)
        row = [*file, *values]
        database.execute(f"replace into probed values ({', '.join('?' * len(row))})", row)  # noqa: S608
        if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
            database.commit()
            saved = time.monotonic()
    database.commit()


def read_manifest(paths: Iterable[Path]) -> pd.DataFrame:
    """Return the rows of all shards in the order of `paths`, with the columns and types of DTYPES.

    Names such as `007` or `NA` stay text.
    """
    shards = [pd.read_csv(path, dtype=DTYPES, keep_default_na=False) for path in paths]
    return pd.concat([pd.DataFrame(columns=list(DTYPES)).astype(DTYPES), *shards], ignore_index=True)


def _is_video(path: Path) -> bool:
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        # reading a pipe would wait for a writer
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _begins_like_video(file.read(HEAD))
    except OSError:
        return False


def _begins_like_video(start: bytes) -> bool:
    if start[4:8] in BOXES:
        return start[8:12] not in NO_VIDEO_BRANDS
    transport_stream = len(start) == HEAD and start[0] == start[188] == 0x47
    return transport_stream or start.startswith(MAGIC) or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")


def _write(path: Path, rows: Iterable[tuple]) -> None:
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(DTYPES)
        # SQLite has no booleans
        writer.writerows([*row[:READABLE], bool(row[READABLE]), *row[READABLE + 1 :]] for row in rows)
