"""The parity gate: its figures, and which engines pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from liveness.engines.parity import EER_FRAMES, Limits, Parity, ParityError, measure, require
from liveness.engines.parity import compare as compare_sample
from liveness.engines.parity_sample import ReferenceSample

probability = st.floats(0, 1, width=32)
pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[arrays(np.float32, n, elements=probability) for _ in range(2)])
)
limits = st.floats(0, 0.5)


def sample_of(probabilities: np.ndarray, labels: np.ndarray | None = None) -> ReferenceSample:
    n = len(probabilities)
    return ReferenceSample(
        np.zeros((n, 2, 2, 3), np.uint8), probabilities, np.full(n, -1, np.int8) if labels is None else labels
    )


def compare(reference: np.ndarray, candidate: np.ndarray, limit: float) -> Parity:
    return compare_sample(sample_of(reference), candidate, Limits(max_difference=limit))


@given(pairs, limits)
def test_an_engine_passes_exactly_within_the_limit_and_then_flips_nothing(
    pair: tuple[np.ndarray, np.ndarray], limit: float
) -> None:
    parity = compare(*pair, limit)
    largest = np.abs(pair[0].astype(float) - pair[1]).max()
    assert parity.max_difference == largest and parity.passed == (largest <= limit)
    assert 0 <= parity.mean_difference <= parity.max_difference * (1 + 1e-12)
    if parity.passed:
        assert parity.flips == 0


@given(pairs, limits)
def test_differences_are_symmetric(pair: tuple[np.ndarray, np.ndarray], limit: float) -> None:
    there, back = compare(*pair, limit), compare(*pair[::-1], limit)
    assert (there.max_difference, there.mean_difference) == (back.max_difference, back.mean_difference)


@given(pairs)
def test_rank_correlation_is_spearmans(pair: tuple[np.ndarray, np.ndarray]) -> None:
    correlation = compare(*pair, 0.01).rank_correlation
    if any(np.ptp(side) == 0 for side in pair):
        assert correlation is None
    else:
        assert correlation == pytest.approx(spearmanr(*pair).statistic, abs=1e-12)


@given(arrays(np.float32, 5, elements=probability), limits)
def test_an_engine_equals_itself(values: np.ndarray, limit: float) -> None:
    parity = compare(values, values, limit)
    assert parity.passed and parity.max_difference == 0 and parity.flips == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_never_passes(bad: float) -> None:
    parity = compare(np.full(3, 0.9, np.float32), np.array([0.9, bad, 0.9], np.float32), limit=1)
    assert not parity.passed and parity.max_difference == np.inf


def test_flips_count_only_among_decided_frames() -> None:
    reference = np.array([0.495, 0.2, 0.7], np.float32)  # the first one is within the limit of 0.5
    candidate = np.array([0.505, 0.6, 0.4], np.float32)
    assert compare(reference, candidate, limit=0.01).flips == 2


def test_a_failing_gate_shows_the_figures() -> None:
    parity = Parity(32, 0.203, 0.01, 0.993, 1, 0.1, 0.2, False)
    with pytest.raises(
        ParityError,
        match=r"(?s)openvino/small/0.*0\.203000 \(limit 0\.01\).*0\.9930.*0\.1000 -> 0\.2000.* 1 at 0\.5$",
    ):
        require(parity, Limits(), "openvino/small/0")


def test_flips_count_at_the_configured_threshold() -> None:
    sample, candidate = sample_of(np.array([0.88, 0.3], np.float32)), np.array([0.92, 0.6], np.float32)
    assert compare_sample(sample, candidate, Limits(0.01, threshold=0.9)).flips == 1
    assert compare_sample(sample, candidate, Limits(0.01, threshold=0.5)).flips == 1
    assert compare_sample(sample, candidate, Limits(0.01, threshold=0.2)).flips == 0


@pytest.mark.parametrize("frames", [EER_FRAMES - 2, EER_FRAMES])
def test_a_change_of_the_eer_is_judged_from_enough_labelled_frames_on(frames: int) -> None:
    """The model barely separates live from spoof, and the engine swaps their order."""
    labels = np.arange(frames).astype(np.int8) % 2
    expected = np.where(labels == 1, 0.502, 0.498).astype(np.float32)
    candidate = np.where(labels == 1, 0.499, 0.501).astype(np.float32)
    parity = compare_sample(sample_of(expected, labels), candidate, Limits())
    assert (parity.eer_reference, parity.eer) == (0.0, pytest.approx(0.5, abs=1e-6))  # chance level
    assert parity.passed == (frames < EER_FRAMES)
    # unlabelled frames do not count
    labels[:10] = -1
    assert compare_sample(sample_of(expected, labels), candidate, Limits()).passed


def test_without_both_classes_there_is_no_eer() -> None:
    sample = sample_of(np.array([0.1, 0.9], np.float32), np.array([1, -1], np.int8))
    parity = compare_sample(sample, sample.probabilities, Limits())
    assert parity.eer is None and parity.eer_reference is None and parity.passed


def test_a_path_for_single_frames_that_gives_no_number_fails_the_gate() -> None:
    def engine(frames: np.ndarray) -> np.ndarray:
        return np.full(len(frames), np.nan if len(frames) == 1 else 0.5, np.float32)

    sample = sample_of(np.full(3, 0.5, np.float32))
    assert not measure(engine, sample, Limits()).passed  # type: ignore[arg-type]
