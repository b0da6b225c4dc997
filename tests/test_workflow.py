"""The whole workflow on a tiny dataset: what each rule leaves, targets, supplied weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from liveness.engines.load import load_engine
from liveness.engines.metadata import read_metadata
from liveness.ensemble.blend import read_blend, read_held_out
from liveness.models.checkpoint import load_checkpoint
from liveness.video.frame_store import FrameStore
from liveness.video.manifest import read_manifest, shard_of
from liveness.video.preprocessing import model_input
from running import ROOT, TEST_NAMES, TRAIN_NAMES, Run, finished_jobs, name_data, tiny_config

pytestmark = pytest.mark.slow
MEMBERS = [(model, fold) for model in ("convnext", "vit") for fold in (0, 1)]


# one test per rule


def test_manifest_lists_every_video_in_its_shard(finished: Run) -> None:
    for split, names in (("train", TRAIN_NAMES), ("test", TEST_NAMES)):
        for shard in (0, 1):
            listed = read_manifest([finished.results / f"manifest/{split}/{shard}.csv"])["fname"]
            assert set(listed) == {name for name in names if shard_of(name, 2) == shard}


def test_extract_stores_the_frames_of_every_video(finished: Run) -> None:
    store = FrameStore(sorted(finished.results.glob("frames/train/*.arrow")))
    assert set(store.fnames) == set(TRAIN_NAMES)
    assert len(store) == 3 * len(TRAIN_NAMES)
    assert min(store.image(0).shape[:2]) == 96


def test_folds_keep_people_together(finished: Run) -> None:
    folds = pd.read_csv(finished.results / "folds/folds.csv", dtype={"fname": str}, keep_default_na=False)
    assert sorted(folds["fname"]) == sorted(TRAIN_NAMES)
    assert folds.groupby("group")["fold"].nunique().max() == 1
    assert set(folds["fold"]) == {0, 1}


@pytest.mark.parametrize(("model", "fold"), MEMBERS)
def test_train_leaves_weights_and_history_and_no_state(finished: Run, model: str, fold: int) -> None:
    checkpoint = load_checkpoint(finished.results / f"weights/{model}/{fold}.safetensors")
    assert checkpoint.image_size == {"convnext": 64, "vit": 96}[model]
    history = pd.read_csv(finished.results / f"history/{model}/{fold}.csv")
    assert history["epoch"].tolist() == [0, 1]
    assert history[["lr", "train_loss", "val_loss", "val_auc"]].notna().all(axis=None)
    assert not list((finished.results / "training" / model / str(fold)).iterdir())


@pytest.mark.parametrize(("model", "fold"), MEMBERS)
def test_export_and_compile_give_an_engine_that_passed_the_gate(finished: Run, model: str, fold: int) -> None:
    assert (finished.results / f"exported/{model}/{fold}.fp32.onnx").is_file()
    metadata = read_metadata(finished.results / f"engines/openvino/{model}/{fold}/engine.json")
    assert metadata.parity is not None
    assert metadata.parity.passed
    assert metadata.parity.max_difference <= 0.01


def test_predict_scores_test_videos_by_all_engines_and_held_out_ones_by_their_own(finished: Run) -> None:
    test = pd.concat(map(pd.read_parquet, sorted(finished.results.glob("scores/test/*/scores.parquet"))))
    assert len(test) == len(TEST_NAMES) * 3 * len(MEMBERS)
    train = pd.concat(map(pd.read_parquet, sorted(finished.results.glob("scores/train/*/scores.parquet"))))
    folds = pd.read_csv(finished.results / "folds/folds.csv", dtype={"fname": str}, keep_default_na=False)
    fold = folds.set_index("fname")["fold"]
    assert (fold.loc[train["fname"]].to_numpy() == train["fold"]).all()
    assert len(train) == len(TRAIN_NAMES) * 3 * 2
    assert train["score"].between(0, 1).all()


def test_stored_frames_and_videos_give_the_same_scores(finished: Run) -> None:
    """Training selects epochs on stored frames, other rules decode: only JPEG may differ."""
    store = FrameStore(sorted(finished.results.glob("frames/train/*.arrow")))
    scores = pd.concat(map(pd.read_parquet, sorted(finished.results.glob("scores/train/*/scores.parquet"))))
    differences = []
    for model, fold in MEMBERS:
        own = scores[(scores["model"] == model) & (scores["fold"] == fold)]
        with load_engine(finished.results / f"engines/openvino/{model}/{fold}/engine.json") as engine:
            for row in own.itertuples():
                stored = store.image(store.rows(row.fname)[row.index])
                differences.append(abs(engine(model_input(stored, engine.image_size)[None])[0] - row.score))
    assert len(differences) == len(scores)
    assert max(differences) < 0.03


def test_submit_writes_every_test_video_in_natural_order(finished: Run) -> None:
    submission = pd.read_csv(finished.results / "submission.csv")
    assert submission.columns.tolist() == ["fname", "liveness_score"]
    assert submission["fname"].tolist() == TEST_NAMES[1::-1] + TEST_NAMES[2:]
    assert np.isfinite(submission["liveness_score"]).all()
    assert submission["liveness_score"].between(0, 1).all()


def test_blend_scores_every_held_out_video_and_writes_what_it_fitted(finished: Run) -> None:
    table = read_held_out(finished.results / "blend/held_out.csv")
    assert sorted(table.index) == sorted(TRAIN_NAMES)
    assert table.notna().all(axis=None)
    blend = read_blend(finished.results / "blend/blend.json")
    assert (blend.method, blend.calibration, blend.videos) == ("mean", None, len(TRAIN_NAMES))


def test_evaluate_reports_every_model_and_the_blend(finished: Run) -> None:
    metrics = json.loads((finished.results / "metrics.json").read_text())
    assert set(metrics["models"]) == {"convnext", "vit"}
    for figures in (*metrics["models"].values(), metrics["blend"]):
        assert figures["videos"] == len(TRAIN_NAMES)
        assert figures["live"] + figures["spoof"] == len(TRAIN_NAMES)
        for rate in ("eer", "auc"):
            low, high = figures["intervals"][rate]
            assert 0 <= low <= figures[rate] <= high <= 1
    assert "| EER (ROC convex hull) |" in (finished.results / "metrics.md").read_text(encoding="utf-8")


# targets and switches


def test_a_finished_run_has_nothing_to_do(finished: Run) -> None:
    assert "Nothing to be done" in finished.snakemake("-n")


def test_a_fresh_dry_run_counts_every_job_before_any_data_is_read(tmp_path: Path) -> None:
    run = Run(tmp_path, tiny_config(shards=3))
    name_data(tmp_path)
    expected = {"check_model": 2, "manifest": 2, "extract": 3, "folds": 1, "train": 4, "export": 4}
    last = {"compile": 4, "predict": 6, "submit": 1, "blend": 1, "evaluate": 1, "write_scorer_config": 1}
    assert run.planned() == expected | last
    # short jobs that the cluster profile submits as a group
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    groups = [f"{rule}={group}" for rule, group in profile["groups"].items()]
    assert run.planned("--groups", *groups) == expected | last


@pytest.mark.thorough
def test_targets_and_selections(finished: Run, tmp_path: Path) -> None:
    graph = finished.snakemake("--rulegraph", "mermaid-js")
    assert "flowchart" in graph
    assert "predict" in graph
    assert "results/submission.csv" in finished.snakemake("--summary")
    assert finished.planned("-R", "predict") == {"predict": 4, "submit": 1, "blend": 1, "evaluate": 1}
    assert finished.planned("-f", "results/scores/test/0") == {"predict": 1}
    assert finished.planned("--forceall", "--until", "folds") == {"manifest": 1, "extract": 2, "folds": 1}
    until_train = finished.planned("--forceall", "--omit-from", "export")
    models = {"check_model": 2, "manifest": 1, "extract": 2, "folds": 1, "train": 4}
    assert until_train == models | {"manifest": 2, "write_scorer_config": 1}
    fresh = Run(tmp_path, tiny_config())
    name_data(tmp_path)
    for target, jobs in {
        "manifests": {"manifest": 2},
        "frames": {"manifest": 1, "extract": 2},
        "models": models,
        "engines": models | {"export": 4, "compile": 4},
        "scores": models | {"manifest": 2, "export": 4, "compile": 4, "predict": 4},
        "evaluation": models | {"export": 4, "compile": 4, "predict": 2, "blend": 1, "evaluate": 1},
        "submission": models | {"manifest": 2, "export": 4, "compile": 4, "predict": 2, "submit": 1},
    }.items():
        assert fresh.planned(target) == jobs, target


# supplied weights


def test_supplied_weights_plan_no_training(finished: Run, tmp_path: Path) -> None:
    config = tiny_config()
    for name, model in config["models"].items():
        files = {fold: str(finished.results / f"weights/{name}/{fold}.safetensors") for fold in (0, 1)}
        model["weights"] = files
    with_labels = Run(tmp_path, config)
    for name in ("train", "test"):
        shutil.copytree(finished.folder / name, tmp_path / name)
    shutil.copy(finished.folder / "labels.csv", tmp_path)
    planned = with_labels.planned("submission")
    assert planned == {"manifest": 2, "extract": 2, "export": 4, "compile": 4, "predict": 2, "submit": 1}

    del config["data"]["train"]
    with_labels.configure(config)
    del planned["extract"]
    assert with_labels.planned() == planned | {"manifest": 1, "write_scorer_config": 1}
    for target in ("evaluation", "evaluate_robustness", "describe"):
        assert "data.train is missing; " in with_labels.snakemake("-n", target, fails=True)


def test_an_unreadable_video_gets_the_fallback_and_a_line(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    (run.folder / "test/broken.mp4").write_bytes(b"not a video")
    output = run.snakemake(fails=True)
    assert "1 of 5 videos cannot be read, more than inference.max_unreadable (10%) allows" in output
    run.configure(tiny_config(inference={"max_unreadable": 0.2, "fallback_score": 0.25}))
    assert finished_jobs(run.snakemake()) == {"submit": 1, "write_scorer_config": 1}
    scores = pd.read_csv(run.results / "submission.csv").set_index("fname")["liveness_score"]
    assert scores["broken.mp4"] == 0.25
    assert pd.read_csv(run.results / "unreadable.csv")["fname"].tolist() == ["broken.mp4"]


def test_a_sample_submission_gives_rows_and_order(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    rows = ["new one.mp4", "9.mp4", "not there.mp4"]
    sample = "\n".join(["fname,liveness_score", *(f"{name},0.5" for name in rows)])
    (run.folder / "sample.csv").write_text(sample)
    config = tiny_config(inference={"max_unreadable": 0.5})
    config["data"]["test"] = {"videos": "test", "sample_submission": "sample.csv"}
    run.configure(config)
    assert run.executed() == {"submit": 1}
    submission = pd.read_csv(run.results / "submission.csv")
    assert submission["fname"].tolist() == rows
    reasons = pd.read_csv(run.results / "unreadable.csv")
    assert reasons["reason"].tolist() == ["it is not in data.test.videos"]
