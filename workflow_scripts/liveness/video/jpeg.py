"""JPEG encoding and decoding for stored frames and simulated degradation."""

import cv2
import numpy as np
import pyarrow as pa


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode a uint8 RGB image [H, W, 3]; from quality 95 on without chroma subsampling (4:4:4).

    Training uses frames that went through JPEG, prediction frames that did not. Chroma subsampling
    would account for most of the difference.
    """
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality >= 95 else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, buffer = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return buffer.tobytes()


def decode_jpeg(buffer: bytes | pa.Buffer) -> np.ndarray:
    """Decode a JPEG to uint8 RGB [H, W, 3]; raise ValueError if it is damaged."""
    image = cv2.imdecode(np.frombuffer(buffer, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("not a JPEG: the frames file is damaged; delete it to have it extracted again")
    return np.asarray(image, np.uint8)
