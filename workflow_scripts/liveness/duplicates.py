"""Near-duplicate search over stored frames by perceptual hashes."""

from collections.abc import Sequence
from functools import partial

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from liveness.frames import FrameStore
from liveness.parallel import Crash, bounded_map

HASH_BITS = 128
_ROWS_AT_ONCE = 256


def frame_hash(image: np.ndarray) -> np.ndarray:
    """Hash of a frame (uint8 [h, w, 3]) as uint64 [2]: imagehash's phash (fine) and average hash (layout).

    Together they tell two clips of one scene from two scenes better than either alone.
    """
    picture = Image.fromarray(image)
    bits = np.concatenate(
        [imagehash.phash(picture).hash.ravel(), imagehash.average_hash(picture).hash.ravel()]
    )
    return np.packbits(bits).view(np.uint64)


def store_hashes(store: FrameStore, workers: int) -> np.ndarray:
    """Hashes of all stored frames, uint64 [n, 2], by parallel processes."""
    chunks = [
        range(start, min(start + _ROWS_AT_ONCE, len(store))) for start in range(0, len(store), _ROWS_AT_ONCE)
    ]
    results = bounded_map(partial(_hash_rows, store), chunks, workers, in_flight=2 * workers)
    hashes = [result for _, result in tqdm(results, total=len(chunks), desc="hashing", unit="chunk")]
    for result in hashes:
        if isinstance(result, Crash):
            raise RuntimeError(result.reason)
    return np.concatenate([np.empty((0, 2), np.uint64), *hashes])


def _hash_rows(store: FrameStore, rows: range) -> np.ndarray:
    return np.stack([frame_hash(store.image(row)) for row in rows])


def near_duplicates(fnames: Sequence[str], hashes: np.ndarray, max_distance: int) -> pd.DataFrame:
    """Pairs of videos of which any two frames differ in at most `max_distance` of 128 bits.

    `fnames` [n] and `hashes` uint64 [n, 2] have one entry per frame. Returns first, second, distance (of the
    closest two frames), sorted. Compares all pairs: some 10^9 pairs of frames take seconds.
    """
    videos, owner = np.unique(np.asarray(fnames, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    owner, hashes = owner[order], hashes[order]
    closest: dict[tuple[int, int], int] = {}
    for start in tqdm(range(0, len(owner), _ROWS_AT_ONCE), desc="comparing", unit="chunk"):
        rows = slice(start, start + _ROWS_AT_ONCE)
        # only what comes after, since the distance is symmetric
        distance = np.bitwise_count(hashes[rows, None] ^ hashes[None, start:]).sum(axis=2, dtype=np.int64)
        left, right = np.nonzero(distance <= max_distance)
        a, b = owner[rows][left], owner[start:][right]
        for i, j, bits in zip(a, b, distance[left, right], strict=True):
            if i < j:
                pair = (int(i), int(j))
                closest[pair] = min(int(bits), closest.get(pair, HASH_BITS))
    rows_found = [(videos[i], videos[j], bits) for (i, j), bits in sorted(closest.items())]
    return pd.DataFrame(rows_found, columns=["first", "second", "distance"])
