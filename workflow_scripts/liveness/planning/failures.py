"""Error messages of failed jobs, collected for the end of a run, where users look."""

import re
from contextlib import suppress
from pathlib import Path

from liveness.runtime.disk import refusal
from liveness.runtime.errors import InputError
from liveness.storage.s3 import local


def failures(*run_logs: Path) -> list[str]:
    """Return one line per failed rule in Snakemake's run logs: its jobs' errors, or their log file.

    A log without a sentence may be one that the disk refused: the line then says that instead.

    Snakemake prints some thirty lines about a failed job after the job's own error message. For
    jobs that a cluster ran as one (a group), it lists all of them, indented, whichever failed; only
    those that logged an error are returned. Jobs stopped by Ctrl-C do not count as failed here,
    although Snakemake reports them.
    """
    text = "\n".join(log.read_text(encoding="utf-8") for log in run_logs if log.is_file())
    text, interrupted, _ = text.partition("Terminating processes on user request")
    # the cluster's log file may follow the job's own
    pattern = r"^( *)Error in rule (\w+):.*?^ +log: (.+?)(?: \(send to storage\))?(?:,| \(check)"
    failed = [
        (bool(indent), name, log, _sentences(log))
        for indent, name, log in dict.fromkeys(re.findall(pattern, text, re.DOTALL | re.MULTILINE))
    ]
    group_has_errors = any(in_group and sentences for in_group, *_, sentences in failed)
    lines = [
        f"{name} failed: {sentences or refusal(log) or f'see {log}'}"
        for in_group, name, log, sentences in failed
        if sentences or not (in_group and group_has_errors)
    ]
    if interrupted:
        lines.append("interrupted: run the same command again to continue")
    return lines


def _sentences(job_log: str) -> str:
    lines: list[str] = []
    with suppress(OSError, InputError), local(job_log) as path:
        lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line)
