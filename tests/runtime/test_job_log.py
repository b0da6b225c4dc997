"""Log and terminal output of real job processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from running import ROOT

HEAD = "from liveness.runtime.job_log import start_log\nstart_log('logs/job.log')\n"


def run(folder: Path, body: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a job that starts its log in `folder`; return the process and the log."""
    (folder / "job.py").write_text(HEAD + body, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts"), "PYTHONUTF8": "1"}
    process = subprocess.run(
        [sys.executable, "job.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return process, (folder / "logs/job.log").read_text(encoding="utf-8")


def test_an_input_error_prints_only_its_message(tmp_path: Path) -> None:
    sentence = "label.csv, row 17: mặt.mp4 is listed twice; expected one row per video."
    process, log = run(
        tmp_path, f"from liveness.runtime.errors import InputError\nraise InputError({sentence!r})\n"
    )
    assert process.returncode == 1
    assert process.stderr == sentence + "\n"
    assert process.stdout == ""
    assert log.endswith(f"ERROR {sentence}\n")
    assert "Traceback" not in log


@pytest.mark.parametrize("body", ["1 / 0\n", "def f():\n    raise ValueError('wrong')\n\nf()\n"])
def test_any_other_error_keeps_its_traceback(tmp_path: Path, body: str) -> None:
    process, log = run(tmp_path, body)
    assert process.returncode == 1
    for text in (process.stderr, log):
        assert "Traceback (most recent call last)" in text
        assert "job.py" in text
        assert "ZeroDivisionError" in text or "ValueError: wrong" in text


def test_records_and_warnings_go_to_both_with_the_time_in_the_file(tmp_path: Path) -> None:
    body = (
        "import logging, warnings\nlogging.getLogger('liveness.x').info('told')\n"
        "warnings.warn('mind')\nwarnings.warn('bygone', DeprecationWarning)\n"
    )
    process, log = run(tmp_path, body)
    assert process.returncode == 0
    assert process.stderr.startswith("told\n")
    assert log[:2] == "20" and "INFO told\n" in log
    for text in (process.stderr, log):
        assert "UserWarning: mind" in text
        assert "bygone" not in text


def test_a_rerun_overwrites_the_log(tmp_path: Path) -> None:
    run(tmp_path, "1 / 0\n")
    _, log = run(tmp_path, "import logging\nlogging.info('well')\n")
    assert len(log.splitlines()) == 1
