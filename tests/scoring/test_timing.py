"""Time spent by video and by stage."""

from pathlib import Path

import pandas as pd
import pytest

from liveness.scoring.timing import Finished, read_videos, stage_table, times, video_table

VIDEO_COLUMNS = [Finished("NA", 0.5, 0.1, 0.04), Finished("007.mp4", 0.2, problem="its end is missing")]


def test_videos_survive_the_file(tmp_path: Path) -> None:
    for number, video in enumerate(VIDEO_COLUMNS):
        video_table([video]).to_csv(tmp_path / f"{number}.csv", index=False)
    video_table([]).to_csv(tmp_path / "2.csv", index=False)
    videos = read_videos([str(tmp_path / f"{number}.csv") for number in range(3)])
    assert videos["problem"].to_dict() == {"NA": "", "007.mp4": "its end is missing"}
    assert videos.loc["NA", ["decode_ms", "preprocess_ms", "compute_ms"]].tolist() == [500, 100, 40]


def test_the_time_of_a_row_is_the_sum_of_what_its_video_took() -> None:
    table = times(["missing.mp4", "NA", "007.mp4"], video_table(VIDEO_COLUMNS).set_index("fname"))
    assert table.to_dict("list") == {"fname": ["missing.mp4", "NA", "007.mp4"], "time": [0, 640, 200]}


def test_stages() -> None:
    seconds = {"decode": 12.0, "preprocess": 2.0, "compute": 6.0}
    table = stage_table(seconds, elapsed=8.0, videos=24, decoders=2).set_index("stage")
    assert table.index.tolist() == ["decode", "preprocess", "compute", "idle", "all"]
    assert table["busy"].tolist() == pytest.approx([0.75, 0.12, 0.75, 0.25, 1.0])
    assert table.loc["decode", "videos_per_s"] == pytest.approx(24 * 2 / 12)
    assert table.loc["compute", "videos_per_s"] == pytest.approx(4)
    assert table.loc["all", "videos_per_s"] == pytest.approx(3)
    assert pd.isna(table.loc["idle", "videos_per_s"])


def test_nothing_to_do_took_no_time() -> None:
    table = stage_table({"decode": 0.0, "preprocess": 0.0, "compute": 0.0}, 0.5, videos=0, decoders=2)
    assert table["busy"].tolist() == [0, 0, 0, 1, 1]
