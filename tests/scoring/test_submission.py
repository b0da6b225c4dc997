"""The submission has exactly the requested rows."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveness.runtime.errors import InputError
from liveness.scoring.submission import submission_rows

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
