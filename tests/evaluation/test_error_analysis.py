"""Selection of the worst misclassified held-out videos and of their frames."""

import numpy as np
import pandas as pd
import pytest

from liveness.evaluation.error_analysis import describe_video, telling_frames, verdicts, worst

FOLDS = pd.DataFrame(
    {"liveness_score": [0, 0, 1, 1, 1, 0], "attack": ["print", "", "", "", "", ""], "group": list("abcdef")},
    index=pd.Index(["far", "near", "low", "lower", "right", "exact"], name="fname"),
)
HELD_OUT = pd.DataFrame(
    {
        "fold": 0,
        "score": [0.9, 0.6, 0.4, 0.1, 0.3, 0.5],
        "threshold": [0.5, 0.5, 0.5, 0.5, 0.2, 0.5],
    },
    index=FOLDS.index,
)
VIDEOS = verdicts(HELD_OUT, FOLDS)


def test_verdicts_and_margins_use_the_threshold_of_the_videos_fold() -> None:
    assert VIDEOS["verdict"].to_dict() == {
        "far": "false accept", "near": "false accept", "exact": "false accept",
        "lower": "false reject", "low": "false reject", "right": "correct",
    }  # fmt: skip
    assert VIDEOS["margin"].to_dict() == pytest.approx(
        {"far": 0.4, "near": 0.1, "exact": 0.0, "lower": -0.4, "low": -0.1, "right": 0.1}
    )


def test_the_worst_come_first() -> None:
    assert list(worst(VIDEOS, 0, 8).index) == ["far", "near", "exact"]
    assert list(worst(VIDEOS, 1, 2).index) == ["lower", "low"]


def test_without_a_threshold_videos_have_an_order_but_no_verdict() -> None:
    videos = verdicts(HELD_OUT.assign(threshold=np.nan), FOLDS)
    assert set(videos["verdict"]) == {""}
    assert list(worst(videos, 1, 3).index) == ["lower", "right", "low"]


def test_the_frame_that_favours_the_wrong_decision_most() -> None:
    frames = pd.DataFrame(
        [
            ("lower", 0, 0, 0.3),
            ("lower", 0, 1, 0.1),
            ("far", 1, 0, 0.8),
            ("far", 1, 2, 0.95),
            ("right", 0, 0, 1),
        ],
        columns=["fname", "fold", "index", "score"],
    )
    found = telling_frames(frames, {"far": 0, "near": 0, "lower": 1})
    assert list(found.itertuples(name=None)) == [("far", 1, 2, 0.95), ("lower", 0, 1, 0.1)]
    assert telling_frames(frames[:0], {"far": 0}).empty


def test_descriptions_contain_only_what_is_known() -> None:
    assert describe_video(VIDEOS.loc["far"]) == "score 0.900 (threshold 0.500); attack print, group a, fold 0"
    assert describe_video(VIDEOS.loc["near"]) == "score 0.600 (threshold 0.500); group b, fold 0"
