"""The whole workflow on a tiny dataset: outputs of rules, targets, reruns and resumption."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from liveness.engines.load import load_engine
from liveness.engines.metadata import read_metadata
from liveness.ensemble.aggregation import Aggregation, read_video_scores
from liveness.ensemble.blend import read_blend, read_held_out
from liveness.models.checkpoint import load_checkpoint
from liveness.video.frame_store import FrameStore
from liveness.video.manifest import read_manifest, shard_of
from liveness.video.preprocessing import model_input
from running import ROOT, TEST_NAMES, TRAIN_NAMES, Run, finished_jobs, name_data, tiny_config

pytestmark = pytest.mark.slow
MEMBERS = [(model, fold) for model in ("convnext", "vit") for fold in (0, 1)]


def results(run: Run) -> Path:
    return run.folder / "results"


# one test per rule


def test_manifest_lists_every_video_in_its_shard(finished: Run) -> None:
    for split, names in (("train", TRAIN_NAMES), ("test", TEST_NAMES)):
        for shard in (0, 1):
            listed = read_manifest([results(finished) / f"manifest/{split}/{shard}.csv"])["fname"]
            assert set(listed) == {name for name in names if shard_of(name, 2) == shard}


def test_extract_stores_the_frames_of_every_video(finished: Run) -> None:
    store = FrameStore(sorted(results(finished).glob("frames/train/*.arrow")))
    assert set(store.fnames) == set(TRAIN_NAMES)
    assert len(store) == 3 * len(TRAIN_NAMES)
    assert min(store.image(0).shape[:2]) == 96


def test_folds_keep_people_together(finished: Run) -> None:
    folds = pd.read_csv(results(finished) / "folds/folds.csv", dtype={"fname": str}, keep_default_na=False)
    assert sorted(folds["fname"]) == sorted(TRAIN_NAMES)
    assert folds.groupby("group")["fold"].nunique().max() == 1
    assert set(folds["fold"]) == {0, 1}


@pytest.mark.parametrize(("model", "fold"), MEMBERS)
def test_train_leaves_weights_and_history_and_no_state(finished: Run, model: str, fold: int) -> None:
    checkpoint = load_checkpoint(results(finished) / f"weights/{model}/{fold}.safetensors")
    assert checkpoint.image_size == {"convnext": 64, "vit": 96}[model]
    history = pd.read_csv(results(finished) / f"history/{model}/{fold}.csv")
    assert history["epoch"].tolist() == [0, 1]
    assert history[["lr", "train_loss", "val_loss", "val_auc"]].notna().all(axis=None)
    assert not list((results(finished) / "training" / model / str(fold)).iterdir())


@pytest.mark.parametrize(("model", "fold"), MEMBERS)
def test_export_and_compile_give_an_engine_that_passed_the_gate(finished: Run, model: str, fold: int) -> None:
    assert (results(finished) / f"exported/{model}/{fold}.fp32.onnx").is_file()
    metadata = read_metadata(results(finished) / f"engines/openvino/{model}/{fold}/engine.json")
    assert metadata.parity is not None
    assert metadata.parity.passed
    assert metadata.parity.max_difference <= 0.01


def test_predict_scores_test_videos_by_all_engines_and_held_out_ones_by_their_own(finished: Run) -> None:
    test = pd.concat(map(pd.read_parquet, sorted(results(finished).glob("scores/test/*/scores.parquet"))))
    assert len(test) == len(TEST_NAMES) * 3 * len(MEMBERS)
    train = pd.concat(map(pd.read_parquet, sorted(results(finished).glob("scores/train/*/scores.parquet"))))
    folds = pd.read_csv(results(finished) / "folds/folds.csv", dtype={"fname": str}, keep_default_na=False)
    fold = folds.set_index("fname")["fold"]
    assert (fold.loc[train["fname"]].to_numpy() == train["fold"]).all()
    assert len(train) == len(TRAIN_NAMES) * 3 * 2
    assert train["score"].between(0, 1).all()


def test_stored_frames_and_videos_give_the_same_scores(finished: Run) -> None:
    """Training selects epochs on stored frames, other rules decode: only JPEG may differ."""
    store = FrameStore(sorted(results(finished).glob("frames/train/*.arrow")))
    scores = pd.concat(map(pd.read_parquet, sorted(results(finished).glob("scores/train/*/scores.parquet"))))
    differences = []
    for model, fold in MEMBERS:
        own = scores[(scores["model"] == model) & (scores["fold"] == fold)]
        with load_engine(results(finished) / f"engines/openvino/{model}/{fold}/engine.json") as engine:
            for row in own.itertuples():
                stored = store.image(store.rows(row.fname)[row.index])
                differences.append(abs(engine(model_input(stored, engine.image_size)[None])[0] - row.score))
    assert len(differences) == len(scores)
    assert max(differences) < 0.03


def test_submit_writes_every_test_video_in_natural_order(finished: Run) -> None:
    submission = pd.read_csv(results(finished) / "submission.csv")
    assert submission.columns.tolist() == ["fname", "liveness_score"]
    assert submission["fname"].tolist() == TEST_NAMES[1::-1] + TEST_NAMES[2:]
    assert np.isfinite(submission["liveness_score"]).all()
    assert submission["liveness_score"].between(0, 1).all()


def test_blend_scores_every_held_out_video_and_writes_what_it_fitted(finished: Run) -> None:
    table = read_held_out(results(finished) / "blend/held_out.csv")
    assert sorted(table.index) == sorted(TRAIN_NAMES)
    assert table.notna().all(axis=None)
    blend = read_blend(results(finished) / "blend/blend.json")
    assert (blend.method, blend.calibration, blend.videos) == ("mean", None, len(TRAIN_NAMES))


def test_evaluate_reports_every_model_and_the_blend(finished: Run) -> None:
    metrics = json.loads((results(finished) / "metrics.json").read_text())
    assert set(metrics["models"]) == {"convnext", "vit"}
    for figures in (*metrics["models"].values(), metrics["blend"]):
        assert figures["videos"] == len(TRAIN_NAMES)
        assert figures["live"] + figures["spoof"] == len(TRAIN_NAMES)
        for rate in ("eer", "auc"):
            low, high = figures["intervals"][rate]
            assert 0 <= low <= figures[rate] <= high <= 1
    assert "| EER (ROC convex hull) |" in (results(finished) / "metrics.md").read_text(encoding="utf-8")


# targets and switches


def test_a_finished_run_has_nothing_to_do(finished: Run) -> None:
    assert "Nothing to be done" in finished.snakemake("-n")


def test_a_fresh_dry_run_counts_every_job_before_any_data_is_read(tmp_path: Path) -> None:
    run = Run(tmp_path, tiny_config(shards=3))
    name_data(tmp_path)
    expected = {"manifest": 2, "extract": 3, "folds": 1, "train": 4, "export": 4, "compile": 4}
    last = {"predict": 6, "submit": 1, "blend": 1, "evaluate": 1, "write_scorer_config": 1}
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
    assert until_train == {"manifest": 2, "extract": 2, "folds": 1, "train": 4, "write_scorer_config": 1}
    fresh = Run(tmp_path, tiny_config())
    name_data(tmp_path)
    models = {"manifest": 1, "extract": 2, "folds": 1, "train": 4}
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


# GPUs: visible names are enough, since jobs run on the CPU anyway


def planned_resources(output: str, rule: str) -> set[tuple[int, int]]:
    """Return (gpu, threads) of a rule's jobs from the output of a dry run."""
    blocks = re.findall(rf"^rule {rule}:\n((?: +.*\n)+)", output, re.MULTILINE)
    return {
        (
            int(found[1]) if (found := re.search(r"gpu=(\d+)", block)) else -1,
            int(found[1]) if (found := re.search(r"threads: (\d+)", block)) else 1,
        )
        for block in blocks
    }


@pytest.mark.parametrize(
    ("visible", "extract", "train", "compile_", "predict"),
    [("", (0, 16), 0, (1, 1), 1), ("0", (0, 16), 1, (1, 16), 1), ("0,1,2,3,4,5,6,7", (0, 16), 1, (1, 4), 1)],
    ids=["no GPU", "one", "eight"],
)
def test_jobs_ask_for_a_gpu_that_is_there_or_that_they_need(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    visible: str,
    extract: tuple[int, int],
    train: int,
    compile_: tuple[int, int],
    predict: int,
) -> None:
    """Four engines share 16 cores, however many GPUs are left over."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    run = Run(tmp_path, tiny_config(engine={"backend": "tensorrt"}))
    name_data(tmp_path)
    plan = run.snakemake("-n", "--cores", "16")
    assert planned_resources(plan, "extract") == {extract}
    assert planned_resources(plan, "train") == {(train, 1)}
    assert planned_resources(plan, "compile") == {compile_}
    assert planned_resources(plan, "predict") == {(predict, 1)}


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,9")
    monkeypatch.setenv("GPU_LEASES", str(tmp_path / "locks"))


def train_logs(run: Run) -> list[str]:
    """Return the log lines about GPUs of the two jobs that train convnext."""
    folder = results(run) / "logs/train/convnext"
    texts = [(folder / f"{fold}.log").read_text(encoding="utf-8") for fold in (0, 1)]
    return [line.split(" INFO ")[1] for text in texts for line in text.splitlines() if "GPU" in line]


CONVNEXT = [f"results/weights/convnext/{fold}.safetensors" for fold in (0, 1)]


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.thorough
def test_jobs_that_run_at_once_get_a_gpu_each_and_train_the_same_weights(
    finished: Run, tmp_path: Path
) -> None:
    run = finished.copy(tmp_path / "run")
    first = [(run.folder / path).read_bytes() for path in CONVNEXT]
    assert run.executed("-f", *CONVNEXT) == {"train": 2}
    assert set(train_logs(run)) == {"leased GPU 7", "leased GPU 9"}
    assert [(run.folder / path).read_bytes() for path in CONVNEXT] == first


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.thorough
def test_a_job_that_a_cluster_sent_uses_the_gpus_that_it_assigned(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GPU_LEASES")
    run = finished.copy(tmp_path / "run")
    run.snakemake("-f", CONVNEXT[0], "--mode", "remote")
    assert "GPUs as assigned: 7, 9" in train_logs(run)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.thorough
def test_more_gpus_than_the_machine_has_is_a_sentence(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    output = run.snakemake("-f", CONVNEXT[0], "--set-resources", "train:gpu=3", fails=True)
    assert "train failed: the job asks for gpu=3, but this machine offers 2 (7, 9);" in output


def test_configuration_mistakes_stop_before_anything_runs(tmp_path: Path) -> None:
    output = Run(tmp_path, tiny_config(sead=1)).snakemake("-n", fails=True)
    assert "sead is not a known key; did you mean seed?" in output
    assert "Traceback" not in output


def test_a_given_configuration_is_not_merged_with_the_demo(tmp_path: Path) -> None:
    output = Run(tmp_path, {"data": tiny_config()["data"]}).snakemake("-n", fails=True)
    assert "models is missing" in output


def test_a_path_that_is_not_there_is_no_finished_run(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    config = tiny_config()
    config["data"] = {"train": {"videos": "trai", "labels": "label.csv"}, "test": {"videos": "tests"}}
    config["models"]["vit"]["pretrained"] = "vit.pth"
    config["models"]["convnext"]["weights"] = {0: "results/weights/convnext/7.safetensors"}
    run.configure(config)
    output = run.snakemake(fails=True)
    for named in (
        "data.train.videos: trai:",
        "data.train.labels: label.csv:",
        "data.test.videos: tests:",
        "models.vit.pretrained: vit.pth:",
        "models.convnext.weights.0: results/weights/convnext/7.safetensors:",
    ):
        assert f"\n{named} no such file or folder; correct the path (from {run.folder})." in output
    assert "Traceback" not in output
    # existing engines can still be used
    assert run.planned("score", "--config", "videos=test") == {"score": 1}


def test_tables_are_read_before_anything_runs(tmp_path: Path) -> None:
    """Otherwise bad labels or submission rows would fail only late, in `folds` or `submit`."""
    config = tiny_config()
    config["data"]["test"]["sample_submission"] = "rows.csv"
    name_data(tmp_path)
    (tmp_path / "labels.csv").write_text("fname,liveness_score\na.mp4,1\nb.mp4,2\n")
    (tmp_path / "rows.csv").write_text("video\n1.mp4\n")
    run = Run(tmp_path, config)
    output = run.snakemake("-n", fails=True)
    assert "\nlabels.csv, row 3: liveness_score is '2'; expected 0 (spoof) or 1 (live)." in output
    assert "\nrows.csv, row 1: the header is video and lacks fname; expected fname." in output
    assert "Traceback" not in output
    (tmp_path / "labels.csv").write_text("fname,liveness_score\na.mp4,1\ngone.mp4,0\n")
    assert "\nlabels.csv: gone.mp4 is not in data.train.videos; " in run.snakemake("-n", fails=True)


def test_the_sentence_of_a_failed_job_is_repeated_at_the_end(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    (run.folder / "labels.csv").write_text("fname,liveness_score\nplain.mp4,1\ntwo words.mp4,0\n")
    last = run.snakemake("results/folds/folds.csv", fails=True).strip().splitlines()[-8:]
    sentence = "labels.csv: has no column group, but folds.groups is labels;"
    assert any(line.startswith(f"folds failed: {sentence}") for line in last), last


# ensembles


def test_a_fitted_blend_is_what_the_submission_gets(finished: Run, tmp_path: Path) -> None:
    """Neither training nor prediction runs again."""
    run = finished.copy(tmp_path / "run")
    run.configure(
        tiny_config(
            ensemble={"method": "stacking", "calibration": "temperature"}, evaluation={"frame_level": True}
        )
    )
    assert run.executed() == {"blend": 1, "submit": 1, "evaluate": 1, "write_scorer_config": 1}
    blend = read_blend(run.folder / "results/blend/blend.json")
    shards = sorted(run.folder.glob("results/scores/test/*/scores.parquet"))
    expected = blend(read_video_scores(shards, Aggregation("mean")))
    submission = pd.read_csv(run.folder / "results/submission.csv").set_index("fname")["liveness_score"]
    np.testing.assert_allclose(submission.loc[expected.index], expected)
    metrics = json.loads((run.folder / "results/metrics.json").read_text())
    assert metrics["blend"]["method"] == "stacking"
    assert metrics["models"]["vit"]["frame_level"]["videos"] == 3 * len(TRAIN_NAMES)

    compared = run.snakemake("compare", "--config", f"runs=[{finished.folder}/results,results]")
    assert "| EER (ROC convex hull) |" in compared
    rates = pd.read_csv(run.folder / "results/comparison.csv").set_index("rate")
    assert rates.loc["eer", "second"] == pytest.approx(metrics["blend"]["eer"])
    assert "test videos per second" in (run.folder / "results/comparison.md").read_text(encoding="utf-8")


def test_describe_tabulates_the_training_videos(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert run.executed("describe") == {"describe": 1}
    text = (run.folder / "results/data.md").read_text(encoding="utf-8")
    assert "| all | 6 | 6 | 6 |" in text
    assert "| size | 120 x 160 | 12 | 0.50 |" in text


@pytest.mark.thorough
def test_forecast_scores_damaged_videos_and_nothing_else_again(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    run.configure(tiny_config(evaluation={"degradations": ["blur", "fewer_frames"]}))
    assert run.executed("evaluate_robustness") == {"predict_degraded": 4, "evaluate_robustness": 1}
    table = pd.read_csv(run.folder / "results/robustness.csv").set_index(["kind", "name"])
    metrics = json.loads((run.folder / "results/metrics.json").read_text())
    assert table.loc[("plain", "plain"), "eer"] == pytest.approx(metrics["blend"]["eer"])
    assert table.loc["degradation"].index.tolist() == ["blur", "fewer_frames"]
    scores = {
        name: pd.concat(map(pd.read_parquet, sorted((results(run) / name).rglob("*.parquet"))))
        for name in ("degraded/blur", "degraded/fewer_frames", "scores/train")
    }
    keys = ["fname", "index", "model"]
    plain = scores["scores/train"].set_index(keys).sort_index()
    blurred = scores["degraded/blur"].set_index(keys).sort_index()
    assert plain.index.equals(blurred.index)
    assert (plain["fold"] == blurred["fold"]).all()
    assert (plain["score"] != blurred["score"]).any()
    assert set(scores["degraded/fewer_frames"]["index"]) == {0, 1}
    assert pd.read_csv(run.folder / "results/groups.csv")[["live", "spoof"]].sum().tolist() == [6, 6]
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
    found = json.loads((run.folder / "results/lr/convnext.json").read_text())["lr"]
    history = pd.read_csv(run.folder / "results/history/convnext/0.csv")
    # without warm-up, the first of two cosine epochs ends halfway between the peak and the end
    assert history["lr"].iloc[0] == pytest.approx(found / 2, rel=0.3)


def test_doubt_lists_and_shows_what_is_labelled_against_the_scores(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert run.executed("find_label_errors") == {"find_label_errors": 1}
    doubtful = pd.read_csv(run.folder / "results/label_errors.csv", keep_default_na=False)
    assert set(doubtful["fname"]) <= set(TRAIN_NAMES)
    page = (run.folder / "results/report/label_errors.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == len(doubtful)


def test_compare_needs_two_runs(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert "name two result folders" in run.snakemake("compare", fails=True)
    missing = run.snakemake("compare", "--config", "runs=[a,b]", fails=True)
    assert "a/folds/folds.csv: no such file; runs names two folders" in missing


def test_naming_an_attack_retrains_nothing(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    labels = pd.read_csv(run.folder / "labels.csv", dtype=str, keep_default_na=False)
    labels["attack"] = np.where(labels["liveness_score"] == "0", "print", "")
    labels.iloc[::-1].to_csv(run.folder / "labels.csv", index=False)
    assert run.executed() == {"evaluate": 1}
    metrics = json.loads((run.folder / "results/metrics.json").read_text())
    assert set(metrics["blend"]["attacks"]) == {"print"}


# supplied weights


def test_supplied_weights_plan_no_training(finished: Run, tmp_path: Path) -> None:
    config = tiny_config()
    for name, model in config["models"].items():
        files = {fold: str(results(finished) / f"weights/{name}/{fold}.safetensors") for fold in (0, 1)}
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
    scores = pd.read_csv(run.folder / "results/submission.csv").set_index("fname")["liveness_score"]
    assert scores["broken.mp4"] == 0.25
    assert pd.read_csv(run.folder / "results/unreadable.csv")["fname"].tolist() == ["broken.mp4"]


def test_a_sample_submission_gives_rows_and_order(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    rows = ["new one.mp4", "9.mp4", "not there.mp4"]
    sample = "\n".join(["fname,liveness_score", *(f"{name},0.5" for name in rows)])
    (run.folder / "sample.csv").write_text(sample)
    config = tiny_config(inference={"max_unreadable": 0.5})
    config["data"]["test"] = {"videos": "test", "sample_submission": "sample.csv"}
    run.configure(config)
    assert run.executed() == {"submit": 1}
    submission = pd.read_csv(run.folder / "results/submission.csv")
    assert submission["fname"].tolist() == rows
    reasons = pd.read_csv(run.folder / "results/unreadable.csv")
    assert reasons["reason"].tolist() == ["it is not in data.test.videos"]
