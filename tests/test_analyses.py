"""Blends, comparisons, robustness and other results beside the submission."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from liveness.ensemble.aggregation import Aggregation, read_video_scores
from liveness.ensemble.blend import read_blend
from running import TRAIN_NAMES, Run, tiny_config

pytestmark = pytest.mark.slow


def test_a_fitted_blend_is_what_the_submission_gets(finished: Run, tmp_path: Path) -> None:
    """Neither training nor prediction runs again."""
    run = finished.copy(tmp_path / "run")
    run.configure(
        tiny_config(
            ensemble={"method": "stacking", "calibration": "temperature"}, evaluation={"frame_level": True}
        )
    )
    assert run.executed() == {"blend": 1, "submit": 1, "evaluate": 1, "write_scorer_config": 1}
    blend = read_blend(run.results / "blend/blend.json")
    shards = sorted(run.results.glob("scores/test/*/scores.parquet"))
    expected = blend(read_video_scores(shards, Aggregation("mean")))
    submission = pd.read_csv(run.results / "submission.csv").set_index("fname")["liveness_score"]
    np.testing.assert_allclose(submission.loc[expected.index], expected)
    metrics = json.loads((run.results / "metrics.json").read_text())
    assert metrics["blend"]["method"] == "stacking"
    assert metrics["models"]["vit"]["frame_level"]["videos"] == 3 * len(TRAIN_NAMES)

    compared = run.snakemake("compare", "--config", f"runs=[{finished.folder}/results,results]")
    assert "| EER (ROC convex hull) |" in compared
    rates = pd.read_csv(run.results / "comparison.csv").set_index("rate")
    assert rates.loc["eer", "second"] == pytest.approx(metrics["blend"]["eer"])
    assert "test videos per second" in (run.results / "comparison.md").read_text(encoding="utf-8")


def test_describe_tabulates_the_training_videos(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert run.executed("describe") == {"describe": 1}
    text = (run.results / "data.md").read_text(encoding="utf-8")
    assert "| all | 6 | 6 | 6 |" in text
    assert "| size | 120 x 160 | 12 | 0.50 |" in text


@pytest.mark.thorough
def test_forecast_scores_damaged_videos_and_nothing_else_again(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    run.configure(tiny_config(evaluation={"degradations": ["blur", "fewer_frames"]}))
    assert run.executed("evaluate_robustness") == {"predict_degraded": 4, "evaluate_robustness": 1}
    table = pd.read_csv(run.results / "robustness.csv").set_index(["kind", "name"])
    metrics = json.loads((run.results / "metrics.json").read_text())
    assert table.loc[("plain", "plain"), "eer"] == pytest.approx(metrics["blend"]["eer"])
    assert table.loc["degradation"].index.tolist() == ["blur", "fewer_frames"]
    scores = {
        name: pd.concat(map(pd.read_parquet, sorted((run.results / name).rglob("*.parquet"))))
        for name in ("degraded/blur", "degraded/fewer_frames", "scores/train")
    }
    keys = ["fname", "index", "model"]
    plain = scores["scores/train"].set_index(keys).sort_index()
    blurred = scores["degraded/blur"].set_index(keys).sort_index()
    assert plain.index.equals(blurred.index)
    assert (plain["fold"] == blurred["fold"]).all()
    assert (plain["score"] != blurred["score"]).any()
    assert set(scores["degraded/fewer_frames"]["index"]) == {0, 1}
    assert pd.read_csv(run.results / "groups.csv")[["live", "spoof"]].sum().tolist() == [6, 6]
    run.configure(tiny_config(evaluation={"degradations": ["blur"]}))
    assert run.planned("evaluate_robustness") == {"evaluate_robustness": 1}


@pytest.mark.thorough
def test_a_learning_rate_that_is_found_is_trained_with(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    config = tiny_config()
    config["training"]["lr"] = "auto"
    run.configure(config)
    done = run.executed("results/weights/convnext/0.safetensors", "results/report/lr/convnext.svg")
    assert done == {"find_lr": 1, "train": 1, "plot_lr": 1}
    found = json.loads((run.results / "lr/convnext.json").read_text())["lr"]
    history = pd.read_csv(run.results / "history/convnext/0.csv")
    # without warm-up, the first of two cosine epochs ends halfway between the peak and the end
    assert history["lr"].iloc[0] == pytest.approx(found / 2, rel=0.3)


def test_doubt_lists_and_shows_what_is_labelled_against_the_scores(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert run.executed("find_label_errors") == {"find_label_errors": 1}
    doubtful = pd.read_csv(run.results / "label_errors.csv", keep_default_na=False)
    assert set(doubtful["fname"]) <= set(TRAIN_NAMES)
    page = (run.results / "report/label_errors.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == len(doubtful)


def test_compare_needs_two_runs(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert "name two result folders" in run.snakemake("compare", fails=True)
    missing = run.snakemake("compare", "--config", "runs=[a,b]", fails=True)
    assert "a/folds/folds.csv: no such file; runs names two folders" in missing


def test_naming_attacks_and_other_columns_retrains_nothing(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    labels = pd.read_csv(run.folder / "labels.csv", dtype=str, keep_default_na=False)
    labels["attack"] = np.where(labels["liveness_score"] == "0", "print", "")
    labels["source"], labels["light"] = ["lab", "street"] * 6, ["day"] * 5 + ["night"] * 7
    labels.iloc[::-1].to_csv(run.folder / "labels.csv", index=False)
    run.configure(tiny_config(evaluation={"by": ["light"]}))
    assert run.executed() == {"evaluate": 1}
    metrics = json.loads((run.results / "metrics.json").read_text())
    assert set(metrics["blend"]["attacks"]) == {"print"}
    found = {column: list(division["values"]) for column, division in metrics["by"].items()}
    assert found == {"source": ["lab", "street"], "light": ["day", "night"]}
