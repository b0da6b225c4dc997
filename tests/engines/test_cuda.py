"""The GPU of this process."""

import threading
from pathlib import Path

import numpy as np
import pytest

from liveness.engines.cuda import Graph, active_context, driver, gpu_name
from liveness.runtime.errors import InputError


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU")
@pytest.mark.parametrize("use", [driver, gpu_name, lambda: active_context().__enter__()])
def test_a_machine_without_a_gpu_says_what_is_missing(use) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"running TensorRT engines needs (pycuda|an NVIDIA GPU)"):
        use()


@pytest.mark.gpu
def test_the_gpu_has_a_name_and_a_compute_capability() -> None:
    major, minor = driver().Device(0).compute_capability()
    assert gpu_name().endswith(f" (compute capability {major}.{minor})")


@pytest.mark.gpu
def test_another_thread_can_use_the_context() -> None:
    found: list[int] = []

    def work() -> None:
        with active_context():
            memory = driver().mem_alloc(4)
            driver().memset_d32(memory, 7, 1)
            found.append(value(memory))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [7]


def value(memory) -> int:  # type: ignore[no-untyped-def]
    host = np.empty(1, np.uint32)
    driver().memcpy_dtoh(host, memory)
    return int(host[0])


@pytest.mark.gpu
def test_a_graph_runs_whenever_it_is_launched_and_not_before() -> None:
    cuda = driver()
    with active_context():
        stream, source, target = cuda.Stream(), cuda.mem_alloc(4), cuda.mem_alloc(4)
        cuda.memset_d32(source, 7, 1)
        cuda.memset_d32(target, 0, 1)
        graph = Graph(stream, lambda: cuda.memcpy_dtod_async(target, source, 4, stream))
        stream.synchronize()
        assert value(target) == 0
        for number in (7, 9):
            cuda.memset_d32(source, number, 1)
            graph.launch(stream)
            stream.synchronize()
            assert value(target) == number
        graph.close()


@pytest.mark.gpu
def test_a_capture_that_fails_leaves_the_stream_usable() -> None:
    cuda = driver()
    with active_context():
        stream, memory = cuda.Stream(), cuda.mem_alloc(4)
        with pytest.raises(ZeroDivisionError):
            Graph(stream, lambda: 1 // 0)
        cuda.memset_d32_async(memory, 5, 1, stream)
        stream.synchronize()
        assert value(memory) == 5
