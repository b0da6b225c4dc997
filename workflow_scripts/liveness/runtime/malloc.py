"""The C library's heap in processes that train."""

import ctypes

# of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Have this process keep what it frees for what it allocates next, where the C library is glibc.

    It would return large blocks to the system and get them back as fresh pages, in every training step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)
