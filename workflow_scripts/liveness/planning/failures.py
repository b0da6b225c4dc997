"""The sentences of failed jobs, gathered for the end of a run, where people look."""

import re
from contextlib import suppress
from pathlib import Path

from liveness.runtime.errors import InputError
from liveness.storage.s3 import local


def failures(*run_logs: Path) -> list[str]:
    """One line per failed rule in Snakemake's logs of a run: the errors of its jobs, or where to look.

    Snakemake prints some thirty lines about a failed job after the job's own sentence. Of jobs that a cluster
    ran as one (a group), it names all, indented, whichever failed: here those that said something. Jobs that
    Ctrl-C stopped count as failed to Snakemake; here they do not.
    """
    text = "\n".join(log.read_text(encoding="utf-8") for log in run_logs if log.is_file())
    text, interrupted, _ = text.partition("Terminating processes on user request")
    # a cluster's log file may follow the job's own
    pattern = r"^( *)Error in rule (\w+):.*?^ +log: (.+?)(?: \(send to storage\))?(?:,| \(check)"
    failed = [
        (bool(indent), name, log, _sentences(log))
        for indent, name, log in dict.fromkeys(re.findall(pattern, text, re.DOTALL | re.MULTILINE))
    ]
    group_spoke = any(in_group and sentences for in_group, *_, sentences in failed)
    told = [
        f"{name} failed: {sentences or f'see {log}'}"
        for in_group, name, log, sentences in failed
        if sentences or not (in_group and group_spoke)
    ]
    return [*told, "interrupted: the same command goes on where this one stopped"] if interrupted else told


def _sentences(job_log: str) -> str:
    lines: list[str] = []
    with suppress(OSError, InputError), local(job_log) as path:
        lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line)
