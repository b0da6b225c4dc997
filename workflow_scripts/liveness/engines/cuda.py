"""CUDA of this process: the driver, the primary context (shared with torch) and CUDA graphs."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from liveness.runtime.errors import InputError

# CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: work of other threads does not enter the graph
_THREAD_LOCAL = 1


def driver() -> Any:
    """Return pycuda's driver module after creating the primary context.

    Raises:
        InputError: pycuda, the NVIDIA driver or a GPU is missing.
    """
    try:
        import pycuda.autoprimaryctx
        import pycuda.driver
    except ImportError as error:
        raise InputError(
            f"running TensorRT engines needs pycuda and the NVIDIA driver ({error}); "
            "install pycuda on a machine with a GPU: pip install '.[gpu]'"
        ) from None
    except Exception as error:  # pycuda's exceptions live in a module that may not import
        raise InputError(
            f"running TensorRT engines needs an NVIDIA GPU, but CUDA finds none ({error})"
        ) from None
    return pycuda.driver


def gpu_name() -> str:
    """Return the GPU's name and compute capability.

    Raises:
        InputError: see driver().
    """
    device = driver().Device(0)
    major, minor = device.compute_capability()
    return f"{device.name()} (compute capability {major}.{minor})"


@contextmanager
def active_context() -> Iterator[None]:
    """Activate the primary context on this thread; importing pycuda activates it on one only."""
    driver()
    from pycuda.autoprimaryctx import context

    context.push()
    try:
        yield
    finally:
        context.pop()


@cache
def _library() -> Any:
    # pycuda does not wrap CUDA graphs
    return ctypes.CDLL("libcuda.so.1")


def _call(function: str, *arguments: Any) -> None:
    status = getattr(_library(), function)(*arguments)
    if status:
        raise RuntimeError(f"{function} failed with the CUDA error {status}")


class Graph:
    """A captured sequence of stream operations that launches as one. Needs the context active."""

    def __init__(self, stream: Any, enqueue: Callable[[], None]) -> None:
        """Capture the operations that `enqueue` puts on the pycuda stream without running them."""
        handle, graph = ctypes.c_void_p(stream.handle), ctypes.c_void_p()
        _call("cuStreamBeginCapture_v2", handle, _THREAD_LOCAL)
        try:
            enqueue()
        finally:
            _call("cuStreamEndCapture", handle, ctypes.byref(graph))
        self._executable = ctypes.c_void_p()
        try:
            _call("cuGraphInstantiateWithFlags", ctypes.byref(self._executable), graph, ctypes.c_ulonglong(0))
        finally:
            _call("cuGraphDestroy", graph)

    def launch(self, stream: Any) -> None:
        _call("cuGraphLaunch", self._executable, ctypes.c_void_p(stream.handle))

    def close(self) -> None:
        _call("cuGraphExecDestroy", self._executable)
