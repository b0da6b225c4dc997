"""Reading of the labels file, and errors that name file and row."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from liveness.dataset.labels import (
    check_folds,
    check_videos_exist,
    divisions_of,
    other_columns,
    read_divisions,
    read_labels,
    read_names,
    with_attacks,
)
from liveness.runtime.errors import InputError
from liveness.settings.folds import Folds


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "label.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


Csv = Callable[[str | bytes], Path]


def test_labels_are_integers_and_the_rest_is_text(csv: Csv) -> None:
    labels = read_labels(csv("fname,liveness_score,note,group,attack\na.mp4,1,x,7,\nb.mp4, 0.0,y,,replay\n"))
    assert labels.to_dict("list") == {
        "fname": ["a.mp4", "b.mp4"],
        "liveness_score": [1, 0],
        "group": ["7", ""],
        "attack": ["", "replay"],
    }


@pytest.mark.parametrize(
    "name",
    ["007", "NA", "null", "1e3", "True", " padded.mp4", "a,b.mp4", 'say "hi".mp4', "Đặng/mặt.mp4", "😀.mp4"],
)
def test_names_survive(csv: Csv, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    path = csv(f"fname,liveness_score,group\n{quoted},1,{quoted}\nother.mp4,0,NA\n")
    labels = read_labels(path)
    assert labels["fname"].tolist() == [name, "other.mp4"]
    assert labels["group"].tolist() == [name, "NA"]
    assert read_names(path) == [name, "other.mp4"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbffname,liveness_score\na,1\nb,0\n",
        b"fname,liveness_score\r\na,1\r\nb,0\r\n",
        b"fname,liveness_score\na,1\nb,0",
        b"\"fname\",'x',liveness_score\na,,1\nb,,0\n",
        b"fname,liveness_score\na,1\n\nb,0\n\n\n",
        b"fname,liveness_score\na,1\nb,0\na,1\n",
    ],
    ids=["byte order mark", "Windows lines", "no last newline", "quotes", "blank lines", "the same twice"],
)
def test_spellings_of_one_table(csv: Csv, content: bytes) -> None:
    assert read_labels(csv(content)).to_dict("list") == {"fname": ["a", "b"], "liveness_score": [1, 0]}


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (
            "fname,liveness_score\na,1\nb,2\n",
            ", row 3: ",
            "liveness_score is '2'; expected 0 (spoof) or 1 (live)",
        ),
        ("fname,liveness_score\na,1\n\nb,0.5\n", ", row 4: ", "liveness_score is '0.5'"),
        ("fname,liveness_score\na,1\nb\n", ", row 3: ", "liveness_score is ''"),
        ("fname,liveness_score\na,1\n,0\n", ", row 3: ", "fname is empty"),
        ("fname,liveness_score\na,1\nb,0\n\na,0\n", ", row 5: ", "a is listed again with other values"),
        ("fname,liveness_score,group\na,1,x\nb,0,\na,1,y\n", ", row 4: ", "a is listed again"),
        ("fname,label\na,1\n", ", row 1: ", "the header is fname,label and lacks liveness_score"),
        ("a.mp4,1\nb.mp4,0\n", ", row 1: ", "the header is a.mp4,1 and lacks fname, liveness_score"),
        ("fname|liveness_score\na|1\n", ", row 1: ", "expected fname,liveness_score"),
        ("fname,liveness_score\na,1\nb,0,x\n", ": ", "line 3"),
        ("fname,liveness_score\na,1,x\nb,0,y\n", ": ", "not a readable CSV file"),
        ('fname,liveness_score\n"a,1\nb,0\n', ": ", "not a readable CSV file"),
        ("fname,liveness_score\n", ": ", "has no rows"),
        ("", ": ", "not a readable CSV file"),
        ("fname,liveness_score\ná,1\n".encode("latin-1"), ": ", "byte 22 (b'\\xe1') is not utf-8; save"),
        (b"PK\x03\x04...", ": ", "is a spreadsheet, whatever its name; save it as CSV"),
        ("fname,liveness_score,Fname\na,1,b\n", ", row 1: ", "the column fname is given twice"),
        ("fname,liveness_score,liveness_score\na,1,0\n", ", row 1: ", "liveness_score is given twice"),
        ("fname,liveness_score\na,1\n../b,0\n", ", row 3: ", "../b is not below the folder of videos"),
        ("fname,liveness_score\n/data/a,1\n", ", row 2: ", "/data/a is not below the folder of videos"),
        ("fname,liveness_score\n.,1\n", ", row 2: ", ". is not below the folder of videos"),
        ("fname,liveness_score\na,1\n./a,0\n", ", row 3: ", "a is listed again with other values"),
        ("fname,liveness_score\na,1\nb,1\n", ": ", "every video is live; expected both classes"),
        ("fname,liveness_score\na,0\n", ": ", "every video is spoof"),
    ],
)
def test_errors_name_the_row(csv: Csv, content: str | bytes, where: str, what: str) -> None:
    path = csv(content)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}{where}")
    assert what in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["b,2", "c,x"], "row 3: liveness_score is '2'; row 4: liveness_score is 'x'; expected 0"),
        ([f"{n},{n}" for n in range(2, 9)], "row 7: liveness_score is '6'; and 2 more; expected 0"),
        (["../b,0", "/c,0"], "row 3: ../b is not below the folder of videos; row 4: /c is not below"),
        ([",0", ",0"], "row 3: fname is empty; row 4: fname is empty; expected the name"),
        (["a,0", "b,1", "b,0"], "row 3: a is listed again with other values; row 5: b is listed again"),
    ],
)
def test_several_wrong_rows_are_told_at_once(csv: Csv, rows: list[str], told: str) -> None:
    path = csv("\n".join(["fname,liveness_score", "a,1", *rows]))
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}, row 3: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["", "nowhere.csv"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"no such file; data\.train\.labels must name a CSV file"):
        read_labels(tmp_path / name)
    with pytest.raises(InputError, match=r"data\.test\.sample_submission"):
        read_names(tmp_path / name)


def test_the_rows_of_a_submission_keep_their_order(csv: Csv) -> None:
    assert read_names(csv("liveness_score,fname\n0.5,10.mp4\n0.5,2.mp4\n\n")) == ["10.mp4", "2.mp4"]


def test_duplicate_rows_of_a_submission_are_refused(csv: Csv) -> None:
    path = csv("fname\na\n\nb\na\n")
    with pytest.raises(InputError) as caught:
        read_names(path)
    assert str(caught.value) == f"{path}, row 5: a is listed twice; expected one row per video."


def test_a_person_or_attack_is_one_in_every_unicode_form(csv: Csv) -> None:
    composed, apart = (unicodedata.normalize(form, "Ánh") for form in ("NFC", "NFD"))
    labels = read_labels(csv(f"fname,liveness_score,group,attack\na,1,{composed},\nb,0,{apart},{apart}\n"))
    assert set(labels["group"]) == {composed} == set(labels["attack"]) - {""}


def test_attack_types_join_by_name_in_every_unicode_form(csv: Csv) -> None:
    composed, apart = (unicodedata.normalize(form, "á.mp4") for form in ("NFC", "NFD"))
    path = csv(f"fname,liveness_score,attack\n{composed},0,print\nb.mp4,1,\n")
    folds = pd.DataFrame({"fold": [0, 1]}, index=pd.Index([apart, "b.mp4"], name="fname"))
    assert with_attacks(folds, path)["attack"].to_dict() == {apart: "print", "b.mp4": ""}


def test_labels_of_missing_videos_are_refused() -> None:
    check_videos_exist(["a.mp4"], ["a.mp4", "unlabelled.mp4"], "label.csv")
    with pytest.raises(InputError, match=r"^label\.csv: b\.mp4, c\.mp4 are not in data\.train\.videos; "):
        check_videos_exist(["c.mp4", "a.mp4", "b.mp4"], ["a.mp4"], "label.csv")
    with pytest.raises(InputError, match="0, 1, 2, 3, 4 and 2 more are not in"):
        check_videos_exist(map(str, range(7)), [], "label.csv")


def test_columns_that_nothing_reads_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\ufefffname,camera,liveness_score,group,note\na,x,1,p,\nb,y,0,q,\n", encoding="utf-8")
    assert other_columns(path) == ["camera", "note"]
    assert list(read_labels(path)) == ["fname", "liveness_score", "group"]
    assert list(read_labels(path, ["note", "nowhere"])) == ["fname", "liveness_score", "group", "note"]


def test_columns_that_divide_the_rates(csv: Csv) -> None:
    path = csv("fname,liveness_score,source,Device\na,1,x,phone\nb,0,y,\n")
    folds = pd.DataFrame({"fold": [0, 1]}, index=["b", "a"])
    assert divisions_of(folds, path, []).to_dict("list") == {"source": ["y", "x"]}
    found = divisions_of(folds, path, ["DEVICE ", "source"])
    assert found.to_dict() == {"source": {"a": "x", "b": "y"}, "device": {"a": "phone", "b": ""}}
    assert divisions_of(folds, csv("fname,liveness_score\na,1\nb,0\n"), []).shape == (2, 0)


@pytest.mark.parametrize("name", ["devise", "fname", "liveness_score"])
def test_columns_that_are_not_there_divide_nothing(csv: Csv, name: str) -> None:
    path = csv("fname,liveness_score,source,device\na,1,x,phone\nb,0,y,\n")
    with pytest.raises(InputError) as caught:
        read_divisions(path, ["device", name])
    assert str(caught.value) == (
        f"evaluation.by names {name}, but the columns of {path} that could divide the rates are source, "
        "device; correct the name, or add the column."
    )


def table(groups: str, labels: str, attacks: str = "", sources: str = "") -> pd.DataFrame:
    """Labels of one video per letter and digit."""
    columns = {"fname": list(map(str, range(len(labels)))), "liveness_score": list(map(int, labels))}
    columns |= {"group": list(groups)} if groups else {}
    for name, values in (("attack", attacks), ("source", sources)):
        columns |= {name: ["" if value == "-" else value for value in values]} if values else {}
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("labels", "folds", "problem"),
    [
        (table("aabb", "1010"), Folds(2), ""),
        (table("aabb", "1100"), Folds(2), "the live videos show 1 group of people"),
        (table("abcc", "1100"), Folds(2), "the spoof videos show 1 group of people"),
        (
            table("aabb", "1010"),
            Folds(3),
            r"show 2 groups of people \(column group of the labels\), fewer than .*3",
        ),
        # groups may come from elsewhere
        (table("aabb", "1100"), Folds(2, groups="duplicates"), ""),
        (table("", "10"), Folds(5), ""),
        (table("abab", "1010", "----"), Folds(2, by="attack"), "1 is a spoof without a type"),
        (table("abab", "1010"), Folds(2, by="attack"), "1 is a spoof without a type"),
        (table("abba", "1010", "-p-p"), Folds(2, by="attack"), "name 1 types of attacks, fewer than"),
        (table("abba", "1010", "-p-s"), Folds(2, by="attack"), ""),
        (table("abcd", "1010"), Folds(2, by="source"), "0 has no source in the column source"),
        (table("abcd", "1010", sources="xx-y"), Folds(2, by="source"), "2 has no source in the column"),
        (table("abcd", "1010", sources="xxyy"), Folds(3, by="source"), "only 2 sources .* have live videos"),
        (table("abcd", "1011", sources="xxyy"), Folds(2, by="source"), "only 1 source .* has spoof videos"),
        # x and y share the person a
        (table("abac", "1010", sources="xxyy"), Folds(2, by="source"), "only 1 source .* has live videos"),
        (table("abac", "1010", sources="xxyy"), Folds(2, by="source", groups="duplicates"), ""),
        (table("abcd", "1010", sources="xxyy"), Folds(2, by="source"), ""),
    ],
)
def test_folds_that_cannot_be_made_are_refused_early(
    labels: pd.DataFrame, folds: Folds, problem: str
) -> None:
    if not problem:
        check_folds(labels, folds)
        return
    with pytest.raises(InputError, match=problem):
        check_folds(labels, folds)
