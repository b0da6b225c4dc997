"""Score one shard of real videos with real engines."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from clips import numbered, write_clip
from liveness.engines.compile import compile_engine
from liveness.engines.load import load_engine
from liveness.engines.onnx_export import export_onnx, reference_probabilities
from liveness.engines.parity_sample import UNKNOWN, ReferenceSample
from liveness.runtime.errors import InputError
from liveness.scoring.decoding import Video
from liveness.scoring.pipeline import SCORE_SCHEMA, Member
from liveness.scoring.shard import score_shard, videos_of
from liveness.video.preprocessing import View, model_input
from liveness.video.sampling import Sampling, read_video

SIZE = 64
NORMALISATION = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SAMPLING = Sampling(count=3, window=(0.0, 1.0), short_side=64)
MEMBERS = [Member("m", 0), Member("m", 1)]
MANIFEST = pd.DataFrame(
    {
        "fname": ["a.mp4", "broken.mp4", "sub/b.mp4", "c.mp4"],
        "duration": [1.0, float("nan"), 1.0, 1.0],
        "readable": [True, False, True, True],
    }
)


def test_readable_videos_keep_their_order_and_are_for_every_engine() -> None:
    assert videos_of(MANIFEST, "videos", None) == [
        Video(f"videos/{fname}", fname, 1.0) for fname in ("a.mp4", "sub/b.mp4", "c.mp4")
    ]


def test_of_training_videos_only_those_with_a_fold_can_be_scored() -> None:
    folds = pd.Series({"c.mp4": 0, "a.mp4": 1, "broken.mp4": 1, "elsewhere.mp4": 0})
    assert videos_of(MANIFEST, "s3://bucket/videos", folds) == [
        Video("s3://bucket/videos/a.mp4", "a.mp4", 1.0, fold=1),
        Video("s3://bucket/videos/c.mp4", "c.mp4", 1.0, fold=0),
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 engine of a tiny network with random weights."""
    folder = tmp_path_factory.mktemp("engine")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 16, 16), nn.GELU(), nn.Flatten(), nn.Linear(64, 2)).eval()
    export_onnx(network, folder / "fp32.onnx", image_size=SIZE, precision="fp32", **NORMALISATION)
    frames = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    expected = reference_probabilities(network, frames, **NORMALISATION)
    compile_engine(
        folder / "0",
        backend="openvino",
        precision="fp32",
        sources={"fp32": folder / "fp32.onnx"},
        reference=ReferenceSample(frames, expected, np.full(4, UNKNOWN, np.int8)),
        max_batch=4,
    )
    return folder / "0.json"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    """Two videos of fold 0, one of fold 1, one of a fold without an engine, and a broken one."""
    folder = tmp_path_factory.mktemp("videos")
    for n in range(4):
        write_clip(folder / f"{n}.mp4", numbered(10 + 20 * n)[20 * n :])
    (folder / "broken.mp4").write_bytes(b"broken")
    folds = {"0.mp4": 0, "1.mp4": 1, "2.mp4": 0, "3.mp4": 2, "broken.mp4": 1}
    return [Video(folder / fname, fname, 1.0, fold) for fname, fold in folds.items()]


def test_held_out_videos_are_scored_by_the_engine_of_their_fold(
    engine: Path, videos: list[Video], tmp_path: Path
) -> None:
    finished, stages = score_shard(
        videos, tmp_path / "scores.parquet",
        engines=[engine, engine], members=MEMBERS, views=[View()], sampling=SAMPLING, batch_size=4, threads=2,
    )  # fmt: skip
    assert pq.read_schema(tmp_path / "scores.parquet") == SCORE_SCHEMA
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    rows = scores.groupby(["fname", "model", "fold"], observed=True).size()
    assert rows.to_dict() == {("0.mp4", "m", 0): 3, ("1.mp4", "m", 1): 3, ("2.mp4", "m", 0): 3}
    with load_engine(engine, threads=1) as alone:
        for fname, part in scores.groupby("fname", observed=True):
            frames, times, _ = read_video(videos[int(fname[0])].path, 1.0, SAMPLING)
            expected = alone(np.stack([model_input(frame, SIZE) for frame in frames]))
            np.testing.assert_allclose(part.sort_values("index")["score"], expected, atol=1e-5)
            assert part.sort_values("index")["time"].tolist() == times.tolist()
    # videos without an eligible engine are not decoded; undecodable videos are reported
    problems = {video.fname: bool(video.problem) for video in finished}
    assert problems == {"0.mp4": False, "1.mp4": False, "2.mp4": False, "broken.mp4": True}
    stages = stages.set_index("stage")
    assert stages.loc["all", "videos_per_s"] == pytest.approx(4 / stages.loc["all", "seconds"], abs=0.01)


def test_a_shard_without_videos_is_a_table_without_rows(engine: Path, tmp_path: Path) -> None:
    finished, _ = score_shard(
        [], tmp_path / "scores.parquet",
        engines=[engine], members=MEMBERS[:1], views=[View()], sampling=SAMPLING, batch_size=4, threads=1,
    )  # fmt: skip
    assert finished == []
    assert pq.read_table(tmp_path / "scores.parquet").schema == SCORE_SCHEMA
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 0


def test_an_engine_that_is_missing_fails_before_anything_is_written(
    videos: list[Video], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"0\.json: no such file"):
        score_shard(
            videos, tmp_path / "scores.parquet", engines=[tmp_path / "0.json"], members=MEMBERS[:1],
            views=[View()], sampling=SAMPLING, batch_size=4, threads=1,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
