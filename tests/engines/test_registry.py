"""Back ends are opened by name."""

import subprocess
import sys

import pytest

from liveness.engines.registry import open_backend
from liveness.runtime.errors import InputError
from running import ROOT


def test_an_unknown_back_end_is_refused() -> None:
    with pytest.raises(InputError, match=r"engine\.backend is 'tflite'; expected one of: openvino, "):
        open_backend("tflite")


@pytest.mark.parametrize(
    ("backend", "others"),
    [
        ("openvino", ["tensorrt", "tensorrt_rtx", "torch"]),
        ("tensorrt_rtx", ["openvino", "tensorrt", "torch"]),
        ("torch", ["openvino", "tensorrt", "tensorrt_rtx"]),
    ],
)
def test_a_back_end_imports_no_other_library(backend: str, others: list[str]) -> None:
    pytest.importorskip(backend)
    program = (
        "import sys; from liveness.engines.registry import open_backend\n"
        "assert not set(sys.argv[1:]) & set(sys.modules)\n"
        "backend = open_backend(sys.argv[1])\n"
        "assert sys.argv[1] in sys.modules and backend.version\n"
        "assert not set(sys.argv[2:]) & set(sys.modules), sys.modules.keys()"
    )
    command = [sys.executable, "-c", program, backend, *others]
    done = subprocess.run(command, cwd=ROOT / "workflow_scripts", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
