"""Tables as spreadsheets and people save them."""

from pathlib import Path

import pytest

from liveness.dataset.csv_table import read_csv_text
from liveness.runtime.errors import InputError

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
