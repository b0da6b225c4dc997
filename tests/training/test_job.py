"""Training jobs in one and in two processes use the same batches and give the same weights."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_task import film

from clips import write_clip
from liveness.runtime.errors import InputError
from liveness.training.job import CURVE, FOUND, HISTORY, WEIGHTS, Job, fit_together, make_job
from liveness.video.frame_store import FrameStore, extract
from liveness.video.sampling import Sampling
from running import ROOT
from stored_frames import extract_folder

pytestmark = pytest.mark.slow
RECIPE: dict[str, Any] = {
    "epochs": 5, "warmup_epochs": 1, "batch_size": 8, "lr": 1e-3, "min_lr": 1e-5, "weight_decay": 0.05,
    "label_smoothing": 0.1, "ema_decay": 0.8, "precision": "fp32", "seed": 1,
    "augmentation": {
        "crop_scale": [0.7, 1.0], "hflip": 0.5, "vflip": 0.0, "color_jitter": 0.2, "auto_augment": "",
        "erasing": 0.1,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Eight training videos of four frames, three validation videos of three (an odd total)."""
    folder = tmp_path_factory.mktemp("job")
    film(folder, 11)
    rows = [(f"{n}.mp4", n % 2, str(n), int(n < 8)) for n in range(11)]
    columns = ["fname", "liveness_score", "group", "fold"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "folds.csv", index=False)
    frames = extract_folder(folder, folder, Sampling(4, (0.0, 1.0), short_side=64))
    return Job(
        architecture="test_convnext", image_size=64, pretrained=False, drop_path=0.0, recipe=RECIPE,
        frames=[str(frames)], folds=str(folder / "folds.csv"), fold=0, state="", logs="",
        threads=2, trackers={}, about={"run": "m/0"},
    )  # fmt: skip


def fitted(
    job: Job, folder: Path, processes: int, **recipe: Any
) -> tuple[dict[str, torch.Tensor], pd.DataFrame]:
    job = replace(job, state=str(folder / "state"), logs=str(folder / "logs"), recipe=job.recipe | recipe)
    fit_together(job, processes)
    return load_file(folder / "state" / WEIGHTS), pd.read_csv(folder / "state" / HISTORY)


def state_path(frames: Path, folds: Path) -> str:
    """Return the state folder of a job with the two input files."""
    params = {"architecture": "test_convnext", "image_size": 64, "pretrained": False, "drop_path": 0.0}
    return make_job(
        params | {"training": {}, "seed": 1}, training=RECIPE, inputs=[str(frames), str(folds)],
        frames=[str(frames)], folds=str(folds), fold=0, run="m/0", threads=1, config={"tracking": {}},
        states="states", logs="logs",
    ).state  # fmt: skip


def test_every_change_of_the_data_starts_a_new_state(tmp_path: Path) -> None:
    frames, folds = tmp_path / "0.arrow", tmp_path / "folds.csv"
    manifest = pd.DataFrame({"fname": ["0.mp4"], "duration": [1.0], "readable": [True], "problem": [""]})
    states = []
    for brightness, rows in ((0, "a"), (255, "a"), (0, "b")):
        write_clip(tmp_path / "0.mp4", [np.full((64, 64, 3), brightness, np.uint8)] * 4)
        extract(manifest, tmp_path, frames, Sampling(2, (0.0, 1.0), short_side=64), workers=1)
        folds.write_text(rows)
        states += [state_path(frames, folds), state_path(frames, folds)]
    assert states[::2] == states[1::2]
    assert len(set(states)) == 3


def test_the_frames_themselves_are_not_read_to_name_the_state(job: Job, tmp_path: Path) -> None:
    frames, folds = tmp_path / "0.arrow", Path(job.folds)
    content = bytearray(Path(job.frames[0]).read_bytes())
    frames.write_bytes(content)
    before = state_path(frames, folds)
    image = FrameStore(job.frames)._images[0].as_py()
    start = content.index(image)
    content[start : start + len(image)] = bytes(len(image))
    frames.write_bytes(content)
    assert state_path(frames, folds) == before


def test_two_processes_train_as_one(job: Job, tmp_path: Path) -> None:
    one, one_history = fitted(job, tmp_path / "one", 1)
    two, two_history = fitted(job, tmp_path / "two", 2)
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=1e-4), name
    np.testing.assert_allclose(one_history, two_history, atol=1e-4)


@pytest.mark.thorough
def test_two_processes_validate_every_frame_once_with_batch_norm(job: Job, tmp_path: Path) -> None:
    # a frozen backbone keeps its statistics; others would differ by process
    job = replace(job, architecture="test_efficientnet")
    one, two = (fitted(job, tmp_path / str(n), n, epochs=2, freeze_epochs=2)[1] for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-4)


PROGRAM = """
import json, sys
from liveness.training.job import Job, fit_together
fit_together(Job(**json.loads(sys.argv[1])), 2)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("victim", ["the job", "torchrun"])
def test_processes_end_with_what_started_them(victim: str, job: Job, tmp_path: Path) -> None:
    """They would wait for each other for ever, and hold their GPUs."""
    recipe = RECIPE | {"epochs": 10_000}
    job = replace(job, state=str(tmp_path / "state"), logs=str(tmp_path / "logs"), recipe=recipe)
    (tmp_path / "state").mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    parent = subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(asdict(job))], env=environment)
    try:
        wait_until(lambda: (tmp_path / "state" / "last.ckpt").exists() and len(children(tmp_path)) >= 3)
        torchrun = next(pid for pid, command in children(tmp_path).items() if "torch.distributed" in command)
        os.kill(parent.pid if victim == "the job" else torchrun, signal.SIGKILL)
        parent.wait(timeout=60)
        wait_until(lambda: not children(tmp_path))
    finally:
        for pid in [*children(tmp_path), parent.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def children(folder: Path) -> dict[int, str]:
    """Return torchrun and its processes for a job in `folder`, with their commands."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            command = path.read_text(encoding="utf-8", errors="replace")
            if f"{folder}/state/job.json" in command:
                found[int(path.parent.name)] = command
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.thorough
def test_processes_of_several_machines_meet(job: Job, tmp_path: Path) -> None:
    one, _ = fitted(job, tmp_path / "one", 1, epochs=1)
    job = replace(job, state=str(tmp_path), logs=str(tmp_path / "logs"), recipe=RECIPE | {"epochs": 1})
    (tmp_path / "job.json").write_text(json.dumps(asdict(job)))
    # the meeting point is here, so that nothing else can take its port before the machines do
    meeting = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    endpoint = f"127.0.0.1:{meeting.port}"
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", "job"]
    command += ["--rdzv-conf", "is_host=0"]
    command += ["-m", "liveness.training.job", str(tmp_path / "job.json")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    machines = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [machine.wait(timeout=300) for machine in machines] == [0, 0]
    for name, tensor in load_file(tmp_path / WEIGHTS).items():
        assert torch.allclose(tensor, one[name], atol=1e-4), name
    # a finished job is not trained again
    fit_together(replace(job, frames=["gone"]), processes=1)


@pytest.mark.thorough
def test_two_processes_find_a_learning_rate(job: Job, tmp_path: Path) -> None:
    job = replace(job, state=str(tmp_path), find_lr=True)
    fit_together(job, 2)
    assert 1e-7 < json.loads((tmp_path / FOUND).read_text())["lr"] < 1
    assert len(pd.read_csv(tmp_path / CURVE)) > 20


@pytest.mark.thorough
def test_the_sentence_of_a_process_that_fails_is_passed_on(job: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scores are not finite after epoch 0; lower training\.lr"):
        fitted(job, tmp_path, 2, lr=1e30, warmup_epochs=0, ema_decay=0.0)
