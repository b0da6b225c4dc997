"""Self-contained HTML pages for the report: sortable tables and contact sheets of frames."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from liveness.video.jpeg import encode_jpeg

# maximum number of rows per page; the CSV file that the page names has all
ROWS = 2000

STYLE = """
body {font: 14px "DejaVu Sans", Verdana, sans-serif; color: #000; background: #fff; margin: 1.5em}
table {border-collapse: collapse; font-variant-numeric: tabular-nums}
th, td {padding: .3em .8em; border-bottom: 1px solid #d9d9d9; text-align: left; vertical-align: top}
th {position: sticky; top: 0; background: #fff; border-bottom: 2px solid #000; cursor: pointer}
th, td:first-child {white-space: nowrap}
th[aria-sort=ascending]::after {content: " \\25b2"} th[aria-sort=descending]::after {content: " \\25bc"}
th:focus-visible {outline: 2px solid #0072B2} .number {text-align: right} h2, figure {margin: 1.2em 0 .4em}
img {display: block; height: 180px} figcaption b {color: #b04a00}
figure span {display: inline-block; margin: 0 6px 4px 0; vertical-align: top} small {color: #595959}
"""
# Clicking a column header sorts by it: numbers by value, text in natural order, empty cells last.
SCRIPT = """
const compare = new Intl.Collator(undefined, {numeric: true}).compare;
function sort(head) {
  const down = head.ariaSort === "ascending", body = head.closest("table").tBodies[0];
  for (const other of head.parentNode.cells) other.ariaSort = null;
  head.ariaSort = down ? "descending" : "ascending";
  const text = row => row.cells[head.cellIndex].textContent;
  const order = (a, b) => head.className === "number" ? parseFloat(a) - parseFloat(b) : compare(a, b);
  body.append(...[...body.rows].sort((a, b) => {
    const [x, y] = [text(a), text(b)];
    return !x || !y ? !x - !y : down ? order(y, x) : order(x, y);
  }));
}
for (const head of document.querySelectorAll("th")) {
  head.tabIndex = 0;
  head.onclick = () => sort(head);
  head.onkeydown = event => { if (event.key === "Enter") sort(head); };
}
"""


@dataclass(frozen=True)
class Card:
    """Pictures of a video, uint8 RGB [H, W, 3] by caption, with text and a highlighted verdict."""

    title: str
    text: str
    pictures: Mapping[str, np.ndarray]
    verdict: str = ""


def page(title: str, *parts: str) -> str:
    """Return a complete page made of HTML parts, with sortable tables."""
    body = "\n".join([f"<h2>{escape(title)}</h2>", *parts])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}<script>{SCRIPT}</script></body></html>\n"
    )


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def sortable_table(frame: pd.DataFrame, file: str = "") -> str:
    """Return a table as HTML, at most ROWS rows; `file` names the file that has all.

    Numbers have at most four decimals; missing values are empty cells. An empty table becomes a
    sentence.
    """
    if frame.empty:
        return paragraph("There are none.")
    classes = [' class="number"' if dtype.kind in "iuf" else "" for dtype in frame.dtypes]

    def row(values: Iterable[object], cell: str) -> str:
        cells = zip(values, classes, strict=True)
        return (
            f"<tr>{''.join(f'<{cell}{kind}>{escape(_text(value))}</{cell}>' for value, kind in cells)}</tr>"
        )

    rows = "\n".join(row(values, "td") for values in frame.head(ROWS).itertuples(index=False))
    table = f"<table><thead>{row(frame.columns, 'th')}</thead><tbody>{rows}</tbody></table>"
    if len(frame) > ROWS:
        table += paragraph(f"and {len(frame) - ROWS} more: see {file}")
    return table


def contact_sheet(cards: Iterable[Card]) -> str:
    """Return a row of pictures per card, or a sentence if there are no cards."""
    rows = [
        f"<figure>{''.join(_picture(image, caption) for caption, image in card.pictures.items())}"
        f"<figcaption><b>{escape(card.verdict)}</b> {escape(card.title)}: {escape(card.text)}"
        "</figcaption></figure>"
        for card in cards
    ]
    return "\n".join(rows) or paragraph("There are none.")


def _picture(image: np.ndarray, caption: str) -> str:
    data = b64encode(encode_jpeg(image, 80)).decode()
    text = escape(caption)
    return f'<span><img alt="{text}" src="data:image/jpeg;base64,{data}"><small>{text}</small></span>'


def _text(value: object) -> str:
    if value is None or value != value:  # nan
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
