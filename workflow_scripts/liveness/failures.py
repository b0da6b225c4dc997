"""The sentences of failed jobs, gathered for the end of a run, where people look."""

import re
from pathlib import Path


def failures(*run_logs: Path) -> list[str]:
    """One line per failed rule in Snakemake's logs of a run: the errors of its jobs, or where to look.

    Snakemake prints some thirty lines about a failed job after the job's own sentence.
    """
    text = "\n".join(log.read_text(encoding="utf-8") for log in run_logs if log.is_file())
    failed = re.findall(r"^Error in rule (\w+):.*?^    log: (\S+)", text, re.DOTALL | re.MULTILINE)
    return [f"{name} failed: {_sentences(Path(log)) or f'see {log}'}" for name, log in dict.fromkeys(failed)]


def _sentences(job_log: Path) -> str:
    lines = job_log.read_text(encoding="utf-8").splitlines() if job_log.is_file() else []
    return " ".join(line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line)
