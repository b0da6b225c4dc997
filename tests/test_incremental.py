"""Exactly the necessary jobs run, in one call, after videos are added, removed or changed.

They are executed, since a dry run overestimates the jobs after a checkpoint.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from liveness.video.manifest import shard_of
from running import TEST_NAMES, Run, finished_jobs, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

SHARD_SCORED = {"manifest": 1, "predict": 1, "submit": 1}
# all engines and all scores are new
RETRAINED = {"train": 2, "export": 2, "compile": 2, "predict": 4, "blend": 1, "evaluate": 1, "submit": 1}
ONE_MODEL = {"models": {"convnext": tiny_config()["models"]["convnext"]}}
NEW = next(f"new{n}.mp4" for n in range(9) if shard_of(f"new{n}.mp4", 2) == 1)


@pytest.fixture(scope="module")
def finished(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with one model: changes affect all models alike, and training takes longest."""
    run = finished.copy(tmp_path_factory.mktemp("one_model") / "run")
    run.configure(tiny_config(**ONE_MODEL))
    run.snakemake()
    return run


def add_test_video(folder: Path) -> None:
    shutil.copy(folder / "test/9.mp4", folder / "test" / NEW)


def add_to_a_folder_that_a_rule_made(folder: Path) -> None:
    # Snakemake reads the modification time of such a folder from this file
    stamp = folder / "test/.snakemake_timestamp"
    before = (folder / "test").stat().st_mtime
    stamp.touch()
    os.utime(stamp, (before, before))
    add_test_video(folder)


def remove_test_video(folder: Path) -> None:
    (folder / "test/9.mp4").unlink()


def replace_test_video(folder: Path) -> None:
    shutil.copy(folder / "test/10.mp4", folder / "test/draft")
    (folder / "test/draft").replace(folder / "test/9.mp4")


def replace_in_a_sub_folder(folder: Path) -> None:
    shutil.copy(folder / "test/10.mp4", folder / "test/đêm/2.webm")


def overwrite_a_test_video(folder: Path) -> None:
    shutil.copy(folder / "test/10.mp4", folder / "test/9.mp4")


def add_in_a_sub_folder(folder: Path) -> None:
    shutil.copy(folder / "test/10.mp4", folder / "test/đêm/new.mp4")


def touch_a_folder(folder: Path) -> None:
    (folder / "test").touch()


def add_training_video(folder: Path) -> None:
    shutil.copy(folder / "train/plain.mp4", folder / "train" / NEW)
    with (folder / "labels.csv").open("a", encoding="utf-8") as labels:
        labels.write(f"\n{NEW},0,person0")


def relabel(folder: Path) -> None:
    labels = folder / "labels.csv"
    text = labels.read_text(encoding="utf-8")
    assert '"007.avi",1' in text
    labels.write_text(text.replace('"007.avi",1', '"007.avi",0'), encoding="utf-8")


def order_labels(folder: Path) -> None:
    header, *rows = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    (folder / "labels.csv").write_text("\n".join([header, *reversed(rows)]), encoding="utf-8")


CHANGES: list[tuple[Callable[[Path], None], dict[str, int]]] = [
    (add_test_video, SHARD_SCORED),
    (add_to_a_folder_that_a_rule_made, SHARD_SCORED),
    (remove_test_video, SHARD_SCORED),
    (replace_test_video, SHARD_SCORED),
    # the folder's modification time does not change
    (overwrite_a_test_video, SHARD_SCORED),
    (replace_in_a_sub_folder, SHARD_SCORED),
    (add_in_a_sub_folder, SHARD_SCORED),
    (touch_a_folder, {"manifest": 1}),
    (add_training_video, {"manifest": 1, "extract": 1, "folds": 1} | RETRAINED),
    (relabel, {"folds": 1} | RETRAINED),
    # it reads attack types from there
    (order_labels, {"evaluate": 1}),
]


@pytest.mark.parametrize(("change", "jobs"), CHANGES, ids=lambda part: getattr(part, "__name__", ""))
def test_jobs_after_a_change(
    finished: Run,
    tmp_path: Path,
    change: Callable[[Path], None],
    jobs: dict[str, int],
) -> None:
    run = finished.copy(tmp_path / "run")
    change(run.folder)
    assert run.executed() == jobs
    assert run.planned() == {}


def test_a_new_test_video_is_in_the_submission(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    add_test_video(run.folder)
    run.snakemake()
    scores = pd.read_csv(run.folder / "results/submission.csv").set_index("fname")["liveness_score"]
    # a copy of 9.mp4
    assert scores[NEW] == pytest.approx(scores["9.mp4"], abs=1e-3)
    assert len(scores) == len(TEST_NAMES) + 1


def test_without_training_videos_a_new_one_to_score_compiles_nothing(finished: Run, tmp_path: Path) -> None:
    model = {"architecture": "test_convnext", "image_size": 64, "folds": [0]}
    weights = {0: str(finished.folder / "results/weights/convnext/0.safetensors")}
    config = {
        "data": {"test": {"videos": "test"}},
        "frames": {"count": 3, "short_side": 96},
        "folds": {"count": 2},
        "models": {"convnext": model | {"weights": weights}},
    }
    shutil.copytree(finished.folder / "test", tmp_path / "test")
    run = Run(tmp_path, config)
    once = dict.fromkeys(("manifest", "export", "compile", "predict", "submit", "write_scorer_config"), 1)
    assert run.executed() == once
    add_test_video(run.folder)
    assert run.executed() == SHARD_SCORED
    scores = pd.read_csv(run.folder / "results/submission.csv")
    assert set(scores["fname"]) == {*TEST_NAMES, NEW}
    assert run.planned() == {}


def test_results_stand_without_intermediate_files(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "run")
    assert run.executed("clean_intermediate") == {"clean_intermediate": 1}
    assert not [name for name in ("frames", "exported") if (run.folder / "results" / name).exists()]
    assert run.planned() == {}
    # rules that show a few frames read them from the videos
    made = finished_jobs(run.snakemake("analyse_errors", "find_label_errors", "preview_augmentation"))
    assert made == {"analyse_errors": 1, "find_label_errors": 1, "preview_augmentation": 1}
    assert not {"extract", "train", "export", "compile", "predict"} & set(run.planned("report"))
    # rules that need no frames run without them
    run.configure(tiny_config(**ONE_MODEL, inference={"views": ["whole", "whole+hflip"]}))
    assert run.planned() == {"predict": 4, "blend": 1, "evaluate": 1, "submit": 1, "write_scorer_config": 1}
    # rules that need frames extract them again
    run.configure(tiny_config(**ONE_MODEL, seed=7))
    assert {"extract", "folds", "train"} <= set(run.planned())
