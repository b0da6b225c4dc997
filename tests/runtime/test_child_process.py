"""Child processes end with their parent, and stay within their memory."""

import subprocess
import sys
import time
from pathlib import Path

LIBRARY = str(Path(__file__).parents[2] / "workflow_scripts")

CHILD = f"""
import os, sys, time
sys.path.insert(0, {LIBRARY!r})
from liveness.runtime.child_process import end_with_parent
end_with_parent(os.getppid())
print("ready", os.getpid(), flush=True)
time.sleep(600)
"""

PARENT = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {CHILD!r}])
time.sleep(600)
"""

GREEDY = f"""
import sys
sys.path.insert(0, {LIBRARY!r})
from liveness.runtime.child_process import limit_memory
limit_memory(300)
kept = bytearray(200 * 2**20)
try:
    bytearray(200 * 2**20)
except MemoryError:
    print("refused")
"""


def test_a_child_ends_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline().split()[1])
    time.sleep(1.5)
    status = Path(f"/proc/{pid}/stat")
    assert " Z " not in status.read_text(encoding="ascii"), "it lives as long as its parent"
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while status.exists() and " Z " not in status.read_text(encoding="ascii"):
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.1)


def test_memory_beyond_the_limit_is_refused() -> None:
    done = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
