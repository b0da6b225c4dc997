"""A process pool that survives the death of its worker processes."""

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

# There is one process per core, so threads of the libraries would only compete with them.
ONE_THREAD = {"OPENCV_FOR_THREADS_NUM": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Crash:
    """The result of an item whose process died twice, the second time with no other item in it."""

    reason: str


class Workers:
    """A pool of worker processes that live until `close()`; use it as a context manager.

    loky starts the processes afresh instead of forking: CUDA may already be initialised, and
    scripts that Snakemake runs have no `__main__` guard.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = _pool(count)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], in_flight: int
    ) -> Iterator[tuple[Item, Result | Crash]]:
        """Yield (item, function(item)) in the order of `items`.

        At most `in_flight` items are submitted but not yet yielded: a slow consumer throttles the
        workers, and a slow item delays the others only once the `in_flight - 1` items behind it are
        done. An exception in `function` is raised here.

        A C decoder may kill its process (segmentation fault, out of memory). The unfinished items
        are then rerun one at a time in a separate process, so that only the culprit becomes a
        Crash, and the pool is restarted. `function` must therefore be safe to run twice on the same
        item.
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
        """Kill the processes, even those that are busy."""
        self._pool.shutdown(kill_workers=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bounded_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, in_flight: int
) -> Iterator[tuple[Item, Result | Crash]]:
    """Run `Workers.map` in a pool of its own, closed at the end."""
    with Workers(workers) as processes:
        yield from processes.map(function, items, in_flight)


def _finish_alone(
    function: Callable[[Item], Result], window: deque[tuple[Item, Future[Result | Crash]]]
) -> None:
    """Rerun the items whose futures a dead process broke, and replace these futures in `window`."""
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
    """Submit an item; a pool that is already broken fails through the future too."""
    try:
        return pool.submit(function, item)
    except BrokenExecutor as error:
        future: Future[Result | Crash] = Future()
        future.set_exception(error)
        return future


def _exit_codes(error: BaseException) -> str:
    """Extract the workers' exit codes from loky's message, for instance ' (SIGSEGV(-11))'."""
    _, brace, rest = str(error).partition("{")
    return f" ({rest.partition('}')[0]})" if brace else ""


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=workers, context=get_context("loky"), env=ONE_THREAD)
