"""Scoring for users: timings, folders on demand, the Python API, killed jobs, back ends."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from running import TEST_NAMES, Run, tiny_config

pytestmark = pytest.mark.slow


def submission(run: Run) -> pd.Series:
    table = pd.read_csv(run.folder / "results/submission.csv", dtype={"fname": str})
    return table.set_index("fname")["liveness_score"]


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> Run:
    return finished.copy(tmp_path / "run")


def descendant(pid: int, program: str) -> psutil.Process | None:
    """Return a process below another one whose command names a program; None if there is none."""
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if any(program in part for part in child.cmdline()):
                return child
    return None


def test_every_row_of_the_submission_has_its_time(finished: Run) -> None:
    table = pd.read_csv(finished.folder / "results/time_submission.csv", dtype={"fname": str})
    assert table.columns.tolist() == ["fname", "time"]
    assert table["fname"].tolist() == submission(finished).index.tolist()
    assert table["time"].between(0.1, 60_000).all()


def test_every_shard_says_where_its_time_went(finished: Run) -> None:
    stages = pd.read_csv(finished.folder / "results/scores/test/0/stages.csv").set_index("stage")
    assert stages.index.tolist() == ["decode", "preprocess", "compute", "idle", "all"]
    assert stages["seconds"].drop(["idle", "preprocess"]).gt(0).all()
    log = (finished.folder / "results/logs/predict/test/0.log").read_text(encoding="utf-8")
    assert "videos_per_s" in log


def test_a_folder_is_scored_by_the_engines_that_are_there(copied: Run, tmp_path: Path) -> None:
    """Nothing is trained or compiled, even if engines are out of date."""
    shutil.copytree(copied.folder / "test", copied.folder / "new videos")
    (copied.folder / "new videos/broken.mp4").write_bytes(b"broken")
    (copied.folder / "labels.csv").write_text("changed")
    copied.configure(tiny_config(training={"epochs": 9}, seed=7))
    assert copied.executed("score", "--config", "videos=new videos") == {"score": 1}
    table = pd.read_csv(copied.folder / "results/scored/new videos.csv", dtype={"fname": str})
    table = table.set_index("fname")
    assert set(table.index) == {*TEST_NAMES, "broken.mp4"}
    assert (table.loc[TEST_NAMES, "liveness_score"] - submission(copied)[TEST_NAMES]).abs().max() < 0.005
    assert table["problem"].fillna("").ne("").tolist() == [name == "broken.mp4" for name in table.index]
    assert table.loc["broken.mp4", "liveness_score"] == 0.5
    # nothing to do again until a file changes
    assert copied.planned("score", "--config", "videos=new videos") == {}
    (copied.folder / "new videos/broken.mp4").write_bytes(b"broken otherwise")
    assert copied.planned("score", "--config", "videos=new videos") == {"score": 1}
    # another folder has its own file
    elsewhere = tmp_path / "new videos"
    shutil.copytree(copied.folder / "test", elsewhere)
    assert copied.executed("score", "--config", f"videos={elsewhere}") == {"score": 1}
    assert set(pd.read_csv(f"{copied.folder}/results/scored{elsewhere}.csv")["fname"]) == set(TEST_NAMES)


def test_scoring_on_demand_says_what_it_lacks(copied: Run) -> None:
    assert "snakemake score --config videos=FOLDER" in copied.snakemake("score", fails=True)
    shutil.rmtree(copied.folder / "results/engines/openvino/vit")
    output = copied.snakemake("score", "--config", "videos=test", fails=True)
    assert (
        "results/engines/openvino/vit/0/engine.json: no such file; no engine is loaded without its metadata"
        in output
    )


@pytest.mark.thorough
def test_a_killed_job_leaves_nothing_and_the_next_one_gives_the_same(copied: Run) -> None:
    shard = "results/scores/test/0"
    scores = copied.folder / shard / "scores.parquet"
    first = pd.read_parquet(scores)
    # more videos to decode, so that there is time to kill the job
    clip = copied.folder / "test/9.mp4"
    long = copied.folder / "long"
    long.mkdir()
    for number in range(400):
        (long / f"{number}.mp4").symlink_to(clip)
    config = tiny_config()
    config["data"]["test"] = {"videos": "long"}
    copied.configure(config)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(copied.root / "Snakefile"), shard]
    command += ["--directory", str(copied.folder), "--configfile", str(copied.folder / "config.yaml")]
    run = subprocess.Popen([*command, "--cores", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    job = None
    while job is None:
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
        if list(scores.parent.glob(".scores.*.parquet")):
            job = descendant(run.pid, "predict.py")
    job.send_signal(signal.SIGKILL)
    assert run.wait() != 0
    assert not (copied.folder / shard).exists()
    copied.snakemake(shard)
    again = pd.read_parquet(scores)
    assert len(again) > len(first)
    copied.snakemake(shard, "-f")
    pd.testing.assert_frame_equal(again, pd.read_parquet(scores))
    assert {path.name for path in scores.parent.iterdir()} == {
        "scores.parquet",
        "videos.csv",
        "stages.csv",
        ".snakemake_timestamp",
    }


@pytest.mark.thorough
def test_back_ends_give_the_same_scores(finished: Run, tmp_path: Path) -> None:
    config = tiny_config(shards=1)
    del config["data"]["train"]
    weights = {fold: str(finished.folder / f"results/weights/convnext/{fold}.safetensors") for fold in (0, 1)}
    config["models"] = {"convnext": config["models"]["convnext"] | {"weights": weights}}
    shutil.copytree(finished.folder / "test", tmp_path / "test")
    scores = {}
    for backend, precision in (("openvino", "auto"), ("openvino", "fp32"), ("torch", "fp32")):
        run = Run(tmp_path, config | {"engine": {"backend": backend, "precision": precision}})
        run.snakemake("submission")
        scores[backend, precision] = submission(run)
    table = pd.DataFrame(scores)
    assert (table.max(axis=1) - table.min(axis=1)).max() <= 0.01
