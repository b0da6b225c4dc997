"""The summary of failed jobs at the end of a run, from logs as Snakemake writes them."""

from pathlib import Path

import pytest

from liveness.planning.failures import failures

ONE = """
[Sun Nov 22 10:00:00 2026]
Error in rule {rule}:
    message: None
    jobid: 1
    log: {log} (check log file(s) for error details)
"""
GROUP = """
[Sun Nov 22 10:00:00 2026]
    jobs:
        rule blend:
            jobid: 2
            log: logs/blend.log (check log file(s) for error details)
    [Sun Nov 22 10:00:00 2026]
    Error in rule blend:
        jobid: 2
        output: blend.json
        log: logs/blend.log (check log file(s) for error details)
    [Sun Nov 22 10:00:00 2026]
    Error in rule submit:
        jobid: 1
        log: logs/submit.log (check log file(s) for error details)
"""


@pytest.fixture
def run_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path for Snakemake's log, next to the logs of a failed and of a successful job."""
    monkeypatch.chdir(tmp_path)
    Path("logs").mkdir()
    Path("logs/blend.log").write_text("10:00 INFO fitted\n")
    Path("logs/submit.log").write_text("10:00 INFO read\n10:00 ERROR rows.csv: no rows.\n")
    return Path("run.log")


def test_a_job_s_own_sentence_stands_for_it_once(run_log: Path) -> None:
    run_log.write_text(2 * ONE.format(rule="submit", log="logs/submit.log"))
    assert failures(run_log) == ["submit failed: rows.csv: no rows."]


def test_a_cluster_s_log_may_follow(run_log: Path) -> None:
    run_log.write_text(ONE.format(rule="submit", log="logs/submit.log, /somewhere/slurm/7.log"))
    assert failures(run_log) == ["submit failed: rows.csv: no rows."]


def test_a_log_may_be_stored_elsewhere(run_log: Path) -> None:
    run_log.write_text(ONE.format(rule="submit", log="logs/submit.log (send to storage)"))
    assert failures(run_log) == ["submit failed: rows.csv: no rows."]


def test_a_job_without_a_sentence_names_its_log(run_log: Path) -> None:
    run_log.write_text(ONE.format(rule="blend", log="logs/blend.log"))
    assert failures(run_log, Path("absent.log")) == ["blend failed: see logs/blend.log"]


def test_of_a_group_only_the_job_that_failed_is_named(run_log: Path) -> None:
    run_log.write_text(GROUP)
    assert failures(run_log) == ["submit failed: rows.csv: no rows."]


def test_a_group_without_a_sentence_names_all_logs(run_log: Path) -> None:
    run_log.write_text(GROUP)
    Path("logs/submit.log").unlink()
    assert failures(run_log) == ["blend failed: see logs/blend.log", "submit failed: see logs/submit.log"]


def test_a_run_that_ctrl_c_stopped_names_what_failed_by_itself(run_log: Path) -> None:
    stopped = "Terminating processes on user request, this might take some time.\n"
    asked, killed = (ONE.format(rule=rule, log=f"logs/{rule}.log") for rule in ("submit", "blend"))
    run_log.write_text(asked + stopped + killed)
    submit, last = failures(run_log)
    assert submit == "submit failed: rows.csv: no rows."
    assert last.startswith("interrupted: ")


def test_a_log_that_the_disk_refuses(run_log: Path) -> None:
    run_log.write_text(ONE.format(rule="blend", log="/sys/kernel/blend.log"))
    (line,) = failures(run_log)
    assert line.startswith("blend failed: /sys/kernel/blend.log (a log) cannot be written: /sys/kernel ")
