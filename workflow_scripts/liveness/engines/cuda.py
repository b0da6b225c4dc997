"""The GPU of this process: its driver, its primary context (which torch shares), and graphs of work."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from liveness.runtime.errors import InputError

_THREAD_LOCAL = (
    1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile is no part of the graph
)


def driver() -> Any:
    """pycuda's driver, with the primary context made ready.

    Raises:
        InputError: no pycuda, no NVIDIA driver or no GPU.
    """
    try:
        import pycuda.autoprimaryctx
        import pycuda.driver
    except ImportError as error:
        raise InputError(
            f"running TensorRT engines needs pycuda and the NVIDIA driver ({error}); "
            "install pycuda on a machine with a GPU: pip install '.[gpu]'"
        ) from None
    except Exception as error:  # pycuda raises classes of a module that may not be importable
        raise InputError(
            f"running TensorRT engines needs an NVIDIA GPU, and CUDA finds none ({error})"
        ) from None
    return pycuda.driver


def gpu_name() -> str:
    """Name and compute capability of the GPU.

    Raises:
        InputError: as driver().
    """
    device = driver().Device(0)
    major, minor = device.compute_capability()
    return f"{device.name()} (compute capability {major}.{minor})"


@contextmanager
def active_context() -> Iterator[None]:
    """Make the primary context this thread's: only the thread that imported pycuda has it by itself."""
    driver()
    from pycuda.autoprimaryctx import context

    context.push()
    try:
        yield
    finally:
        context.pop()


@cache
def _library() -> Any:
    # pycuda has no graphs
    return ctypes.CDLL("libcuda.so.1")


def _call(function: str, *arguments: Any) -> None:
    status = getattr(_library(), function)(*arguments)
    if status:
        raise RuntimeError(f"{function} failed with the CUDA error {status}")


class Graph:
    """Work that was put on a stream once and can be launched as a whole. The context must be active."""

    def __init__(self, stream: Any, enqueue: Callable[[], None]) -> None:
        """Capture what `enqueue` puts on the pycuda stream; nothing runs."""
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
