"""The workflow on real challenge-style videos and on unusual files, if present."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from liveness.video.manifest import read_manifest
from liveness.video.sampling import Sampling, read_video
from running import SHARED, Run, tiny_config

pytestmark = pytest.mark.slow
REAL, EDGE = SHARED / "real", SHARED / "edge"


@pytest.mark.thorough
def test_real_videos_give_the_rows_that_were_asked_for(finished_real: Run) -> None:
    results = finished_real.folder / "results"
    submission = pd.read_csv(results / "submission.csv", dtype={"fname": str})
    asked = pd.read_csv(REAL / "test/sample_submission.csv", dtype={"fname": str})
    assert submission["fname"].tolist() == asked["fname"].tolist()
    assert submission["liveness_score"].between(0, 1).all()
    assert submission["liveness_score"].nunique() > 10
    # two epochs teach little; a test cannot measure the full recipe in a minute
    metrics = json.loads((results / "metrics.json").read_text())
    assert metrics["blend"]["videos"] == 68


@pytest.mark.skipif(not EDGE.is_dir(), reason="the awkward files are not here")
def test_awkward_files_go_through_manifest_and_prediction(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    shutil.rmtree(run.folder / "test")
    shutil.copytree(EDGE, run.folder / "test", copy_function=shutil.copy)
    (run.folder / "test").touch()
    run.configure(tiny_config(inference={"max_unreadable": 0.2}))
    assert run.executed() == {"manifest": 1, "predict": 2, "submit": 1}
    manifest = read_manifest(sorted(run.folder.glob("results/manifest/test/*.csv"))).set_index("fname")
    assert manifest.index[~manifest["readable"]].tolist() == ["no_video_stream.mp4"]
    unreadable = pd.read_csv(run.folder / "results/unreadable.csv")
    assert unreadable["fname"].tolist() == ["no_video_stream.mp4"]
    scores = pd.read_csv(run.folder / "results/submission.csv").set_index("fname")["liveness_score"]
    assert set(scores.index) == {path.name for path in EDGE.iterdir()}
    assert scores["no_video_stream.mp4"] == 0.5
    frames = {
        name: read_video(EDGE / name, manifest.loc[name, "duration"], Sampling(3, (0.0, 1.0), 96))[0]
        for name in ("upright.mp4", "rotated_90.mp4", "rotated_270.mp4")
    }
    for name in ("rotated_90.mp4", "rotated_270.mp4"):
        difference = np.abs(np.stack(frames[name]).astype(int) - np.stack(frames["upright.mp4"]))
        assert difference.mean() < 4, name
        assert scores[name] == pytest.approx(scores["upright.mp4"], abs=0.05)


@pytest.mark.thorough
@pytest.mark.skipif(not (REAL.is_dir() and EDGE.is_dir()), reason="the real videos are not here")
def test_a_duplicate_joins_the_group_of_its_original(tmp_path: Path) -> None:
    shutil.copytree(REAL / "train/videos", tmp_path / "train")
    duplicate = "duplicate_of_train_0001.avi"
    shutil.copy(EDGE / duplicate, tmp_path / "train")
    labels = (REAL / "train/label.csv").read_text(encoding="utf-8")
    (tmp_path / "labels.csv").write_text(f"{labels.rstrip()}\n{duplicate},0\n", encoding="utf-8")
    (tmp_path / "test").mkdir()
    run = Run(tmp_path, tiny_config(folds={"count": 3}))
    run.snakemake("results/folds/folds.csv")
    folds = pd.read_csv(tmp_path / "results/folds/folds.csv", dtype=str).set_index("fname")
    assert folds.loc[duplicate, "group"] == folds.loc["0001.mp4", "group"]
    truth = pd.read_csv(REAL / "train/groups.csv", dtype=str).set_index("fname")["group"]
    people = folds.drop(duplicate).groupby("group").apply(lambda rows: truth.loc[rows.index].nunique())
    assert people.max() == 1, "two people were joined"
