"""The sheet of misjudged videos: counts, order, highlights, safe text."""

import numpy as np
import pandas as pd

from liveness.report.error_sheets import error_sheet

GREY = np.full((8, 8, 3), 128, np.uint8)


def judged(rows: list[tuple[str, float, str]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["fname", "score", "verdict"]).set_index("fname")
    return table.assign(threshold=0.5, attack="print", group="p", fold=0)


def test_a_sheet_counts_highlights_and_escapes() -> None:
    videos = judged([("<b>.mp4", 0.9, "false accept"), ("c.mp4", 0.4, "correct"), ("d.mp4", 0.1, "correct")])
    pictures = {str(name): {"frame 0": GREY} for name in videos.index[:2]}
    sheet = error_sheet("Attacks", "false accept", videos["verdict"], videos.head(2), pictures)
    assert "1 of 3 were misclassified, worst first." in sheet
    assert "&lt;b&gt;.mp4" in sheet
    assert "<b>.mp4" not in sheet
    assert sheet.index("&lt;b&gt;.mp4") < sheet.index("c.mp4")
    assert sheet.count("false accept") == 1
    assert "d.mp4" not in sheet
    assert sheet.count("data:image/jpeg") == 2
