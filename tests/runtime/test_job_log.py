"""Log and terminal output of real job processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from running import ROOT

HEAD = "from liveness.runtime.job_log import start_log\nstart_log('logs/job.log')\n"


INPUT_ERROR = "from liveness.runtime.errors import InputError\nraise InputError('rows.csv: no rows.')\n"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts"), "PYTHONUTF8": "1"}


def run(folder: Path, body: str, first: str = "") -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a job that starts its log in `folder`; return the process and the log.

    `first` runs before the log starts.
    """
    first = f"import signal\n{first}\n" if first else ""
    (folder / "job.py").write_text(first + HEAD + body, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "job.py"],
        cwd=folder,
        env=ENVIRONMENT,
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


def test_a_file_that_is_missing_where_nobody_may_write_is_not_called_a_full_disk(tmp_path: Path) -> None:
    process, log = run(tmp_path, "open('/sys/gone.mp4')\n")
    assert "FileNotFoundError" in process.stderr
    assert "cannot be written" not in log


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_told_to_stop_says_so(tmp_path: Path, number: signal.Signals) -> None:
    body = (
        "import os\nfrom liveness.runtime.atomic_write import atomic_write\n"
        "with atomic_write('out/a.csv') as path:\n    path.touch()\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
    )
    process, log = run(tmp_path, body)
    assert process.returncode == 1
    assert process.stderr == f"stopped by {number.name}; run the same command again to continue.\n"
    assert log.endswith(f"ERROR {process.stderr}")
    assert not [*(tmp_path / "out").iterdir()]


def test_signals_end_forked_children_silently(tmp_path: Path) -> None:
    body = (
        "import os, signal\nchild = os.fork()\n"
        "if not child:\n    os.kill(os.getpid(), signal.SIGTERM)\n    os._exit(3)\n"
        "print(os.WTERMSIG(os.waitpid(child, 0)[1]))\n"
    )
    process, log = run(tmp_path, body)
    assert (process.returncode, process.stdout, process.stderr, log) == (
        0,
        f"{int(signal.SIGTERM)}\n",
        "",
        "",
    )


def test_nohup_is_respected(tmp_path: Path) -> None:
    code = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    process, _ = run(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('on')\n", code)
    assert process.stdout == "on\n"


def test_a_full_disk_has_a_sentence_wherever_a_job_writes(tmp_path: Path) -> None:
    process, log = run(tmp_path, "with open('/dev/full', 'w') as file:\n    file.write('x')\n")
    assert process.returncode == 1
    assert log.splitlines()[-1].endswith("free up space and run the same command again.")
    assert "logs (a folder) cannot be written: the disk is full (" in log
    assert "Traceback" not in log + process.stderr


def test_a_log_on_a_full_disk_spoils_no_sentence(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/job.log").symlink_to("/dev/full")
    (tmp_path / "job.py").write_text(HEAD + INPUT_ERROR, encoding="utf-8")
    process = subprocess.run([sys.executable, "job.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True)
    assert (process.returncode, process.stderr) == (1, b"rows.csv: no rows.\n")


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to("/sys/kernel")
    (tmp_path / "job.py").write_text(HEAD, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "job.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert process.returncode == 1
    assert process.stderr.startswith("logs/job.log (a log) cannot be written: ")
    assert process.stderr.count("\n") == 1


def test_a_job_ends_with_snakemake(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(f"{HEAD}import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    start = f"import subprocess, sys, time\nsubprocess.Popen([{sys.executable!r}, 'job.py'])\ntime.sleep(600)"
    snakemake = subprocess.Popen(
        [sys.executable, "-c", start], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert snakemake.stdout is not None
    assert snakemake.stdout.readline() == "ready\n"
    snakemake.kill()
    # the pipe is closed once the job has ended too
    assert snakemake.communicate(timeout=60)[0] == ""
