"""Signals after OpenVINO was used, tested in a separate process because a failure kills it."""

import subprocess
import sys

PROGRAM = """
import gc, signal, subprocess, threading
import numpy as np
import openvino
from openvino import opset13
from liveness.video.openvino_core import openvino_core

signal.signal(signal.SIGCHLD, lambda *_: None)
given = opset13.parameter([8, 8], np.float32)
engines = [openvino_core().compile_model(openvino.Model([opset13.relu(given)], [given]), "CPU")]
engines[0](np.zeros((8, 8), np.float32))

def drop():
    engines.clear()
    gc.collect()

thread = threading.Thread(target=drop)
thread.start()
thread.join()
subprocess.run(["true"])
print("alive")
"""


def test_a_signal_after_another_thread_closed_the_engines_is_harmless() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
