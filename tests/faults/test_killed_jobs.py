"""A job of every rule is killed five times, and no result differs from those of a quiet run."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kills import Durations, Killer, attend, digests
from running import ROOT, Run, tiny_config
from web_server import serve

pytestmark = [pytest.mark.slow, pytest.mark.faults]

TIMES = 5
Record = Callable[[str, object], None]
WHOLE = ["all", "report", "parity_report", "describe", "results/report/lr/vit.svg"]
# targets whose results `all` and `report` do not need, with what must be there first
SCORE = ["score", "--config", "videos=test"]
COMPARE = ["compare", "--config", "runs=[results,results]"]


def killed(run: Run, durations: Durations, *arguments: str, seed: int) -> Killer:
    """Run until every script has been killed often enough, and then to the end."""
    killer = Killer(durations, TIMES, seed)
    target, *options = arguments
    forced: list[str] = []
    for _ in range(2 * TIMES):
        attend(run, *forced, "--retries", str(TIMES), *arguments, look=killer.look)
        if not killer.spared:
            break
        # some jobs ended before their moment came
        forced = ["--forcerun", *killer.spared]
    assert not killer.spared, killer.kills
    assert "Traceback" not in run.snakemake(*arguments)
    return killer


def test_no_kill_of_a_job_changes_a_result(
    dataset: Path, tmp_path: Path, record_property: Record
) -> None:
    config = tiny_config(evaluation={"degradations": ["blur"]})
    config["training"] |= {"lr": "auto"}
    runs = []
    for name in ("quiet", "disturbed"):
        shutil.copytree(dataset, tmp_path / name)
        runs.append(Run(tmp_path / name, config))
    quiet, disturbed = runs
    kills = 0
    scripts: set[str] = set()
    for seed, arguments in enumerate((WHOLE, SCORE, COMPARE)):
        durations = Durations()
        status, output = attend(quiet, *arguments, look=durations.look)
        assert status == 0, output
        kills += killed(disturbed, durations, *arguments, seed=seed).kills.total()
        scripts |= {*durations}
    assert digests(disturbed.results) == digests(quiet.results)
    record_property("jobs killed", kills)
    print(sorted(scripts))
