"""Temporary stores with the frames of a subset of the videos."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from liveness.video.frame_store import FrameStore, extract
from liveness.video.manifest import read_manifest
from liveness.video.sampling import Sampling


@contextmanager
def frame_subset(
    fnames: Iterable[str],
    manifests: Sequence[Path],
    folder: str | Path,
    frames: Mapping[str, Any],
    workers: int,
) -> Iterator[FrameStore]:
    """Extract the frames of the videos `fnames` to a temporary store, as `extract` does for all.

    `manifests` list all videos of `folder`, of which `fnames` are a subset; `frames` is the section
    `frames` of the configuration. Unreadable videos have no frames.
    """
    manifest = read_manifest(manifests)
    wanted = manifest[manifest["fname"].isin(list(fnames))]
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "frames.arrow")
        extract(wanted, folder, path, Sampling(**frames), workers)
        yield FrameStore([path])


@contextmanager
def varied_frames(
    count: int, manifests: Sequence[Path], folder: str | Path, frames: Mapping[str, Any], workers: int
) -> Iterator[FrameStore]:
    """Extract about `count` frames of as many videos as possible to a temporary store.

    The store has at least `count` frames if there are as many. The videos are spread evenly over
    the manifests; the other arguments are those of `frame_subset`.
    """
    manifest = read_manifest(manifests)
    readable = manifest.loc[manifest["readable"], "fname"]
    videos = min(count, len(readable))
    places = np.linspace(0, len(readable) - 1, videos).round().astype(int)
    of_each = {"first": -(-count // max(1, videos))}
    with frame_subset(readable.iloc[places], manifests, folder, {**frames, **of_each}, workers) as store:
        yield store
