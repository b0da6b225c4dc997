"""Measure how often `frames.crop: face` finds faces, with and without masks, and its cost.

Masks are painted on detected faces: the lower half of the box, rounded, with the picture's shading.
Takes a minute for 85 clips and ends with lines `name value`.
"""

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np
from measure import ROOT, SMOKE, argument_parser, report
from tqdm import tqdm

from liveness.demo.dataset import make_split
from liveness.video.decoder import probe, read_frames
from liveness.video.face_crop import find_faces
from liveness.video.manifest import list_videos
from liveness.video.preprocessing import sample_times

REAL = ROOT.parent / "shared/data/real"
MASKS = {"white": (225, 228, 230), "blue": (150, 190, 215), "black": (35, 35, 38)}


def masked(frame: np.ndarray, box: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Paint a mask from the middle of the nose to the chin on a frame, uint8 RGB [H, W, 3]."""
    left, top, right, bottom = box
    side = np.array([(0.5, 0.48), (0.85, 0.6), (0.97, 0.6), (0.92, 0.85), (0.7, 1.02), (0.5, 1.07)])
    outline = np.concatenate([side, (1, 0) + side[::-1] * (-1, 1)]) * (right - left, bottom - top) + (
        left,
        top,
    )
    plane = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(plane, [np.round(outline).astype(np.int32)], 255, cv2.LINE_AA)
    cover = cv2.GaussianBlur(plane, (0, 0), 2).astype(np.float32)[..., None] / 255
    light = cv2.GaussianBlur(frame, (0, 0), max(frame.shape) / 60).mean(axis=2, keepdims=True)
    cloth = np.array(colour) * np.minimum(0.75 + light / 510, 1.05)
    return np.clip(frame * (1 - cover) + cover * cloth, 0, 255).astype(np.uint8)


def frames_of(video: Path) -> Iterator[np.ndarray]:
    """Yield eight frames spread over the whole video, in full size."""
    times = sample_times(probe(video).duration, 8, (0.0, 1.0)).tolist()
    for frame in read_frames(video, times):
        yield np.ascontiguousarray(frame.image)


def measure(folder: Path) -> dict[str, float]:
    found: list[list[bool]] = []
    behind: dict[str, list[bool]] = {name: [] for name in MASKS}
    seconds = []
    for fname in tqdm(list_videos(folder), desc="videos", unit="video"):
        found.append([])
        for frame in frames_of(folder / fname):
            start = perf_counter()
            faces = find_faces(frame)
            seconds.append(perf_counter() - start)
            found[-1].append(len(faces) > 0)
            for name, colour in MASKS.items() if len(faces) else ():
                behind[name].append(len(find_faces(masked(frame, faces[0], colour))) > 0)
    return {
        "faces.videos": len(found),
        "faces.frames": len(seconds),
        "faces.found_in_frames": float(np.mean([*chain(*found)])),
        "faces.found_in_videos": float(np.mean([any(hits) for hits in found])),
        **{f"faces.found_behind_{name}_mask": float(np.mean(hits)) for name, hits in behind.items()},
        "faces.ms_per_frame": 1e3 * median(seconds),
    }


if __name__ == "__main__":
    parser = argument_parser(__doc__.split("\n")[0])
    parser.add_argument(
        "videos", nargs="?", type=Path, default=REAL, help="folder of videos (default: %(default)s)"
    )
    folder = parser.parse_args().videos
    with tempfile.TemporaryDirectory(prefix="faces-") as work:
        if SMOKE:
            folder = Path(work, "videos")
            make_split(folder, Path(work, "labels.csv"), people=[0], pairs=1, seed=7, workers=2)
        report(lambda: measure(folder), [folder.name])
