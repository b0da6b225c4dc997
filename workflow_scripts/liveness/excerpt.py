"""Frames of a few videos, for sheets that show them: nobody should need all frames for that."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from liveness.frames import FrameStore, Sampling, extract
from liveness.manifest import read_manifest


@contextmanager
def excerpt(
    fnames: Collection[str],
    manifests: Iterable[Path],
    folder: str | Path,
    frames: Mapping[str, Any],
    workers: int,
) -> Iterator[FrameStore]:
    """A store of some videos' frames, those that `extract` stores of all, while the context lasts.

    `manifests` list the videos of `folder`, and more than these; `frames` are the values of `frames` in the
    configuration, `quality` among them. Of a video that cannot be read there are none.
    """
    sampling = dict(frames)
    quality = sampling.pop("quality")
    manifest = read_manifest(manifests)
    wanted = manifest[manifest["fname"].isin(list(fnames))]
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "frames.arrow")
        extract(wanted, folder, path, Sampling(**sampling), quality, workers)
        yield FrameStore([path])
