"""Which held-out videos the blend is most wrong about, and which of their frames."""

import pandas as pd

from liveness.mistakes import telling_frames, worst_mistakes

VIDEOS = pd.DataFrame(
    {
        "score": [0.9, 0.6, 0.4, 0.1, 0.3, 0.5],
        "threshold": [0.5, 0.5, 0.5, 0.5, 0.2, 0.5],
        "liveness_score": [0, 0, 1, 1, 1, 0],
    },
    index=pd.Index(["far", "near", "low", "lower", "right", "exact"], name="fname"),
)


def test_false_accepts_then_false_rejects_the_worst_first() -> None:
    found = worst_mistakes(VIDEOS, 8)
    assert found["mistake"].to_dict() == {
        "far": "false accept", "near": "false accept", "exact": "false accept",
        "lower": "false reject", "low": "false reject",
    }  # fmt: skip
    assert list(found.index) == ["far", "near", "exact", "lower", "low"]
    assert list(worst_mistakes(VIDEOS, 1).index) == ["far", "lower"]


def test_without_a_threshold_there_is_no_mistake() -> None:
    assert worst_mistakes(VIDEOS.assign(threshold=float("nan")), 8).empty


def test_the_frame_that_speaks_most_for_the_wrong_decision() -> None:
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
    found = telling_frames(frames, worst_mistakes(VIDEOS, 8))
    assert list(found.itertuples(name=None)) == [("far", 1, 2, 0.95), ("lower", 0, 1, 0.1)]
    assert telling_frames(frames[:0], worst_mistakes(VIDEOS, 8)).empty
