"""What child processes owe: to end with their parent, and to stay within their memory."""

import os
import resource
import threading
import time
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 1.0


def end_with_parent(parent: int) -> None:
    """Make this process exit soon after the process `parent`, whose child it is, has died.

    A parent that is killed cannot end its children, which would hold memory and GPUs for ever. A
    thread watches, since the kernel's own signal depends on the thread that started the child.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


def limit_memory(megabytes: int) -> None:
    """Let this process allocate at most so much more than it has; allocations beyond that fail."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    data_kb = int(status.partition("VmData:")[2].split()[0])
    limit = data_kb * 1024 + megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
