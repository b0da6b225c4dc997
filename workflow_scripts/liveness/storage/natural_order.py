"""Natural order of file names: 9.mp4 comes before 10.mp4."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from natsort import natsort_keygen, ns

Item = TypeVar("Item")


def natural_order(items: Iterable[Item], key: Callable[[Item], str] = str) -> list[Item]:
    """Sort items by the path that `key` returns, independently of the order they come in.

    Paths that natsort considers equal, such as 1.mp4 and 01.mp4, are sorted as plain text.
    """
    natural = natsort_keygen(alg=ns.PATH)

    def by_path(item: Item) -> tuple[object, str]:
        path = key(item)
        return natural(path), path

    return sorted(items, key=by_path)
