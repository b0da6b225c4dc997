"""Jobs ask for the GPUs that they need and get one each.

Visible names are enough, since jobs run on the CPU anyway.
"""

import re
from pathlib import Path

import pytest

from running import Run, name_data, tiny_config

pytestmark = pytest.mark.slow


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
    folder = run.results / "logs/train/convnext"
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
