"""Reuse of freed memory, measured in page faults."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from liveness.runtime.malloc import keep_freed_memory
if sys.argv[1:]:
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(64 << 17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the setting")
def test_reused_memory_causes_no_page_faults() -> None:
    plain, kept = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, *words], check=True, capture_output=True).stdout)
        for words in ([], ["keep"])
    )
    assert kept < plain / 10
