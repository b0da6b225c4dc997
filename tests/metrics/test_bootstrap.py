"""Bootstrap intervals over groups."""

import numpy as np
import pytest

from liveness.metrics import error_rates
from liveness.metrics.bootstrap import CHUNK, bootstrap, interval


def mean_of(values: np.ndarray):
    return lambda counts: {"mean": counts @ values / counts.sum(axis=1)}


def test_the_interval_of_a_mean_agrees_with_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=400)
    low, high = interval(bootstrap(mean_of(values), range(400), seed=1)["mean"])
    error = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + error, abs=0.1 * error)


def test_copies_within_a_group_do_not_narrow_the_interval() -> None:
    """Ten copies of a video carry no new information; as separate groups they would seem to."""
    values = np.random.default_rng(0).normal(size=50)
    once = bootstrap(mean_of(values), range(50), seed=3)["mean"]
    copies = bootstrap(mean_of(np.repeat(values, 10)), np.repeat(np.arange(50), 10), seed=3)["mean"]
    np.testing.assert_allclose(copies, once)
    naive = bootstrap(mean_of(np.repeat(values, 10)), range(500), seed=3)["mean"]
    assert naive.std() < once.std() / 2


def test_a_group_is_drawn_whole() -> None:
    groups = ["a", "b", "a", "c"]

    def check(counts: np.ndarray) -> dict[str, np.ndarray]:
        assert (counts[:, 0] == counts[:, 2]).all()
        assert (counts[:, 0] + counts[:, 1] + counts[:, 3] == 3).all()
        return {"drawn": counts[:, 0]}

    assert set(bootstrap(check, groups, seed=0)["drawn"]) == {0, 1, 2, 3}


def test_replicates_depend_on_the_seed_but_not_on_the_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(30.0)
    first = bootstrap(mean_of(values), range(30), seed=5)["mean"]
    assert len(first) == 1000
    assert (bootstrap(mean_of(values), range(30), seed=5)["mean"] == first).all()
    assert (bootstrap(mean_of(values), range(30), seed=6)["mean"] != first).any()
    monkeypatch.setattr("liveness.metrics.bootstrap.CHUNK", 30 * 7)
    np.testing.assert_allclose(bootstrap(mean_of(values), range(30), seed=5)["mean"], first)
    assert CHUNK > 30 * 7


def test_replicates_without_the_statistic_are_ignored() -> None:
    assert interval(np.array([np.nan, 0.25, np.nan])) == (0.25, 0.25)
    assert interval(np.array([np.nan])) is None


def test_a_data_set_of_the_challenges_size_is_fast() -> None:
    """The challenge has about 1,200 videos; looping over replicates would make this very slow."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1200)
    scores = rng.normal(labels)
    replicates = bootstrap(
        lambda counts: {"eer": error_rates.hull_eer(error_rates.error_curve(labels, scores, counts))},
        rng.integers(0, 400, 1200),
        seed=0,
    )["eer"]
    low, high = interval(replicates)
    assert low < error_rates.equal_error_rate(labels, scores) < high
