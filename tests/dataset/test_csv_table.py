"""Tables as spreadsheets and people save them."""

from pathlib import Path

import pandas as pd
import pytest

from liveness.dataset.csv_table import read_csv_text, write_csv
from liveness.dataset.labels import read_folds, read_names
from liveness.ensemble.blend import read_held_out
from liveness.runtime.errors import InputError
from liveness.scoring.timing import Finished, read_videos, video_table

EXPECTED = [["a b.mp4", "1", "Ann"], ["ü,;.mp4", "0", ""]]


@pytest.mark.parametrize(
    "content",
    [
        'fname,liveness_score,group\na b.mp4,1,Ann\n"ü,;.mp4",0,\n',
        'fname;liveness_score;group\na b.mp4;1;Ann\n"ü,;.mp4";0;\n',
        "fname\tliveness_score\tgroup\na b.mp4\t1\tAnn\nü,;.mp4\t0\t\n",
        'sep=;\r\nfname;liveness_score;group\r\na b.mp4;1;Ann\r\n"ü,;.mp4";0;\r\n',
        'FName, Liveness_Score, group\na b.mp4, 1, Ann\n"ü,;.mp4", 0, \n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_is_unambiguous_is_read(content: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode(encoding))
    table = read_csv_text(path, "data.train.labels")
    assert list(table) == ["fname", "liveness_score", "group"]
    assert table.to_numpy().tolist() == EXPECTED
    first = 3 if content.startswith("sep") else 2
    assert list(table.index) == [first, first + 1]


@pytest.mark.parametrize(
    "name", [" leading.mp4", "trailing .mp4 ", "tab\t.mp4", 'quote".mp4', "NA", "007", "a\nb"]
)
def test_every_name_survives(name: str, tmp_path: Path) -> None:
    quoted = name.replace('"', '""')
    (tmp_path / "table.csv").write_bytes(f'fname,liveness_score\n"{quoted}",1\n'.encode())
    assert read_csv_text(tmp_path / "table.csv", "key")["fname"].tolist() == [name]


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; data\.train.labels must name a CSV file"):
        read_csv_text(tmp_path, "data.train.labels")


ODD_NAMES = [
    "carriage\rreturn.mp4", "line\nfeed.mp4", "both\r\n.mp4", " spaces around ", 'quo"te.mp4', "it's.mp4",
    "com,ma.mp4", "semi;colon.mp4", "tab\t.mp4", "NA", "007", "#comment.mp4", "\\", "\u2028.mp4", "=1+1.mp4",
]  # fmt: skip


@pytest.mark.parametrize(
    "names", [ODD_NAMES, ["plain.mp4", *(name for name in ODD_NAMES if "\r" not in name)]]
)
def test_any_name_survives_the_tables_that_rules_write(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "table.csv"
    folds = pd.DataFrame(
        {"liveness_score": 1, "group": names, "fold": 0}, index=pd.Index(names, name="fname")
    )
    write_csv(folds, path, index=True)
    assert read_folds(path)["group"].to_dict() == {name: name for name in names}
    held_out = pd.DataFrame({"fold": 0, "score": 0.5, "threshold": 0.5}, index=folds.index)
    write_csv(held_out, path, index=True)
    assert read_held_out(path).index.tolist() == names
    write_csv(video_table(Finished(name, problem=name) for name in names), path)
    assert read_videos([path])["problem"].to_dict() == {name: name for name in names}
    write_csv(pd.DataFrame({"fname": names, "liveness_score": 0.5}), path)
    assert read_names(path) == names


def test_plain_tables_have_no_quotes(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"fname": ["a b.mp4"], "liveness_score": [0.5]}), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "fname,liveness_score\na b.mp4,0.5\n"
