"""From frame scores to the rows that were asked for."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.errors import InputError
from liveness.submission import blend, submission_rows, video_scores

ENGINES = [("a", 0), ("a", 1), ("b", 0)]


def table(*rows: tuple[str, str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["fname", "model", "fold", "score"])


@pytest.mark.parametrize(("aggregate", "expected"), [("mean", 0.4), ("median", 0.1)])
def test_frames_become_one_score_per_video_and_engine(aggregate: str, expected: float) -> None:
    frames = table(
        ("2", "a", 0, 0.1), ("2", "a", 0, 0.1), ("2", "a", 0, 1.0), ("2", "a", 1, 0.7), ("10", "b", 0, 0.3)
    )
    scores = video_scores(frames, aggregate)
    assert scores.columns.tolist() == ["fname", "model", "fold", "score"]
    assert scores[["fname", "model", "fold"]].to_numpy().tolist() == [
        ["10", "b", 0],
        ["2", "a", 0],
        ["2", "a", 1],
    ]
    np.testing.assert_allclose(scores["score"], [0.3, expected, 0.7])


@pytest.mark.parametrize(
    ("aggregate", "top_k", "expected"),
    [("trimmed", 3, 0.5), ("top_k", 1, 0.0), ("top_k", 2, 0.2), ("top_k", 9, 0.5)],
)
def test_aggregates_that_leave_frames_out(aggregate: str, top_k: int, expected: float) -> None:
    frames = table(*(("v", "a", 0, score) for score in (0.6, 0.0, 0.5, 0.4, 1.0)))
    assert video_scores(frames, aggregate, top_k)["score"].tolist() == pytest.approx([expected])


def test_without_weights_all_engines_count_alike() -> None:
    scores = table(("v", "a", 0, 0.0), ("v", "a", 1, 0.3), ("v", "b", 0, 0.9), ("u", "a", 0, 0.2))
    blended = blend(scores, {})
    assert blended.index.tolist() == ["u", "v"]
    np.testing.assert_allclose(blended, [0.2, 0.4])
    assert blended.name == "liveness_score"


def test_weights_are_rescaled_to_the_engines_that_scored_a_video() -> None:
    weights = {"a": {0: 0.3, 1: 0.1}, "b": {0: 0.6}}
    every = table(("all", "a", 0, 1.0), ("all", "a", 1, 0.0), ("all", "b", 0, 0.5))
    some = table(("some", "a", 0, 1.0), ("some", "a", 1, 0.0))
    blended = blend(pd.concat([every, some]), weights)
    np.testing.assert_allclose(blended[["all", "some"]], [0.6, 0.75])


def test_engines_that_are_not_named_weigh_nothing() -> None:
    scores = table(("v", "a", 0, 0.2), ("v", "b", 0, 0.9), ("u", "b", 0, 0.9), ("w", "a", 1, 0.9))
    blended = blend(scores, {"a": {0: 2.0, 1: 0.0}})
    assert blended.to_dict() == {"v": 0.2}


def test_the_winning_blend() -> None:
    """0.3 of one model and 0.7 of the other, each over its own folds."""
    large, xlarge = [0.3, 0.3, 0.4], [0.25, 0.3, 0.15, 0.15, 0.15]
    rows = [("v", "l", fold, fold / 10) for fold in range(3)] + [
        ("v", "xl", fold, fold / 5) for fold in range(5)
    ]
    weights = {
        "l": {fold: 0.3 * weight for fold, weight in enumerate(large)},
        "xl": {fold: 0.7 * weight for fold, weight in enumerate(xlarge)},
    }
    expected = 0.3 * np.dot(large, [0.0, 0.1, 0.2]) + 0.7 * np.dot(xlarge, [0.0, 0.2, 0.4, 0.6, 0.8])
    assert blend(table(*rows), weights)["v"] == pytest.approx(expected)


unit = st.floats(0, 1)


@given(
    scores=st.dictionaries(st.tuples(st.sampled_from("uvw"), st.sampled_from(ENGINES)), unit, min_size=1),
    weights=st.fixed_dictionaries({engine: st.sampled_from([0, 1e-3, 0.5, 1, 7]) for engine in ENGINES}),
)
def test_a_blend_lies_between_its_parts(
    scores: dict[tuple[str, tuple[str, int]], float], weights: dict[tuple[str, int], float]
) -> None:
    rows = table(*((fname, *engine, score) for (fname, engine), score in scores.items()))
    named: dict[str, dict[int, float]] = {}
    for (model, fold), weight in weights.items():
        named.setdefault(model, {})[fold] = weight
    blended = blend(rows, named)
    for fname in "uvw":
        parts = [score for (name, engine), score in scores.items() if name == fname and weights[engine] > 0]
        assert (fname in blended) == bool(parts)
        if parts:
            assert min(parts) - 1e-12 <= blended[fname] <= max(parts) + 1e-12
            assert 0 <= blended[fname] <= 1


SCORES = pd.Series({"1.mp4": 0.25, "2.mp4": 0.75, "extra.mp4": 1.0}, name="liveness_score")


def test_the_rows_are_those_asked_for_in_their_order() -> None:
    submission, unreadable = submission_rows(["2.mp4", "1.mp4"], SCORES, {}, 0.5, 0.0)
    assert submission.to_dict("list") == {"fname": ["2.mp4", "1.mp4"], "liveness_score": [0.75, 0.25]}
    assert unreadable.empty
    assert unreadable.columns.tolist() == ["fname", "reason"]


def test_a_row_without_a_score_gets_the_fallback_and_a_reason() -> None:
    rows = ["broken.mp4", "1.mp4", "absent.mp4"]
    submission, unreadable = submission_rows(rows, SCORES, {"broken.mp4": "no stream"}, 0.125, 1.0)
    assert submission["fname"].tolist() == rows
    assert submission["liveness_score"].tolist() == [0.125, 0.25, 0.125]
    assert unreadable.to_dict("list") == {
        "fname": ["broken.mp4", "absent.mp4"],
        "reason": ["no stream", "it is not in data.test.videos"],
    }


def test_too_many_unreadable_videos() -> None:
    with pytest.raises(InputError) as caught:
        submission_rows(["x.mp4", "1.mp4", "y.mp4"], SCORES, {"x.mp4": "no stream"}, 0.5, 0.5)
    assert str(caught.value).startswith(
        "2 of 3 videos cannot be read, more than inference.max_unreadable (50%) allows; "
        "the first is x.mp4 (no stream)."
    )


@given(total=st.integers(1, 300), data=st.data())
def test_the_limit_itself_is_allowed(total: int, data: st.DataObject) -> None:
    missing = data.draw(st.integers(0, total))
    rows = [str(row) for row in range(total)]
    scores = pd.Series(0.5, index=rows[missing:])
    submission, unreadable = submission_rows(rows, scores, {}, 0.5, missing / total)
    assert (len(submission), len(unreadable)) == (total, missing)
    if missing:
        with pytest.raises(InputError):
            submission_rows(rows, scores, {}, 0.5, (missing - 0.5) / total)
