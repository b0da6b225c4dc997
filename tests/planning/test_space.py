"""The space of a run is estimated from what its plan knows, and a warning given."""

from pathlib import Path

import pytest

from dry_runs import dry_run
from liveness.planning.space import (
    Network,
    frames_size,
    labelled_videos,
    networks_size,
    space_warning,
    weights_size,
)
from running import ROOT, Run, here, name_data, tiny_config

FRAMES = {"count": 8, "short_side": 256, "quality": 95}
TINY = 29e6 * 4


def test_frames_of_a_million_videos() -> None:
    assert frames_size(1_000_000, FRAMES) == pytest.approx(373e9, rel=0.01)
    assert frames_size(1_000_000, {**FRAMES, "quality": 98}) == pytest.approx(932e9, rel=0.01)


def test_rows_of_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("fname,liveness_score\na.mp4,1\nb.mp4,0", encoding="utf-8")
    assert labelled_videos(str(tmp_path / "labels.csv")) == 2
    (tmp_path / "empty.csv").touch()
    assert labelled_videos(str(tmp_path / "empty.csv")) == 0


@pytest.mark.parametrize(
    ("architecture", "millions"),
    [
        ("convnext_tiny.fb_in22k", 29),
        ("convnext_xlarge", 350),
        ("vit_large_patch16_224", 304),
        ("resnet50", 30),
        ("test_convnext", 30),
    ],
)
def test_weights_by_name(architecture: str, millions: int) -> None:
    assert weights_size(architecture) == millions * 4e6


@pytest.mark.parametrize(
    ("network", "precisions", "size"),
    [
        # weights, ONNX, engine, and two training states
        (Network("convnext_tiny", True, True, True), ["fp32"], (1 + 1 + 1 + 8) * TINY),
        (Network("convnext_tiny", False, True, True), ["fp16", "fp32"], (1.5 + 1) * TINY),
        (Network("convnext_tiny", False, True, True), [], 2 * TINY),
        (Network("convnext_tiny", False, False, True), ["fp32"], TINY),
        # nobody exports again for an engine that is there
        (Network("convnext_tiny", False, True, False), ["fp32"], 0),
    ],
)
def test_what_is_missing_of_a_network(network: Network, precisions: list[str], size: float) -> None:
    assert networks_size([network], precisions, states=2) == pytest.approx(size)


def test_networks_train_one_after_another() -> None:
    networks = [Network("convnext_tiny", True, True, True)] * 3
    assert networks_size(networks, ["fp32"], states=2) == pytest.approx((3 * 3 + 8) * TINY)


def test_a_warning_where_the_disk_is_too_small(tmp_path: Path) -> None:
    assert space_warning(1e6, 1e6, str(tmp_path / "results")) is None
    sentence = space_warning(9e17, 1e17, str(tmp_path / "results"))
    assert sentence and sentence.startswith(
        "This run may fill the disk: it needs about 1,000,000,000.0 GB (stored frames 900,000,000.0 GB, "
        "networks and engines 100,000,000.0 GB), and "
    )


def test_a_plan_warns(tmp_path: Path) -> None:
    """It warns and goes on."""
    name_data(tmp_path)
    run = Run(tmp_path, tiny_config(shards=1, frames={"count": 10**9}))
    status, output = dry_run([*run.options, *here()], ROOT)
    assert status == 0, output
    assert "This run may fill the disk: it needs about " in output
    assert "train" in output


def test_a_plan_in_a_folder_that_nobody_may_write(tmp_path: Path) -> None:
    name_data(tmp_path)
    run = Run(tmp_path, tiny_config(data_root=str(tmp_path)))
    options = [*run.options, *here()]
    options[options.index("--directory") + 1] = "/sys/kernel"
    status, output = dry_run(options, ROOT)
    assert status == 1
    assert "/sys/kernel/.snakemake cannot be written: /sys/kernel " in output
    assert "Traceback" not in output
