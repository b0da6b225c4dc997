"""Work on many videos in processes that may die without taking the run with them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from itertools import islice
from typing import Self, TypeVar

from loky import ProcessPoolExecutor
from loky.backend import get_context

Item = TypeVar("Item")
Result = TypeVar("Result")

# One process per core: the libraries' own threads would only compete with the other processes.
ONE_THREAD = {"OPENCV_FOR_THREADS_NUM": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Crash:
    """Stands for the result of an item that killed its process twice, the second time alone in it."""

    reason: str


class Workers:
    """Processes that work on one item after another until `close()`; use it as a context manager.

    They are started afresh (loky) and not forked: CUDA may be up, and scripts that Snakemake runs have no
    `__main__` guard.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = _pool(count)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], in_flight: int
    ) -> Iterator[tuple[Item, Result | Crash]]:
        """Yield (item, function(item)) in the order of `items`.

        At most `in_flight` items are submitted and not yet yielded: a slow consumer holds the workers back,
        and a slow item delays the others only once the `in_flight - 1` behind it are done. An exception that
        `function` raises is raised here.

        A C decoder may kill its process (segmentation fault, out of memory). The unfinished items then run
        again, one at a time in a process of their own, so that only the guilty one becomes a Crash, and the
        processes start anew. `function` must therefore bear to be run twice on an item.
        """
        items = iter(items)
        window: deque[tuple[Item, Future[Result | Crash]]] = deque()
        try:
            while True:
                for item in islice(items, in_flight - len(window)):
                    window.append((item, _submit(self._pool, function, item)))
                if not window:
                    return
                if isinstance(window[0][1].exception(), BrokenExecutor):
                    self.close()
                    _finish_alone(function, window)
                    self._pool = _pool(self.count)
                item, future = window.popleft()
                yield item, future.result()
        finally:
            for _, future in window:
                future.cancel()

    def close(self) -> None:
        """Kill the processes, whatever they are at."""
        self._pool.shutdown(kill_workers=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bounded_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, in_flight: int
) -> Iterator[tuple[Item, Result | Crash]]:
    """`Workers.map` by processes that end with it."""
    with Workers(workers) as processes:
        yield from processes.map(function, items, in_flight)


def _finish_alone(
    function: Callable[[Item], Result], window: deque[tuple[Item, Future[Result | Crash]]]
) -> None:
    """Replace the futures that a dead process left broken by finished ones."""
    pool = _pool(1)
    for position, (item, future) in enumerate(window):
        if not isinstance(future.exception(), BrokenExecutor):
            continue
        future = _submit(pool, function, item)
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            pool.shutdown(kill_workers=True)
            pool = _pool(1)
            future = Future()
            future.set_result(Crash(f"the process that decoded it died twice{_exit_codes(error)}"))
        window[position] = item, future
    pool.shutdown(kill_workers=True)


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], item: Item
) -> Future[Result | Crash]:
    """Submit, and let a pool that is already broken fail like one that breaks later."""
    try:
        return pool.submit(function, item)
    except BrokenExecutor as error:
        future: Future[Result | Crash] = Future()
        future.set_exception(error)
        return future


def _exit_codes(error: BaseException) -> str:
    """Return what loky says in braces about how its workers ended, for instance ' (SIGSEGV(-11))'."""
    _, brace, rest = str(error).partition("{")
    return f" ({rest.partition('}')[0]})" if brace else ""


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=workers, context=get_context("loky"), env=ONE_THREAD)
