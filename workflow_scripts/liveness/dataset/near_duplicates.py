"""Near-duplicate search over stored frames with perceptual hashes."""

from collections.abc import Sequence
from functools import partial

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from liveness.runtime.workers import Crash, bounded_map
from liveness.video.frame_store import FrameStore

HASH_BITS = 128
_ROWS_AT_ONCE = 256
_LEAST_DEVIATION = 8  # grey levels of 255


def frame_hash(image: np.ndarray) -> np.ndarray:
    """Hash a frame (uint8 [h, w, 3]) to uint64 [2].

    The two parts are imagehash's phash (details) and average_hash (layout). Together they separate
    clips of one scene from clips of different scenes better than either alone.
    """
    picture = Image.fromarray(image)
    bits = np.concatenate(
        [imagehash.phash(picture).hash.ravel(), imagehash.average_hash(picture).hash.ravel()]
    )
    return np.packbits(bits).view(np.uint64)


def hash_frames(store: FrameStore, workers: int) -> tuple[list[str], np.ndarray]:
    """Hash the stored frames in parallel; return names [n] and hashes uint64 [n, 2].

    Dark and blank frames are left out: they all look alike, and a fade-in would make unrelated
    videos near-duplicates.
    """
    step = max(_ROWS_AT_ONCE, -(-len(store) // (4 * workers)))
    chunks = [range(start, min(start + step, len(store))) for start in range(0, len(store), step)]
    results = bounded_map(partial(_hash_rows, store), chunks, workers, in_flight=2 * workers)
    fnames, hashes = [], [np.empty((0, 2), np.uint64)]
    for _, result in tqdm(results, total=len(chunks), desc="hashing", unit="chunk"):
        if isinstance(result, Crash):
            raise RuntimeError(result.reason)
        rows, found = result
        fnames += [store.fnames[row] for row in rows]
        hashes.append(found)
    return fnames, np.concatenate(hashes)


def _hash_rows(store: FrameStore, rows: range) -> tuple[list[int], np.ndarray]:
    images = {row: store.image(row) for row in rows}
    kept = [row for row, image in images.items() if image.std() >= _LEAST_DEVIATION]
    return kept, np.array([frame_hash(images[row]) for row in kept], np.uint64).reshape(-1, 2)


def find_near_duplicates(fnames: Sequence[str], hashes: np.ndarray, max_distance: int) -> pd.DataFrame:
    """Find pairs of videos with frames whose hashes differ in at most `max_distance` of 128 bits.

    `fnames` [n] and `hashes` uint64 [n, 2] have one entry per frame. Returns first, second,
    distance (of the closest two frames), sorted. Compares all pairs: 10^9 pairs of frames take
    seconds.
    """
    videos, owner = np.unique(np.asarray(fnames, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    owner, hashes = owner[order], hashes[order]
    closest: dict[tuple[int, int], int] = {}
    for start in tqdm(range(0, len(owner), _ROWS_AT_ONCE), desc="comparing", unit="chunk"):
        rows = slice(start, start + _ROWS_AT_ONCE)
        # only later rows, because the distance is symmetric
        distance = np.bitwise_count(hashes[rows, None] ^ hashes[None, start:]).sum(axis=2, dtype=np.int64)
        left, right = np.nonzero(distance <= max_distance)
        a, b = owner[rows][left], owner[start:][right]
        for i, j, bits in zip(a, b, distance[left, right], strict=True):
            if i < j:
                pair = (int(i), int(j))
                closest[pair] = min(int(bits), closest.get(pair, HASH_BITS))
    rows_found = [(videos[i], videos[j], bits) for (i, j), bits in sorted(closest.items())]
    return pd.DataFrame(rows_found, columns=["first", "second", "distance"])
