"""A process pool that survives worker processes that die, stall or want too much memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass
from itertools import islice
from typing import Self, TypeVar

from loky import ProcessPoolExecutor
from loky.backend import get_context
from loky.process_executor import ShutdownExecutorError

from liveness.runtime.child_process import end_with_parent, limit_memory

Item = TypeVar("Item")
Result = TypeVar("Result")

# There is one process per core, so threads of the libraries would only compete with them.
ONE_THREAD = {"OPENCV_FOR_THREADS_NUM": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Crash:
    """The result of an item whose process died or stalled with no other item in it, or that needs
    too much memory.
    """

    reason: str


class Workers:
    """A pool of worker processes that live until `close()`; use it as a context manager.

    loky starts the processes afresh instead of forking: CUDA may already be initialised, and
    scripts that Snakemake runs have no `__main__` guard.
    """

    def __init__(self, count: int, seconds: float | None = None, memory_mb: int = 0) -> None:
        """Start `count` processes.

        An item may take `seconds`; its process may have `memory_mb` MB more than it begins with.
        None and 0 set no limit.
        """
        self.count = count
        self._seconds = seconds
        self._memory_mb = memory_mb
        self._pool = self._new_pool(count)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], in_flight: int
    ) -> Iterator[tuple[Item, Result | Crash]]:
        """Yield (item, function(item)) in the order of `items`.

        At most `in_flight` items are submitted but not yet yielded: a slow consumer throttles the
        workers, and a slow item delays the others only once the `in_flight - 1` items behind it are
        done. An exception in `function` is raised here.

        A C decoder may kill its process (segmentation fault, out of memory) or never return. The
        unfinished items are then rerun one at a time in a separate process, so that only the
        culprit becomes a Crash, and the pool is restarted. `function` must therefore be safe to run
        twice on the same item.
        """
        items = iter(items)
        window: deque[tuple[Item, Future[Result | Crash]]] = deque()
        try:
            while True:
                for item in islice(items, in_flight - len(window)):
                    window.append((item, self._submit(self._pool, function, item)))
                if not window:
                    return
                # the oldest item is being worked on since the one before was done, or longer
                if not self._is_answered(window[0][1]):
                    self.close()
                    self._finish_alone(function, window)
                    self._pool = self._new_pool(self.count)
                item, future = window.popleft()
                yield item, future.result()
        finally:
            for _, future in window:
                future.cancel()

    def close(self) -> None:
        """Kill the processes, even those that are busy."""
        self._pool.shutdown(kill_workers=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_answered(self, future: Future[Result | Crash]) -> bool:
        """Wait for a result, or an exception of the function; False if there will be neither."""
        try:
            error = future.exception(timeout=self._seconds)
        except (TimeoutError, CancelledError):
            return False
        return not isinstance(error, BrokenExecutor | ShutdownExecutorError)

    def _finish_alone(
        self, function: Callable[[Item], Result], window: deque[tuple[Item, Future[Result | Crash]]]
    ) -> None:
        """Rerun the items without an answer, and replace their futures in `window`."""
        pool = self._ready_pool()
        for position, (item, future) in enumerate(window):
            if future.done() and self._is_answered(future):
                continue
            future = self._submit(pool, function, item)
            if not self._is_answered(future):
                error = future.exception() if future.done() else None
                reason = (
                    f"the process that decoded it died twice{_exit_codes(error)}"
                    if error
                    else f"it took longer than {self._seconds:g} s (limits.seconds)"
                )
                pool.shutdown(kill_workers=True)
                pool = self._ready_pool()
                future = Future()
                future.set_result(Crash(reason))
            window[position] = item, future
        pool.shutdown(kill_workers=True)

    def _submit(
        self, pool: ProcessPoolExecutor, function: Callable[[Item], Result], item: Item
    ) -> Future[Result | Crash]:
        """Submit an item; a pool that is already broken fails through the future too."""
        try:
            return pool.submit(_within_memory, self._memory_mb, function, item)
        except BrokenExecutor as error:
            future: Future[Result | Crash] = Future()
            future.set_exception(error)
            return future

    def _ready_pool(self) -> ProcessPoolExecutor:
        """Start one process; an item alone has its full time, however slow the start."""
        pool = self._new_pool(1)
        pool.submit(os.getpid).result()
        return pool

    def _new_pool(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=count,
            context=get_context("loky"),
            env=ONE_THREAD,
            initializer=_begin,
            initargs=(os.getpid(), self._memory_mb),
        )


def bounded_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    in_flight: int,
    seconds: float | None = None,
    memory_mb: int = 0,
) -> Iterator[tuple[Item, Result | Crash]]:
    """Run `Workers.map` in a pool of its own, closed at the end."""
    with Workers(workers, seconds, memory_mb) as processes:
        yield from processes.map(function, items, in_flight)


def _begin(parent: int, memory_mb: int) -> None:
    """Prepare a worker process."""
    end_with_parent(parent)
    if memory_mb:
        limit_memory(memory_mb)


def _within_memory(memory_mb: int, function: Callable[[Item], Result], item: Item) -> Result | Crash:
    try:
        return function(item)
    except MemoryError:
        if not memory_mb:
            raise
        return Crash(f"it needs more than {memory_mb} MB of memory (limits.memory_mb)")


def _exit_codes(error: BaseException | None) -> str:
    """Extract the workers' exit codes from loky's message, for instance ' (SIGSEGV(-11))'."""
    _, brace, rest = str(error).partition("{")
    return f" ({rest.partition('}')[0]})" if brace else ""
