"""How a stored picture is turned and mirrored for display."""

from dataclasses import dataclass
from typing import Any

import av
import numpy as np


@dataclass(frozen=True)
class Orientation:
    """Steps from the stored to the displayed picture, in this order."""

    transpose: bool = False
    mirror: bool = False
    flip: bool = False

    @property
    def rotation(self) -> int:
        """Degrees clockwise (0, 90, 180 or 270), after mirroring where that is needed too."""
        if self.transpose:
            return 90 if self.mirror else 270
        return 180 if self.flip else 0

    @property
    def is_mirrored(self) -> bool:
        """True if no rotation alone makes the picture upright."""
        return self.transpose ^ self.mirror ^ self.flip

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """Return a stored picture [H, W, 3] as displayed."""
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.mirror:
            picture = picture[:, ::-1]
        if self.flip:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def orientation(frame: av.VideoFrame) -> Orientation:
    """Read a frame's display matrix, to the nearest quarter turn; without one it is upright.

    PyAV's `frame.rotation` takes a mirrored picture for a rotated one. The matrix maps a stored
    point (x, y) to (a x + c y, b x + d y), with y pointing down (ISO/IEC 14496-12, 8.3.2).
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    if abs(a) >= abs(b):
        return Orientation(mirror=a < 0, flip=d < 0)
    return Orientation(transpose=True, mirror=c < 0, flip=b < 0)
