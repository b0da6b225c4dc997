"""What strangers may try with videos and names; docs/reliability.md lists tests of other doors."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from clips import numbered, write_clip
from liveness.video.decoder import VideoError, probe, read_frames
from running import TEST_NAMES, TRAIN_NAMES, Run, tiny_config

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
    'bandwidth="9"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>'
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
PLAYLISTS = {"concat": "ffconcat version 1.0\nfile '{}'\n", "HLS": HLS, "DASH": DASH, "SDP": SDP}
OTHERS = ["victim.ts", "sub/victim.ts", "{folder}/victim.ts", "file://{folder}/victim.ts", "/etc/passwd"]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("victim") / "victim.ts", numbered(2))


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".mpd", ".ts", ""])
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("other", OTHERS)
def test_a_playlist_does_not_show_another_file(
    victim: Path, tmp_path: Path, kind: str, other: str, suffix: str
) -> None:
    """Its author would get the score of a video that is not theirs."""
    (tmp_path / "sub").mkdir()
    for name in ("victim.ts", "sub/victim.ts"):
        shutil.copy(victim, tmp_path / name)
    path = tmp_path / f"mine{suffix}"
    path.write_text(PLAYLISTS[kind].format(other.format(folder=tmp_path)), encoding="utf-8")
    assert not probe(path).readable
    with pytest.raises(VideoError):
        read_frames(path, [0.0])


MARKUP = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)<!--",
    "&lt;b&gt;",
    '"><b onclick=alert(1)>',
    "a|b",
]
ACTIVE = re.compile(r"(?<!\\)<(img src=x|script>alert|b onclick)")


@pytest.mark.slow
@pytest.mark.faults
def test_names_with_markup_do_nothing_in_any_page(finished: Run, tmp_path: Path) -> None:
    """Names of videos, of people and of attack types reach every table and sheet."""
    for split, names in (("train", TRAIN_NAMES), ("test", TEST_NAMES)):
        (tmp_path / split).mkdir()
        for number, name in enumerate(names):
            source = finished.folder / split / name
            shutil.copy(source, tmp_path / split / f"{number}{MARKUP[number % 5]}{source.suffix or '.mp4'}")
    videos = sorted(path.name for path in (tmp_path / "train").iterdir())
    numbers = [int(re.match(r"\d+", name)[0]) for name in videos]  # type: ignore[index]
    labels = pd.DataFrame({"fname": videos, "liveness_score": [number % 2 for number in numbers]})
    labels["group"] = [f"{MARKUP[number // 2 % 5]}{number // 2}" for number in numbers]
    labels["attack"] = [MARKUP[number % 5] if number % 2 == 0 else "" for number in numbers]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    config = tiny_config(evaluation={"degradations": ["blur"]})
    weights = {fold: str(finished.results / f"weights/convnext/{fold}.safetensors") for fold in (0, 1)}
    config["models"] = {"convnext": config["models"]["convnext"] | {"weights": weights}}
    run = Run(tmp_path, config)
    run.snakemake("all", "report", "parity_report", "describe")
    pages = [path for suffix in ("html", "md", "svg") for path in run.results.rglob(f"*.{suffix}")]
    texts = {path: path.read_text(encoding="utf-8") for path in pages}
    assert len(pages) > 15
    assert sum("onerror=alert(1)" in text for text in texts.values()) > 4
    assert not [path for path, text in texts.items() if ACTIVE.search(text)]
