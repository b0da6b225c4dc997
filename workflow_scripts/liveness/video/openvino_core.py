"""The OpenVINO core that all code of a process shares."""

from functools import cache

import openvino


@cache
def openvino_core() -> openvino.Core:
    """Return the process-wide core, which is never unloaded.

    OpenVINO's CPU plugin installs an alternate signal stack for the thread that loads it and frees
    it in the thread that unloads it. If these differ, the first thread crashes on the next signal
    that Python handles, for example the end of a child process or Ctrl-C.
    """
    return openvino.Core()
