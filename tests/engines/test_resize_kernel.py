"""The kernel matches `preprocessing`. Its body is also valid C++, so no GPU is needed."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from liveness.engines.resize_kernel import SOURCE, crop_table
from liveness.video.preprocessing import WHOLE, View, model_input, part

MIDDLE = (0.05, 0.05, 0.95, 0.95)
# frames to shrink, to enlarge, to do both along different sides, and to leave as they are
SHAPES = [
    (256, 454, 3),
    (455, 256, 3),
    (180, 320, 3),
    (90, 70, 3),
    (224, 224, 3),
    (448, 224, 3),
    (17, 400, 3),
]

Kernel = Callable[[list[np.ndarray], View, int], np.ndarray]

DRIVER = """
extern "C" void run(const uint8* pixels, const Crop* crops, uint8* out, int size, int h, int v, int n) {
    for (int i = 0; i < n; ++i) for (int y = 0; y < size; ++y) for (int x = 0; x < size; ++x)
        input_pixel(pixels, crops, out, size, h, v, i, y, x);
}
"""


def draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draw soft and hard edges and noise, uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8)
    image = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC).astype(int)
    image[:, shape[1] // 3] = 255
    return np.clip(image + rng.normal(0, 25, shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel.cpp").write_text(SOURCE + DRIVER)
    subprocess.run(
        [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "kernel.cpp", "-o", "kernel.so"],
        cwd=folder,
        check=True,
    )
    library = ctypes.CDLL(str(folder / "kernel.so"))

    def run(frames: list[np.ndarray], view: View, size: int) -> np.ndarray:
        pixels = np.concatenate([frame.ravel() for frame in frames])
        starts = np.cumsum([0, *(frame.size for frame in frames[:-1])]).tolist()
        crops = crop_table([frame.shape for frame in frames], view.box, starts)
        output = np.zeros((len(frames), size, size, 3), np.uint8)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (pixels, crops, output)]
        library.run(*pointers, size, view.hflip, view.vflip, len(frames))
        return output

    return run


@pytest.mark.parametrize("size", [96, 224, 384])
@pytest.mark.parametrize("box", [WHOLE, MIDDLE, (0.0, 0.5, 0.3, 1.0)])
def test_the_kernel_is_the_models_input_within_one_level(
    kernel: Kernel, size: int, box: tuple[float, float, float, float]
) -> None:
    frames = [draw(shape, seed) for seed, shape in enumerate(SHAPES)]
    expected = np.stack([model_input(part(frame, box), size) for frame in frames])
    difference = np.abs(kernel(frames, View(box), size).astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


@pytest.mark.parametrize(("hflip", "vflip"), [(True, False), (False, True), (True, True)])
def test_mirrored_views_are_mirror_images(kernel: Kernel, hflip: bool, vflip: bool) -> None:
    frames = [draw((120, 200, 3), 1), draw((200, 90, 3), 2)]
    expected = kernel(frames, View(MIDDLE), 96)[:, :: -1 if vflip else 1, :: -1 if hflip else 1]
    assert np.array_equal(kernel(frames, View(MIDDLE, hflip, vflip), 96), expected)


def test_cuda_accepts_the_source(tmp_path: Path) -> None:
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc")
    (tmp_path / "kernel.cu").write_text(SOURCE)
    subprocess.run([compiler, "-ptx", "kernel.cu", "-o", "kernel.ptx"], cwd=tmp_path, check=True)
    assert "model_inputs" in (tmp_path / "kernel.ptx").read_text()
