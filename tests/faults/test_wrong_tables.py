"""More than a hundred wrong tables, each told in one sentence while the plan is made.

`tests/dataset/test_labels.py` and `test_csv_table.py` have the rest, and what is read after all.
"""

import re
from pathlib import Path

import pytest

from liveness.planning.checks import wrong_labels, wrong_names
from liveness.settings.folds import Folds

H, G, A = "fname,liveness_score\n", "fname,liveness_score,group\n", "fname,liveness_score,attack\n"

# the sentence without the path, with … for numbers, and what is wrong in that way
WRONG_LABELS: dict[str, list[str | bytes]] = {
    ", row 1: the header is {first} and lacks liveness_score; expected fname,liveness_score.": [
        "fname\na\n", "fname,label\na,1\nb,0\n", "fname,score\na,1\n", "fname,liveness-score\na,1\n",
        "fname,livenessscore\na,1\n", "fname,liveness score\na,1\n", "fname,liveness\na,1\n",
    ],
    ", row 1: the header is {first} and lacks fname; expected fname,liveness_score.": [
        "liveness_score\n1\n", "filename,liveness_score\na,1\nb,0\n", "f_name,liveness_score\na,1\n",
    ],
    ", row 1: the header is {first} and lacks fname, liveness_score; expected fname,liveness_score.": [
        "a,1\nb,0\n", "0,1\na,1\n", "file,class\na,live\n", "fname liveness_score\na 1\n",
        "fname|liveness_score\na|1\n", "fname:liveness_score\na:1\n", "<html><body>404</body></html>",
        "<?xml version='1.0'?>\n<a/>\n", "---\n- fname: a\n  liveness_score: 1\n", "{\\rtf1 fname}\n",
    ],
    ", row 1: the header is  and lacks fname, liveness_score; expected fname,liveness_score.": [
        " ", ",\na,1\n", ",,\n,,\n",
    ],
    ", row 1: the column fname is given twice; keep one of them.": [
        "fname,liveness_score,fname\na,1,b\n", "Fname,liveness_score,FNAME\na,1,b\n",
    ],
    ", row 1: the column group is given twice; keep one of them.": [
        "fname,liveness_score,group,group\na,1,x,y\n", "fname,liveness_score,Group ,group\na,1,x,y\n",
    ],
    ": has no rows; expected one row per video.": [H, f"{H}\n\n", f"{H},\n", f"{G},,\n,,\n"],
    ": not a readable CSV file (No columns to parse from file); the header is ''.": [
        "", "\n", "\ufeff", "sep=,\n", "\nfname,liveness_score\na,1\nb,0\n",
    ],
    ": not a readable CSV file (Error tokenizing data. C error: Expected … fields in line …, "
    "saw …); the header is '{first}'.": [
        f"{H}a,1,x\nb,0,y\n", f"{H}a,1\nb,0,x\n", f"{H}a,1\nb,c,0\n", f"{G}a,1,x,\nb,0,y,\n",
        "# labels\nfname,liveness_score\na,1\n",
    ],
    ": not a readable CSV file (Error tokenizing data. C error: EOF inside string starting at row …); "
    "the header is '{first}'.": [f'{H}"a,1\nb,0\n', f'{H}a,1\n"b,0\n'],
    ": every video is live; expected both classes.": [f"{H}a,1\nb,1\n", f"{H}a,1\n", f"sep=;\n{H}a,1\n"],
    ": every video is spoof; expected both classes.": [f"{H}a,0\nb,0.0\n", f"{H}a,0\n"],
    ", row 3: fname is empty; expected the name of a video.": [f"{H}a,1\n,0\n", f'{H}a,1\n"",0\n'],
    ", row 3: a is listed again with other values; keep one row.": [
        f"{H}a,1\na,0\n", f"{H}a,1\n./a,0\n", f"{H}a,1\nx/../a,0\n", f"{H}a,1\n.//a,0\n",
        f"{G}a,1,x\na,1,y\n", f"{A}a,0,print\na,0,replay\n", f"{G}a,1,\na,1,y\n",
    ],
    ": is a spreadsheet, whatever its name; save it as CSV (UTF-8).": [
        "PK\x03\x04xl/workbook.xml", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ],
    ": has zero bytes, as other encodings and kinds of files have; save it as CSV (UTF-8).": [
        f"{H}a,1\nb,0\n".encode("utf-16-le"), f"{H}a,1\nb,0\n".encode("utf-16-be"),
        f"{H}a,1\nb,0\n".encode("utf-32"), f"{H}a,1\nb,0\n\0\n", b"PAR1\0\0\0\0", b"Obj\x01\x04\0",
    ],
    ": byte … is not utf-8; save the file as CSV (UTF-8).": [
        f"{H}á,1\nb,0\n".encode("latin-1"), f"{H}a,1\nb€,0\n".encode("cp1252"), b"\x1f\x8b\x08\x01abc",
        f"{H}видео,1\n".encode("cp1251"), f"{H}動画,1\n".encode("shift-jis"), b"\x89PNG\r\n", b"%PDF\n%\xe2",
    ],
}  # fmt: skip

SCORES = [
    "live", "True", "-1", "2", "0.9", "", "nan", "NA", "O", "1e0", "01", "0x0", "0;", "0,5", "\uff11", "+1",
    "yes", "0 (print)", "1.00", "inf", "None", "0.", "l", "1|0", "TRUE",
]  # fmt: skip
OUTSIDE = ["../b", "x/../../b", "/b", ".", "..", "x/..", "//b", "./", "../train/a", "x/../.."]
NOT_THERE = ["c", "B", "b ", " b", "b.mp4", "c\\b", "train/b", "b.avi", "*", "b?", "~/b", "%62", "x"]
FOLDS: list[tuple[str, str, Folds]] = [
    ("the live videos show 1 group of people", f"{G}a,1,p\nb,0,p\n", Folds(2)),
    ("the live videos show 1 group of people", f"{G}a,1,p\nb,0,q\nc,1,p\nd,0,r\n", Folds(2)),
    ("the spoof videos show 1 group of people", f"{G}a,1,p\nb,0,q\nc,1,r\nd,0,q\n", Folds(2)),
    ("the live videos show 2 groups of people", f"{G}a,1,p\nb,0,q\nc,1,r\nd,0,\n", Folds(3)),
    ("folds.by is attack, but b is a spoof without a type", f"{A}a,1,\nb,0,\n", Folds(2, by="attack")),
    ("folds.by is attack, but b is a spoof without a type", f"{H}a,1\nb,0\n", Folds(2, by="attack")),
    ("the labels name 1 types of attacks", f"{A}a,1,\nb,0,print\nc,0,print\n", Folds(2, by="attack")),
    ("the labels name 2 types of attacks", f"{A}a,1,\nb,0,print\nc,0,mask\n", Folds(3, by="attack")),
]

WRONG_ROWS: list[tuple[str, str | bytes]] = [
    (", row 1: the header is name and lacks fname; expected fname.", "name\na\n"),
    (
        ", row 1: the header is id,liveness_score and lacks fname; expected fname.",
        "id,liveness_score\n1,0.5\n",
    ),
    (": has no rows; expected one row per video.", "fname\n"),
    (", row 3: a is listed twice; expected one row per video.", "fname\na\na\n"),
    (", row 3: a is listed twice; expected one row per video.", "fname\na\nx/../a\n"),
    (", row 2: ../a is not below the folder of videos; ", "fname\n../a\n"),
    (", row 2: fname is empty; expected the name of a video.", "fname,liveness_score\n,0.5\n"),
    (": 1 of 1 rows name no video in data.test.videos, ", "fname\nA\n"),
    ("the first is sample; did you mean sample.mp4?", "fname\nsample\n"),
    (": is a spreadsheet, whatever its name; ", "PK\x03\x04"),
    (": byte 3 (b'\\x00') is not utf-16; ", b"\xff\xfe\x00"),
]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "train"
    (folder / "x").mkdir(parents=True)
    for name in ("a", "b", "sample.mp4"):
        (folder / name).touch()
    return folder


def told(videos: Path, content: str | bytes, folds: Folds | None = None) -> str:
    """Return the one sentence about labels, without the path."""
    table = write(videos, content)
    where = None if folds else str(videos)
    (sentence,) = wrong_labels(str(table), where, folds or Folds(), [], most=99)
    assert "\n" not in sentence and "\0" not in sentence
    return sentence.removeprefix(str(table))


def write(videos: Path, content: str | bytes) -> Path:
    table = videos.parent / "table.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    return table


@pytest.mark.parametrize(
    ("pattern", "content"), [(key, one) for key, contents in WRONG_LABELS.items() for one in contents]
)
def test_wrong_labels(videos: Path, pattern: str, content: str | bytes) -> None:
    sentence = told(videos, content)
    first = content.splitlines()[0] if isinstance(content, str) and content else ""
    parts = pattern.replace("{first}", first.strip()).split("…")
    assert re.fullmatch(".{1,12}".join(map(re.escape, parts)), sentence)


@pytest.mark.parametrize("score", SCORES)
def test_wrong_scores(videos: Path, score: str) -> None:
    expected = f", row 3: liveness_score is '{score}'; expected 0 (spoof) or 1 (live)."
    assert told(videos, f'{H}a,1\nb,"{score}"\n') == expected


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_outside_the_folder(videos: Path, name: str) -> None:
    expected = f", row 3: {name} is not below the folder of videos; expected a name relative to it."
    assert told(videos, f"{H}a,1\n{name},0\n") == expected


@pytest.mark.parametrize("name", NOT_THERE)
def test_names_of_no_video(videos: Path, name: str) -> None:
    assert told(videos, f"{H}a,1\n{name},0\n").startswith(f": {name} is not in data.train.videos; remove ")


@pytest.mark.parametrize(("start", "content", "folds"), FOLDS)
def test_labels_that_give_no_folds(videos: Path, start: str, content: str, folds: Folds) -> None:
    assert start in told(videos, content, folds)


@pytest.mark.parametrize(("part", "content"), WRONG_ROWS)
def test_wrong_rows_of_a_submission(videos: Path, part: str, content: str | bytes) -> None:
    (sentence,) = wrong_names(str(write(videos, content)), str(videos), 0.1, most=99)
    assert part in sentence and "\n" not in sentence


def test_there_are_a_hundred() -> None:
    labels = sum(map(len, WRONG_LABELS.values()))
    assert labels + len(SCORES) + len(OUTSIDE) + len(NOT_THERE) + len(FOLDS) + len(WRONG_ROWS) >= 100
