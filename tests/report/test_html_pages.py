"""HTML pages: self-contained tables and contact sheets."""

from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from liveness.report.html_pages import ROWS, Card, contact_sheet, page, paragraph, sortable_table
from liveness.video.jpeg import decode_jpeg


class Cells(HTMLParser):
    """Parse the rows of a table like a browser, with the class of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.classes: list[str | None] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")
        if self.inside:
            self.rows[-1].append("")
            self.classes.append(dict(attrs).get("class"))

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@example(names=["<b>&amp;</td>", "<!--"], column="&lt;")
@given(names=st.lists(printable, min_size=1, max_size=5), column=printable)
def test_any_text_reads_as_it_was_written(names: list[str], column: str) -> None:
    assert Cells(sortable_table(pd.DataFrame({column: names}))).rows == [
        [column],
        *([name] for name in names),
    ]


def test_numbers_have_four_decimals_at_most_and_are_aligned_right() -> None:
    frame = pd.DataFrame(
        {"fname": ["a", "b"], "score": [0.123456, 2.0], "frames": [3, 10], "eer": [np.nan, 0.5]}
    )
    cells = Cells(sortable_table(frame))
    assert cells.rows[1:] == [["a", "0.1235", "3", ""], ["b", "2", "10", "0.5"]]
    assert cells.classes == [None, "number", "number", "number"] * 3


def test_a_long_table_is_cut_and_says_where_the_rest_is() -> None:
    frame = pd.DataFrame({"fname": [*map(str, range(ROWS + 1))], "score": np.nan})
    text = sortable_table(frame, "scores.csv")
    assert "and 1 more: see scores.csv" in text
    assert len(Cells(text).rows) == 1 + ROWS
    assert "more" not in sortable_table(frame.head(ROWS))
    assert "There are none." in sortable_table(frame.head(0))


def test_a_sheet_holds_its_frames_itself() -> None:
    pictures = {caption: np.zeros((8, 6, 3), np.uint8) for caption in ("frame 0", "<b>")}
    text = page("Sheet", contact_sheet([Card('"a".mp4', "score 1", pictures, "false accept")]))
    assert text.count("data:image/jpeg;base64,") == 2
    assert "&quot;a&quot;.mp4" in text
    assert "<small>&lt;b&gt;</small>" in text
    assert "There are none." in contact_sheet([])


def test_a_sheet_shows_the_frames_that_it_got() -> None:
    ramp = np.tile(np.linspace(0, 255, 24, dtype=np.uint8)[:, None, None], (1, 16, 3))
    text = contact_sheet([Card("a.mp4", "score 1", {"frame 0": ramp})])
    data = text.partition("base64,")[2].partition('"')[0]
    assert np.abs(decode_jpeg(b64decode(data)).astype(int) - ramp).max() < 10


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = page("A & B", paragraph("1 < 2"), sortable_table(pd.DataFrame({"a": [1]})))
    assert "<title>A &amp; B</title>" in text and "<h2>A &amp; B</h2>" in text and "<p>1 &lt; 2</p>" in text
    assert all(part not in text for part in ("src=", "href=", "http:", "https:", "@import", "url("))
