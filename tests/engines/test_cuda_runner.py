"""The GPU runner. These tests need a GPU; the kernel has separate tests."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from exported import Exported, compile_pair

from liveness.engines.cuda import active_context, driver
from liveness.engines.interface import EngineGroup
from liveness.engines.load import load_engine
from liveness.engines.metadata import read_metadata
from liveness.engines.runner import open_engines
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256
from liveness.video.preprocessing import View, model_input, part

pytestmark = pytest.mark.gpu

VIEWS = [View(), View(hflip=True), View((0.1, 0.0, 0.8, 0.9), vflip=True)]
BATCH = 6


@pytest.fixture(scope="module", params=["tensorrt", "tensorrt_rtx"])
def metadata(
    request: pytest.FixtureRequest,
    convnext: Exported,
    vit: Exported,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    """FP16 engines with two input sizes, built and validated on this GPU."""
    pytest.importorskip(request.param)
    try:
        driver()
    except InputError as error:
        pytest.skip(str(error))
    return compile_pair(tmp_path_factory.mktemp("engines"), convnext, vit, request.param, "fp16")


@pytest.fixture
def ensemble(metadata: list[Path]) -> Iterator[EngineGroup]:
    with open_engines(metadata, VIEWS, batch_size=BATCH, threads=None) as opened:
        yield opened


def draw_batch(seed: int, n: int = BATCH) -> list[np.ndarray]:
    """Draw canonical frames of different sizes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(60, 240, (n, 2))
    return [rng.integers(0, 256, (height, width, 3)).astype(np.uint8) for height, width in sizes]


@pytest.mark.parametrize("n", [1, BATCH - 1, BATCH])
def test_scores_are_those_of_each_engine_on_preprocessed_frames(
    ensemble: EngineGroup, metadata: list[Path], n: int
) -> None:
    """Full batches replay a graph, others run directly; both agree with a standalone engine."""
    frames = draw_batch(0, n)
    scores = ensemble.submit(frames, [0, 1]).result()
    assert ensemble.takes_frames and scores.dtype == np.float32 and scores.shape == (2, n)
    for row, path in zip(scores, metadata, strict=True):
        with load_engine(path) as engine:
            views = []
            for view in VIEWS:
                inputs = [model_input(part(frame, view.box), engine.image_size) for frame in frames]
                down, across = -1 if view.vflip else 1, -1 if view.hflip else 1
                views.append(engine(np.stack(inputs)[:, ::down, ::across]))
        # the kernel is within one level of the CPU's pre-processing
        np.testing.assert_allclose(row, np.mean(views, axis=0), atol=0.01)


def test_a_graph_replays_what_plain_execution_gives(ensemble: EngineGroup) -> None:
    frames = draw_batch(1)
    full = ensemble.submit(frames, [0, 1]).result()
    parts = [ensemble.submit(frames[start : start + 2], [0, 1]).result() for start in (0, 2, 4)]
    np.testing.assert_allclose(full, np.concatenate(parts, axis=1), atol=2e-3)
    assert np.array_equal(ensemble.submit(frames, [0, 1]).result(), full)


def test_batches_in_flight_keep_apart(ensemble: EngineGroup) -> None:
    batches = [draw_batch(seed, 1 + seed % BATCH) for seed in range(20)]
    futures = [ensemble.submit(batch, [seed % 2]) for seed, batch in enumerate(batches)]
    for seed, (batch, future) in enumerate(zip(batches, futures, strict=True)):
        assert np.array_equal(future.result(), ensemble.submit(batch, [seed % 2]).result())
    assert all(ensemble.seconds[stage] > 0 for stage in ("preprocess", "copy", "compute"))


def test_device_memory_stays_flat_over_a_thousand_batches(ensemble: EngineGroup) -> None:
    batches = [draw_batch(seed) for seed in range(4)]

    def run(count: int) -> int:
        for future in [ensemble.submit(batches[i % 4], [0, 1]) for i in range(count)]:
            future.result()
        with active_context():
            free, _ = driver().mem_get_info()
        return free

    before = run(20)
    assert before - run(1000) < 2**20


def test_closing_frees_the_device(metadata: list[Path]) -> None:
    def free() -> int:
        with active_context():
            return driver().mem_get_info()[0]

    def once() -> None:
        with open_engines(metadata, VIEWS, batch_size=BATCH, threads=None) as ensemble:
            ensemble.submit(draw_batch(0), [0, 1]).result()

    once()
    before = free()
    for _ in range(5):
        once()
    assert before - free() < 4 * 2**20


def test_engines_share_one_scratch(ensemble: EngineGroup, metadata: list[Path]) -> None:
    needs = []
    for path in metadata:
        with load_engine(path) as engine:
            needs.append(engine.scratch_bytes)  # type: ignore[attr-defined]
    assert ensemble.scratch_bytes == max(needs)  # type: ignore[attr-defined]


def test_too_many_frames_are_refused(ensemble: EngineGroup) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to {BATCH} frames"):
        ensemble.submit(draw_batch(0, BATCH + 1), [0])
    assert ensemble.submit(draw_batch(0), [0]).result().shape == (1, BATCH)


def test_an_engine_of_another_gpu_is_one_sentence(metadata: list[Path], tmp_path: Path) -> None:
    """A truncated plan stands in for one of another GPU: the library can read neither."""
    record = read_metadata(metadata[0])
    for name in record.files:
        (tmp_path / name).write_bytes(metadata[0].with_name(name).read_bytes())
    plan = tmp_path / "convnext.plan"
    plan.write_bytes(plan.read_bytes()[:-4096])
    changed = json.loads(metadata[0].read_text())
    changed["files"]["convnext.plan"] = sha256(plan)
    (tmp_path / "convnext.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"refuses it on .*compile again here"):
        load_engine(tmp_path / "convnext.json")


def test_what_was_learned_about_the_gpu_is_kept(metadata: list[Path]) -> None:
    with load_engine(metadata[0]):
        pass
    kept = list((metadata[0].parent / ".cache").iterdir())
    backend = read_metadata(metadata[0]).backend
    assert kept and all(backend in path.name for path in kept)
    for path in kept:
        path.write_bytes(b"broken")  # the library rejects and rebuilds it
    with load_engine(metadata[0]) as engine:
        assert len(engine(np.zeros((1, engine.image_size, engine.image_size, 3), np.uint8))) == 1
