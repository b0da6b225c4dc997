"""Settings of the C library's memory allocator for processes that train."""

import ctypes

# constants of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Make malloc reuse freed memory instead of returning it to the system; only glibc supports it.

    By default every training step returns large blocks and gets them back as fresh pages, each of
    which costs a page fault.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)
