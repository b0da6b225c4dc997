"""The one OpenVINO of a process."""

from functools import cache

import openvino


@cache
def openvino_core() -> openvino.Core:
    """The same for everybody, and kept until the process ends.

    OpenVINO's CPU plugin lays a stack for signals under the thread that loads it, and frees it in the thread
    that unloads it: where that is another one, the first thread dies of the next signal that Python handles,
    be it the end of a child or Ctrl-C.
    """
    return openvino.Core()
