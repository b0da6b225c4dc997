"""Mistakes stop a run before it starts, and the sentence of a failed job ends its output."""

from pathlib import Path

import pytest

from running import Run, finished_jobs, name_data, tiny_config

pytestmark = pytest.mark.slow


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


def test_networks_are_tried_before_anything_is_trained(finished: Run, tmp_path: Path) -> None:
    """A try that fails spoils nothing: what was trained before stays up to date."""
    run = finished.copy(tmp_path / "run")
    config = tiny_config()
    config["models"]["vit"] |= {"architecture": "xcit_nano_12_p16_224", "image_size": 100}
    config["models"]["other"] = {"architecture": "ghostnet_050", "image_size": 64, "drop_path": 0.1}
    run.configure(config)
    assert {"check_model": 2, "train": 4}.items() <= run.planned().items()
    output = run.snakemake("--keep-going", fails=True)
    assert "\ncheck_model failed: xcit_nano_12_p16_224 cannot take images of 100 x 100 pixels" in output
    assert "\ncheck_model failed: ghostnet_050 has no stochastic depth" in output
    assert "Traceback" not in output
    assert "train" not in finished_jobs(output)
    # it is not taken for done
    assert run.planned().get("check_model") == 2
    run.configure(tiny_config())
    assert run.planned() == {"write_scorer_config": 1}


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
