"""The worker pool keeps the order of items and bounds memory, even if worker processes die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from liveness.runtime.workers import Crash, bounded_map


def square(value: int) -> int:
    return value * value


def opencv_threads(_: int) -> int:
    import cv2

    return cv2.getNumThreads()


def die_on_five(value: int) -> int:
    if value == 5:
        os.kill(os.getpid(), signal.SIGSEGV)
    return value * value


def die_once(marker: Path) -> str:
    if marker.name == "fragile" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marker.name


def refuse_three(value: int) -> int:
    if value == 3:
        raise ValueError("three is refused")
    return value


def sleep_longer_at_first(value: int) -> int:
    time.sleep(0.3 if value == 0 else 0)
    return value


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(bounded_map(sleep_longer_at_first, range(12), workers=2, in_flight=4)) == [
        (value, value) for value in range(12)
    ]


def test_no_items_give_no_results() -> None:
    assert list(bounded_map(square, [], workers=2, in_flight=4)) == []


def test_a_slow_consumer_holds_the_producer_back() -> None:
    taken = []

    def items() -> Iterator[int]:
        for value in range(20):
            taken.append(value)
            yield value

    results = bounded_map(square, items(), workers=2, in_flight=3)
    for done in range(1, 6):
        next(results)
        assert len(taken) <= done - 1 + 3
    results.close()
    assert len(taken) < 20


def test_a_segmentation_fault_loses_only_its_own_item() -> None:
    results = dict(bounded_map(die_on_five, range(12), workers=2, in_flight=6))
    crash = results.pop(5)
    assert isinstance(crash, Crash)
    assert "died twice" in crash.reason
    assert "SIGSEGV" in crash.reason
    assert results == {value: value * value for value in range(12) if value != 5}


def test_an_item_that_dies_only_once_is_not_lost(tmp_path: Path) -> None:
    items = [tmp_path / name for name in ("a", "b", "fragile", "c")]
    assert [result for _, result in bounded_map(die_once, items, workers=2, in_flight=4)] == [
        "a",
        "b",
        "fragile",
        "c",
    ]


def test_opencv_uses_one_thread_in_each_process() -> None:
    assert dict(bounded_map(opencv_threads, [0], workers=1, in_flight=1)) == {0: 1}


def test_an_exception_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="three is refused"):
        list(bounded_map(refuse_three, range(6), workers=2, in_flight=4))


def stall_on_five(value: int) -> int:
    if value == 5:
        os.kill(os.getpid(), signal.SIGSTOP)
    return value * value


def sleep_on_five(value: int) -> int:
    time.sleep(60 if value == 5 else 0)
    return value * value


@pytest.mark.parametrize("stall", [stall_on_five, sleep_on_five])
def test_an_item_that_stalls_is_given_up_and_the_others_are_not(stall: Callable[[int], int]) -> None:
    results = dict(bounded_map(stall, range(12), workers=2, in_flight=6, seconds=8))
    assert results.pop(5) == Crash("it took longer than 8 s (limits.seconds)")
    assert results == {value: value * value for value in range(12) if value != 5}


def fill(megabytes: int) -> int:
    return len(bytearray(megabytes * 2**20))


def test_an_item_that_wants_too_much_memory_is_given_up() -> None:
    results = bounded_map(fill, [10, 900, 20], workers=1, in_flight=3, memory_mb=400)
    assert [result if isinstance(result, Crash) else result // 2**20 for _, result in results] == [
        10,
        Crash("it needs more than 400 MB of memory (limits.memory_mb)"),
        20,
    ]


PROGRAM = """
import sys, time
sys.path[:0] = {path!r}
from liveness.runtime.workers import Workers
from test_workers import pid_then_sleep
with Workers(2) as workers:
    for _ in workers.map(pid_then_sleep, [{folder!r}] * 2, in_flight=2):
        pass
"""


def pid_then_sleep(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    path = [str(Path(__file__).parent), *sys.path]
    parent = subprocess.Popen([sys.executable, "-c", PROGRAM.format(path=path, folder=str(tmp_path))])
    deadline = time.monotonic() + 60
    while len(pids := [int(file.name) for file in tmp_path.iterdir()]) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, pids))


def is_alive(pid: int) -> bool:
    try:
        # a zombie that nobody has collected is dead too
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
