"""Extract the frames of a folder of videos for tests."""

from pathlib import Path

from liveness.video.frame_store import extract
from liveness.video.manifest import build_manifest, read_manifest
from liveness.video.sampling import Sampling


def extract_folder(videos: Path, work: Path, sampling: Sampling) -> Path:
    """Extract the frames of a folder's videos; return their file, in the folder `work`."""
    build_manifest(videos, [work / "0.csv"], work / "cache.sqlite", workers=1)
    extract(read_manifest([work / "0.csv"]), videos, work / "0.arrow", sampling, workers=1)
    return work / "0.arrow"
