"""Tables of the training videos."""

from typing import Any

import pandas as pd

from liveness.report.data_summary import balance, formats, inventory

FOLDS = pd.DataFrame(
    {
        "liveness_score": [1, 0, 0, 1, 0],
        "group": ["p", "p", "q", "r", "s"],
        "fold": [0, 0, 0, 1, 1],
        "attack": ["", "print", "", "print", "replay"],
    },
    index=pd.Index(["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"], name="fname"),
)
VIDEOS = pd.DataFrame(
    {
        "width": [480, 480, 720, 480, 480, 0],
        "height": [852, 852, 1280, 852, 852, 0],
        "fps": [29.97, 30.0, 25.0, 30.0, 30.0, float("nan")],
        "codec": ["h264", "hevc", "hevc", "h264", "h264", ""],
        "rotation": [0, 0, 90, 0, 0, 0],
        "duration": [5.2, 4.1, 1.0, 5.9, 4.0, float("nan")],
        "readable": [True] * 5 + [False],
    },
    index=pd.Index([*FOLDS.index, "broken.mp4"], name="fname"),
)
NOTHING: dict[str, Any] = {
    "groups": 4, "duplicates": [], "merged_groups": [], "joined_sources": [], "contradictory_labels": [],
    "unlabelled": {}, "unreadable": {}, "other_attacks": {},
}  # fmt: skip


def test_balance_counts_classes_groups_and_attacks_by_fold() -> None:
    counted = balance(FOLDS)
    assert counted.columns.tolist() == ["fold", "live", "spoof", "groups", "spoof: print", "spoof: replay"]
    # the attack type of a live video is ignored
    assert counted.to_numpy().tolist() == [[0, 1, 2, 2, 1, 0], [1, 1, 1, 2, 0, 1], ["all", 2, 3, 4, 1, 1]]


def test_formats_are_counted_with_their_share_of_live_videos() -> None:
    counted = formats(VIDEOS, FOLDS["liveness_score"]).set_index(["property", "value"])
    assert counted.loc[("size", "480 x 852")].tolist() == [4, 0.5]
    assert counted.loc[("codec", "hevc")].tolist() == [2, 0.0]
    assert counted.loc[("frames per second", "30"), "videos"] == 4
    assert counted.loc[("rotation", "90"), "videos"] == 1
    assert counted.loc[("duration", "4 to 6 s"), "videos"] == 4
    assert counted.groupby("property")["videos"].sum().eq(5).all()


def test_a_video_without_a_label_counts_in_no_share() -> None:
    counted = formats(VIDEOS, FOLDS["liveness_score"].drop("a.mp4")).set_index(["property", "value"])
    assert counted.loc[("size", "480 x 852"), "share_live"] == 1 / 3


def test_all_doubts_are_listed() -> None:
    pair = {"first": "a.mp4", "second": "b.mp4", "distance": 3}
    text = inventory(
        FOLDS,
        VIDEOS,
        NOTHING
        | {
            "duplicates": [pair] * 60,
            "contradictory_labels": [pair],
            "merged_groups": [["p", "q"]],
            "joined_sources": [["x", "y"]],
            "unreadable": {"broken.mp4": "no stream"},
            "unlabelled": {"new.mp4": "t"},
            "other_attacks": {"f.mp4": "print"},
        },
    )
    for line in (
        "## Near-duplicates with opposite labels: 1",
        "## Near-duplicates: 60",
        "| a.mp4 | b.mp4 | distance 3 |",
        "and 10 more: see folds/leakage.json",
        "| p | q |",
        "| broken.mp4 |  | no stream |",
        "| new.mp4 |  | group t |",
        "| f.mp4 |  | attack print |",
        "| all | 2 | 3 | 4 | 1 | 1 |",
    ):
        assert line in text


def test_nothing_doubtful_is_said_too() -> None:
    assert "## Unreadable: 0\n" in inventory(FOLDS, VIDEOS, NOTHING)
