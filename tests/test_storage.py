"""The tiny dataset and its results in S3, on a real server started on this machine."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import timm
import yaml
from pyarrow import fs

from liveness.runtime.errors import InputError
from liveness.storage import s3 as object_store
from liveness.video.decoder import VideoError, probe, read_frames
from liveness.video.manifest import list_videos
from running import ROOT, TEST_NAMES, TRAIN_NAMES, Run, finished_jobs, job_table, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.storage]

# installed by `make test-storage`
PLUGINS, SERVER = ROOT / ".venv/storage-plugins", ROOT / ".venv/s3-server"
# any free port; it is printed once the server accepts connections
SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
BUCKET = "liveness-test"
NETWORK = {"architecture": "test_convnext", "image_size": 64, "pretrained": "start.safetensors"}
SMALLEST = tiny_config(
    models={"convnext": NETWORK}, training={"epochs": 1, "warmup_epochs": 0, "batch_size": 8}
)
IN_S3 = ("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/project")


@pytest.fixture(scope="module")
def s3() -> Iterator[fs.S3FileSystem]:
    """A client of a server that jobs find through the environment, like Amazon's."""
    if not (PLUGINS.is_dir() and SERVER.is_dir()):
        pytest.skip("make test-storage installs the plugins and the server")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env=os.environ | {"PYTHONPATH": str(SERVER)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(PLUGINS)]))
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", url)
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            client = fs.S3FileSystem(endpoint_override=url, allow_bucket_creation=True)
            client.create_dir(BUCKET)
            yield client
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def uploaded(s3: fs.S3FileSystem, dataset: Path) -> str:
    """The project's prefix, with the dataset and an initial network uploaded below it."""
    prefix = f"{BUCKET}/project"
    start = timm.create_model(NETWORK["architecture"]).state_dict()
    with s3.open_output_stream(f"{prefix}/{NETWORK['pretrained']}") as file:
        file.write(safetensors.torch.save(start))
    fs.copy_files(str(dataset), prefix, source_filesystem=fs.LocalFileSystem(), destination_filesystem=s3)
    return prefix


@pytest.fixture(scope="module")
def run(uploaded: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole workflow with inputs and results in S3, run once."""
    run = Run(tmp_path_factory.mktemp("storage"), SMALLEST)
    run.snakemake(*IN_S3)
    return run


def test_a_plan_needs_nothing_in_the_bucket(uploaded: str, tmp_path: Path) -> None:
    """The demo's labels do not exist yet."""
    nowhere = [*IN_S3[:-1], f"s3://{BUCKET}/nothing-yet"]
    demo = Run(tmp_path, yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    jobs = job_table(demo.snakemake("-n", *nowhere))
    assert jobs.items() >= {"demo": 1, "manifest": 2, "folds": 1}.items()


def test_the_documented_command_is_the_one_that_is_tested() -> None:
    options = " ".join(IN_S3).replace(f"{BUCKET}/project", "BUCKET/PROJECT")
    assert options in (ROOT / "docs/storage.md").read_text(encoding="utf-8")


def names(s3: fs.S3FileSystem, prefix: str) -> set[str]:
    found = s3.get_file_info(fs.FileSelector(prefix, recursive=True))
    return {info.path.removeprefix(f"{prefix}/") for info in found if info.type is fs.FileType.File}


def test_every_result_is_in_the_bucket_and_none_is_left_here(
    run: Run, s3: fs.S3FileSystem, uploaded: str
) -> None:
    there = names(s3, f"{uploaded}/results")
    engines = {f"engines/openvino/convnext/{fold}/engine.bin" for fold in (0, 1)}
    assert engines | {"submission.csv", "metrics.json", "scorer.json", "logs/submit.log"} <= there
    here = {path.relative_to(run.folder) for path in run.folder.rglob("*") if path.is_file()}
    results = {
        path for path in here if path.suffix in (".arrow", ".safetensors", ".parquet", ".onnx", ".bin")
    }
    assert not results
    # jobs also deleted their local copies of videos
    assert not {path for path in here if path.name in {Path(name).name for name in TRAIN_NAMES + TEST_NAMES}}


def test_finished_is_finished(run: Run) -> None:
    assert "Nothing to be done" in run.snakemake(*IN_S3)


def test_a_copy_of_the_results_scores_as_the_run_did(
    run: Run, s3: fs.S3FileSystem, uploaded: str, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    fs.copy_files(
        f"{uploaded}/results",
        str(tmp_path / "results"),
        source_filesystem=s3,
        destination_filesystem=fs.LocalFileSystem(),
    )
    submission = pd.read_csv(tmp_path / "results/submission.csv").set_index("fname")["liveness_score"]
    assert set(submission.index) == set(TEST_NAMES)
    local = Run(tmp_path, SMALLEST)
    done = local.snakemake("score", "--config", f"videos=s3://{uploaded}/test")
    assert finished_jobs(done) == {"score": 1}
    scored = pd.read_csv(tmp_path / f"results/scored/s3/{uploaded}/test.csv").set_index("fname")
    assert scored["problem"].isna().all()
    pd.testing.assert_series_equal(scored["liveness_score"].sort_index(), submission.sort_index(), atol=1e-4)


def test_a_new_video_is_scored_and_nothing_else_runs(run: Run, s3: fs.S3FileSystem, uploaded: str) -> None:
    time.sleep(1.1)  # times in S3 are whole seconds
    s3.copy_file(f"{uploaded}/test/9.mp4", f"{uploaded}/test/new.mp4")
    assert run.executed(*IN_S3) == {"manifest": 1, "predict": 1, "submit": 1}
    with s3.open_input_stream(f"{uploaded}/results/submission.csv") as file:
        assert set(pd.read_csv(file)["fname"]) == {*TEST_NAMES, "new.mp4"}
    s3.delete_file(f"{uploaded}/test/new.mp4")


@pytest.mark.usefixtures("run")
def test_without_training_videos_a_new_one_is_all_that_is_scored(
    s3: fs.S3FileSystem, uploaded: str, tmp_path: Path
) -> None:
    """Weights, videos and results are below three different prefixes."""
    weights = {0: f"s3://{uploaded}/results/weights/convnext/0.safetensors"}
    model = {"architecture": "test_convnext", "image_size": 64, "folds": [0], "weights": weights}
    config = {
        "data": {"test": {"videos": f"s3://{BUCKET}/unseen"}},
        "frames": SMALLEST["frames"],
        "folds": {"count": 2},
        "models": {"convnext": model},
    }
    for name in TEST_NAMES:
        s3.copy_file(f"{uploaded}/test/{name}", f"{BUCKET}/unseen/{name}")
    scoring = Run(tmp_path, config)
    options = (*IN_S3[:3], f"s3://{BUCKET}/scoring")
    once = dict.fromkeys(("manifest", "export", "compile", "predict", "submit", "write_scorer_config"), 1)
    assert scoring.executed(*options) == once
    time.sleep(1.1)  # times in S3 are whole seconds
    s3.copy_file(f"{uploaded}/test/9.mp4", f"{BUCKET}/unseen/new.mp4")
    assert scoring.executed(*options) == {"manifest": 1, "predict": 1, "submit": 1}


def test_the_sentence_of_a_failed_job_is_found_in_the_bucket(run: Run) -> None:
    output = run.snakemake(*IN_S3, "score", "--config", f"videos={run.folder}", fails=True)
    assert "\nscore failed: " in output
    assert "no engine is loaded without its metadata" in output.split("\nscore failed: ")[1]


def test_videos_and_labels_in_s3_with_results_here(
    s3: fs.S3FileSystem, uploaded: str, tmp_path: Path
) -> None:
    data = {
        "train": {"videos": f"s3://{uploaded}/train/", "labels": "labels.csv"},
        "test": {"videos": "test"},
    }
    local = Run(tmp_path, tiny_config(data=data, data_root=f"s3://{uploaded}"))
    assert local.executed("results/folds/folds.csv") == {"manifest": 1, "extract": 2, "folds": 1}
    folds = pd.read_csv(tmp_path / "results/folds/folds.csv", keep_default_na=False)
    assert set(folds["fname"]) == set(TRAIN_NAMES)


@pytest.mark.skipif(not shutil.which("rsync"), reason="the fs plugin calls rsync")
def test_work_on_a_scratch_disk_with_everything_on_a_share(
    s3: fs.S3FileSystem, dataset: Path, tmp_path: Path
) -> None:
    """`s3` stands for the installed plugins only."""
    share, scratch, work = (tmp_path / name for name in ("share", "scratch", "work"))
    shutil.copytree(dataset, share)
    work.mkdir()
    local = Run(work, tiny_config())
    options = ("--default-storage-provider", "fs", "--default-storage-prefix", str(share))
    options += ("--local-storage-prefix", str(scratch))
    assert local.executed("frames", *options) == {"manifest": 1, "extract": 2}
    assert (share / "results/frames/train/0.arrow").is_file()
    # no videos were copied, and no results remain
    assert not [path for path in scratch.rglob("*") if path.suffix in (".mp4", ".arrow")]


# files in S3


def test_videos_are_listed_as_in_a_folder(s3: fs.S3FileSystem, uploaded: str, dataset: Path) -> None:
    for name in ("train/.hidden.mp4", "train/.folder/1.mp4", "train/notes.txt"):
        with s3.open_output_stream(f"{uploaded}/{name}") as file:
            file.write(b"no video, whatever the name")
    try:
        assert list_videos(f"s3://{uploaded}/train") == list_videos(dataset / "train")
    finally:
        for name in ("train/.hidden.mp4", "train/.folder/1.mp4", "train/notes.txt"):
            s3.delete_file(f"{uploaded}/{name}")


def test_a_video_is_read_from_a_copy_that_goes(
    s3: fs.S3FileSystem, uploaded: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in TRAIN_NAMES:
        assert probe(f"s3://{uploaded}/train/{name}") == probe(dataset / "train" / name)
    one, other = (read_frames(f"{place}/train/plain.mp4", [0.5]) for place in (f"s3://{uploaded}", dataset))
    assert (one[0].image == other[0].image).all()
    assert not list(tmp_path.iterdir())


def test_a_bad_video_is_named_by_its_address(s3: fs.S3FileSystem, uploaded: str) -> None:
    with s3.open_output_stream(f"{BUCKET}/bad.mp4") as file:
        file.write(b"no video")
    for name in ("bad.mp4", "missing.mp4"):
        address = f"s3://{BUCKET}/{name}"
        assert not probe(address).readable
        with pytest.raises(VideoError, match=f"^{re.escape(address)}: .*; replace or remove it"):
            read_frames(address, [0.0])


def test_folders_that_are_not_there(s3: fs.S3FileSystem) -> None:
    with pytest.raises(InputError, match=f"s3://{BUCKET}/none: no video found"):
        list_videos(f"s3://{BUCKET}/none")
    with pytest.raises(InputError, match=r"s3://no-such-bucket/none: cannot be listed .*NO_SUCH_BUCKET"):
        list_videos("s3://no-such-bucket/none")


def test_a_service_that_fails_is_not_a_bad_video(
    s3: fs.S3FileSystem, uploaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an hour without network would give a manifest without readable videos."""
    broken = fs.S3FileSystem(
        endpoint_override="http://127.0.0.1:9", retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1)
    )
    monkeypatch.setattr(object_store, "_s3", lambda: broken)
    for read in (probe, lambda address: read_frames(address, [0.0])):
        with pytest.raises(InputError, match=r"plain\.mp4: cannot be fetched .*AWS_ENDPOINT_URL"):
            read(f"s3://{uploaded}/train/plain.mp4")
