"""Mistakes in paths and tables that a plan finds."""

import unicodedata
from pathlib import Path

from liveness.planning.checks import missing_paths, named_paths, wrong_labels, wrong_names
from liveness.settings.folds import Folds

MODELS = {
    "a": {"pretrained": "package:weights", "weights": {0: "a0.pth"}},
    "b": {"pretrained": "b.safetensors", "weights": {}},
    "c": {"pretrained": True, "weights": {}},
}


def test_the_paths_that_a_configuration_names() -> None:
    data = {"train": {"videos": "train", "labels": "labels.csv"}, "test": {"videos": "test"}}
    assert dict(named_paths(data, MODELS)) == {
        "data.train.videos": "train",
        "data.train.labels": "labels.csv",
        "data.test.videos": "test",
        "models.a.weights.0": "a0.pth",
        "models.b.pretrained": "b.safetensors",
    }


def test_a_missing_path_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    named = [("one", str(tmp_path / "there")), ("two", str(tmp_path / "gone")), ("three", "gone.csv")]
    assert list(missing_paths(named)) == [
        f"two: {tmp_path}/gone: no such file or folder; correct the path.",
        f"three: gone.csv: no such file or folder; correct the path (from {Path.cwd()}).",
    ]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    named = [("data.test.videos", str(tmp_path / "file")), ("data.train.labels", str(tmp_path))]
    assert list(missing_paths(named)) == [
        f"data.test.videos: {tmp_path}/file: is a file; expected a folder of videos.",
        f"data.train.labels: {tmp_path}: is a folder; expected a file.",
    ]


def test_rows_without_a_video(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("fname,liveness_score\na.mp4,1\nb.mp4,0\n", encoding="utf-8")
    (tmp_path / "a.mp4").touch()
    (sentence,) = wrong_labels(str(labels), str(tmp_path), Folds(), [], most=2)
    assert "b.mp4 is not in data.train.videos" in sentence
    # of more rows, and of videos elsewhere, only the table is read
    assert not list(wrong_labels(str(labels), str(tmp_path), Folds(), [], most=1))
    assert not list(wrong_labels(str(labels), None, Folds(), [], most=2))
    labels.write_text("fname,liveness_score\na.mp4,2\n", encoding="utf-8")
    (sentence,) = wrong_labels(str(labels), None, Folds(), [], most=2)
    assert "liveness_score is '2'" in sentence


def test_names_of_another_unicode_form_and_names_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "ánh.mp4")).touch()
    (tmp_path / "dangling.mp4").symlink_to("nowhere")
    table = tmp_path / "table.csv"
    table.write_text("fname,liveness_score\nánh.mp4,1\ndangling.mp4,0\n", encoding="utf-8")
    assert not list(wrong_labels(str(table), str(tmp_path), Folds(count=2, groups="duplicates"), [], most=9))
    assert not list(wrong_names(str(table), str(tmp_path), 0.0, most=9))
    long = "x" * 300
    table.write_text(f"fname,liveness_score\nánh.mp4,1\n{long},0\n", encoding="utf-8")
    (sentence,) = wrong_labels(str(table), str(tmp_path), Folds(count=2), [], most=9)
    assert f"{long} is not in data.train.videos" in sentence
    (sentence,) = wrong_names(str(table), str(tmp_path), 0.0, most=9)
    assert "1 of 2 rows name no video" in sentence


def test_a_column_that_divides_the_rates_and_is_not_there(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("fname,liveness_score,device\na.mp4,1,x\nb.mp4,0,y\n", encoding="utf-8")
    assert not list(wrong_labels(str(labels), None, Folds(), ["device"], most=2))
    (sentence,) = wrong_labels(str(labels), None, Folds(), ["light"], most=2)
    assert sentence.startswith("evaluation.by names light, but the columns of")


def test_a_sample_submission_without_names(tmp_path: Path) -> None:
    table = tmp_path / "sample.csv"
    table.write_text("name\na.mp4\n", encoding="utf-8")
    (sentence,) = wrong_names(str(table), None, 0.1, most=9)
    assert "fname" in sentence
    table.write_text("fname\na.mp4\n", encoding="utf-8")
    assert not list(wrong_names(str(table), None, 0.1, most=9))


def test_a_sample_submission_of_other_videos(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    table = tmp_path / "sample.csv"
    table.write_text("fname\na\nb\n", encoding="utf-8")
    (sentence,) = wrong_names(str(table), str(tmp_path), 0.1, most=9)
    assert "2 of 2 rows name no video in data.test.videos" in sentence
    assert sentence.endswith("the first is a; did you mean a.mp4?")
    table.write_text("fname\na.mp4\nb.mp4\ngone.mp4\n", encoding="utf-8")
    assert len([*wrong_names(str(table), str(tmp_path), 0.1, most=9)]) == 1
    # some may be missing, and plans look at so many only
    assert not list(wrong_names(str(table), str(tmp_path), 0.5, most=9))
    assert not list(wrong_names(str(table), str(tmp_path), 0.1, most=2))
