"""CUDA kernel for cropping, resizing and mirroring: one upload feeds all image sizes and views.

It reproduces `preprocessing.part` and `model_input`. The source also compiles as C++, so that
`input_pixel` can be tested against OpenCV without a GPU.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from liveness.video.preprocessing import Box

# threads per block: 256 pixels of one image, in eight rows of one warp each
BLOCK = (32, 8, 1)

SOURCE = r"""
#ifdef __CUDACC__
#define SHARED_CODE __device__ __forceinline__
#else
#include <algorithm>
#include <cmath>
#define SHARED_CODE static inline
using std::min; using std::max;
#endif

typedef unsigned char uint8;

// One part of a frame, as crop_table writes it: offset and row stride in bytes, size in pixels.
struct Crop { long long start, stride, height, width; };

// Mean over the source area of pixel (x, y) of the part shrunk to [height, width], rounded like
// OpenCV. Lengths are in units of 1/height and 1/width of a pixel, so that edges are exact.
SHARED_CODE int shrunk_level(const uint8* pixels, const Crop& crop, int height, int width, int y, int x,
                             int channel)
{
    const int side_y = (int)crop.height, side_x = (int)crop.width;
    const int top = y * side_y, bottom = top + side_y, left = x * side_x, right = left + side_x;
    long long sum = 0;
    for (int row = top / height; row * height < bottom; ++row) {
        const int tall = min((row + 1) * height, bottom) - max(row * height, top);
        for (int column = left / width; column * width < right; ++column) {
            const int wide = min((column + 1) * width, right) - max(column * width, left);
            sum += (long long)(tall * wide) * pixels[crop.start + row * crop.stride + column * 3 + channel];
        }
    }
    return (int)rintf((float)sum / ((float)side_y * side_x));
}

// Finds the two pixels of an enlarged side around output pixel i of `size`; returns the weight of
// the second.
SHARED_CODE float neighbours(int i, int size, int side, int* first, int* second)
{
    const float at = (i + 0.5f) * side / size - 0.5f;
    const float below = floorf(at);
    *first = max((int)below, 0);
    *second = min((int)below + 1, side - 1);
    return at - below;
}

// Level of a row between pixels x0 and x1, times 2048, the fixed point in which OpenCV
// interpolates.
SHARED_CODE int row_level(const uint8* pixels, const Crop& crop, int height, int width, int y, int x0, int x1,
                          float across, int channel)
{
    const int first = shrunk_level(pixels, crop, height, width, y, x0, channel);
    const int second = x1 == x0 ? first : shrunk_level(pixels, crop, height, width, y, x1, channel);
    return first * (int)rintf((1 - across) * 2048) + second * (int)rintf(across * 2048);
}

// Level of one channel of pixel (x, y) of the model's input, uint8 [size, size, 3].
SHARED_CODE uint8 input_level(const uint8* pixels, const Crop& crop, int size, int y, int x, int channel)
{
    const int height = min((int)crop.height, size), width = min((int)crop.width, size);
    int y0 = y, y1 = y, x0 = x, x1 = x;
    const float down = height < size ? neighbours(y, size, height, &y0, &y1) : 0;
    const float across = width < size ? neighbours(x, size, width, &x0, &x1) : 0;
    const int upper = row_level(pixels, crop, height, width, y0, x0, x1, across, channel);
    const int lower = y1 == y0 ? upper : row_level(pixels, crop, height, width, y1, x0, x1, across, channel);
    const int level = (((upper >> 4) * (int)rintf((1 - down) * 2048)) >> 16)
                    + (((lower >> 4) * (int)rintf(down * 2048)) >> 16);
    return (uint8)((level + 2) >> 2);
}

// Pixel (x, y) of image `image` of the output uint8 [n, size, size, 3].
SHARED_CODE void input_pixel(const uint8* pixels, const Crop* crops, uint8* output, int size, int hflip,
                             int vflip, int image, int y, int x)
{
    const int from_y = vflip ? size - 1 - y : y, from_x = hflip ? size - 1 - x : x;
    uint8* target = output + (((long long)image * size + y) * size + x) * 3;
    for (int channel = 0; channel < 3; ++channel)
        target[channel] = input_level(pixels, crops[image], size, from_y, from_x, channel);
}

#ifdef __CUDACC__
extern "C" __global__ void model_inputs(const uint8* pixels, const Crop* crops, uint8* output, int size,
                                        int hflip, int vflip)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < size && y < size)
        input_pixel(pixels, crops, output, size, hflip, vflip, blockIdx.z, y, x);
}
#endif
"""


def crop_table(shapes: Sequence[tuple[int, ...]], box: Box, starts: Sequence[int]) -> NDArray[np.int64]:
    """Return the kernel's `Crop` of each frame, int64 [n, 4]: the pixels of `preprocessing.part`.

    `shapes` are the frames' shapes [H, W, 3], `starts` their byte offsets in the upload.
    """
    left, top, right, bottom = box
    rows = []
    for (height, width, _), start in zip(shapes, starts, strict=True):
        y0, y1, x0, x1 = (
            round(top * height),
            round(bottom * height),
            round(left * width),
            round(right * width),
        )
        rows.append((start + (y0 * width + x0) * 3, width * 3, y1 - y0, x1 - x0))
    return np.array(rows, np.int64).reshape(-1, 4)
