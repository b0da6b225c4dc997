"""The Python interface scores videos with the engines of a finished run."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from liveness import scorer as module
from liveness.runtime.errors import InputError
from liveness.scorer import Scorer
from running import TEST_NAMES, Run


@pytest.mark.slow
def test_scores_are_those_of_the_submission(finished: Run) -> None:
    table = pd.read_csv(finished.folder / "results/submission.csv", dtype={"fname": str})
    expected = table.set_index("fname")["liveness_score"]
    with Scorer(finished.folder / "results/scorer.json", threads=2) as scorer:
        table = scorer.score_folder(finished.folder / "test")
        two = scorer.score([finished.folder / "test" / name for name in TEST_NAMES[:2]])
        nothing = scorer.score([])
    assert table["fname"].tolist() == expected.index.tolist()
    assert (table.set_index("fname")["liveness_score"] - expected).abs().max() < 0.005
    assert two["fname"].tolist() == [str(finished.folder / "test" / name) for name in TEST_NAMES[:2]]
    assert two["time"].gt(0).all()
    assert nothing.empty and nothing.columns.tolist() == table.columns.tolist()


@pytest.mark.slow
def test_a_broken_video_gets_the_fallback_and_every_video_one_row_in_the_order_asked_for(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for any number of videos in memory."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"broken")
    whole = [finished.folder / "test" / name for name in TEST_NAMES]
    asked = [whole[2], broken, whole[0], whole[2], whole[1]]
    tables = []
    with Scorer(finished.folder / "results/scorer.json", threads=1) as scorer:
        for chunk in (512, 1):
            monkeypatch.setattr(module, "CHUNK", chunk)
            tables.append(scorer.score(asked))
        only = scorer.score([broken])
    table = tables[0]
    assert table["fname"].tolist() == [str(path) for path in asked]
    assert (table["problem"] != "").tolist() == [False, True, False, False, False]
    assert table["liveness_score"][0] == table["liveness_score"][3]
    fallback = json.loads((finished.folder / "results/scorer.json").read_text())["fallback_score"]
    assert table["liveness_score"][1] == only["liveness_score"][0] == fallback
    pd.testing.assert_frame_equal(*(table.drop(columns="time") for table in tables))


@pytest.mark.slow
def test_a_bad_entry_spoils_only_itself(finished: Run, tmp_path: Path) -> None:
    good = finished.folder / "test" / TEST_NAMES[0]
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "garbage.mp4").write_bytes(bytes(range(256)) * 40)
    bad = [tmp_path / f"{name}.mp4" for name in ("missing", "pipe", "loop", "folder", "garbage")]
    odd = ["", "nul\0.mp4", "x" * 5000, os.fsdecode(b"caf\xe9.mp4"), "line\nend.mp4", "/dev/zero"]
    with Scorer(finished.folder / "results/scorer.json", threads=1) as scorer:
        alone = scorer.score([good])
        table = scorer.score([*bad, good, *odd])
    assert table["fname"].tolist()[: len(bad) + 1] == [str(path) for path in [*bad, good]]
    assert table["fname"].tolist()[len(bad) + 1 :] == [*odd[:3], "caf\\udce9.mp4", *odd[4:]]
    assert table.index[table["problem"] == ""].tolist() == [len(bad)]
    assert table["liveness_score"][len(bad)] == alone["liveness_score"][0]


@pytest.mark.slow
def test_an_engine_elsewhere_is_not_loaded(finished: Run, tmp_path: Path) -> None:
    config = json.loads((finished.folder / "results/scorer.json").read_text(encoding="utf-8"))
    config["engines"][0]["metadata"] = "../../elsewhere/0.json"
    path = tmp_path / "scorer.json"
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"names \.\./\.\./elsewhere/0\.json, .*outside"):
        Scorer(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"scorer\.json: no such file"),
        ("{", "not valid JSON"),
        ("[]", "expected exactly the keys"),
        ('{"engines": [], "viewz": []}', "expected exactly the keys"),
    ],
)
def test_a_configuration_that_is_not_ours_is_refused(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    path = tmp_path / "scorer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"{sentence}.*write_scorer_config"):
        Scorer(path)
