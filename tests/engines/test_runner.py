"""A group of engines gives the same scores as each engine alone, view by view."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from exported import MAX_BATCH, Exported, compile_pair

from liveness.engines.interface import IN_FLIGHT, EngineGroup, Inputs
from liveness.engines.load import load_engine
from liveness.engines.runner import open_engines
from liveness.runtime.errors import InputError
from liveness.video.preprocessing import WHOLE, View, model_input, part

LEFT = (0.0, 0.0, 0.7, 1.0)
VIEWS = [View(), View(hflip=True), View(LEFT, vflip=True)]


@pytest.fixture(scope="module")
def metadata(convnext: Exported, vit: Exported, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Engines with two input sizes."""
    return compile_pair(tmp_path_factory.mktemp("engines"), convnext, vit, "openvino", "fp32")


@pytest.fixture
def ensemble(metadata: list[Path]) -> Iterator[EngineGroup]:
    with open_engines(metadata, VIEWS, batch_size=4, threads=1) as opened:
        yield opened


def draw_batch(seed: int, n: int = 4) -> Inputs:
    frames = np.random.default_rng(seed).integers(0, 256, (n, 120, 160, 3)).astype(np.uint8)
    return {
        (size, box): np.stack([model_input(part(frame, box), size) for frame in frames])
        for size in (64, 96)
        for box in (WHOLE, LEFT)
    }


def test_scores_are_the_mean_over_the_views_of_each_engine(
    ensemble: EngineGroup, metadata: list[Path]
) -> None:
    batch = draw_batch(0)
    scores = ensemble.submit(batch, [0, 1]).result()
    assert scores.dtype == np.float32 and scores.shape == (2, 4) and not ensemble.takes_frames
    for row, path, size in zip(scores, metadata, (64, 96), strict=True):
        whole, left = batch[size, WHOLE], batch[size, LEFT]
        with load_engine(path, threads=1) as engine:
            views = [engine(whole), engine(whole[:, :, ::-1]), engine(left[:, ::-1])]
        np.testing.assert_allclose(row, np.mean(views, axis=0), atol=1e-6)


def test_the_asked_engines_answer_in_the_asked_order(ensemble: EngineGroup) -> None:
    batch = draw_batch(1, n=MAX_BATCH + 3)
    both = ensemble.submit(batch, [0, 1]).result()
    assert np.array_equal(ensemble.submit(batch, [1, 0]).result(), both[::-1])
    assert np.array_equal(ensemble.submit(batch, [1]).result(), both[1:])


def test_many_batches_in_flight_keep_apart(ensemble: EngineGroup) -> None:
    batches = [draw_batch(seed) for seed in range(6)]
    futures = [ensemble.submit(batch, [0, 1]) for batch in batches]
    for batch, future in zip(batches, futures, strict=True):
        assert np.array_equal(future.result(), ensemble.submit(batch, [0, 1]).result())
    assert ensemble.seconds["compute"] > 0


def test_no_more_batches_than_allowed_are_under_way(ensemble: EngineGroup) -> None:
    batch = draw_batch(0, n=64)
    for _ in range(5):
        futures = [ensemble.submit(batch, [0, 1]) for _ in range(IN_FLIGHT + 1)]
        assert futures[0].done()


def test_a_failing_batch_fails_its_future_and_no_other(ensemble: EngineGroup) -> None:
    for _ in range(2 * IN_FLIGHT):
        with pytest.raises(KeyError):
            ensemble.submit({}, [0]).result()
    assert ensemble.submit(draw_batch(0), [0]).result().shape == (1, 4)


def test_closing_waits_for_what_was_submitted(metadata: list[Path]) -> None:
    with open_engines(metadata, [View()], batch_size=64, threads=1) as ensemble:
        started = time.perf_counter()
        future = ensemble.submit(draw_batch(0, n=64), [0, 1])
    assert future.done() and ensemble.seconds["compute"] <= time.perf_counter() - started


def test_an_engine_without_its_metadata_opens_nothing(metadata: list[Path]) -> None:
    with pytest.raises(InputError, match="no engine is loaded without its metadata"):
        open_engines([metadata[0], metadata[0].with_name("none.json")], VIEWS, batch_size=4, threads=1)
