"""Two thousand videos, one in a hundred broken: every one has its row, and memory stays bounded."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import pandas as pd
import psutil
import pytest
from damage import write_films
from kills import attend

from liveness.settings.limits import DEFAULT_LIMITS
from liveness.video.frame_store import FrameStore
from running import Run, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.faults]

VIDEOS = int(os.environ.get("SOAK", "2000"))
EVERY = 100
FRAMES = 3


class Memory:
    """The peak memory in MB that jobs and their worker processes have used."""

    def __init__(self) -> None:
        self.peak: Counter[str] = Counter()

    def look(self, _: str, job: psutil.Process) -> None:
        for kind, processes in (("job", [job]), ("worker", job.children(recursive=True))):
            for process in processes:
                with suppress(OSError, IndexError):
                    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
                    peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
                    self.peak[kind] = max(self.peak[kind], peak)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A folder of VIDEOS videos, most of them links to a few, and the names of the broken ones."""
    films = cycle(write_films(tmp_path_factory.mktemp("soak") / "films", 24))
    folder = tmp_path_factory.mktemp("crowd") / "videos"
    folder.mkdir()
    broken = set()
    for number, film in zip(range(VIDEOS), films, strict=False):
        path = folder / f"{number:04d}{film.suffix}"
        if number % EVERY:
            os.link(film, path)
        else:
            path = path.with_suffix(".mp4")
            spoil(path, number // EVERY, film)
            broken.add(path.name)
    return folder, broken


def spoil(path: Path, kind: int, film: Path) -> None:
    match kind % 6:
        case 0:
            path.touch()
        case 1:
            path.write_bytes(b"not a video")
        case 2:
            path.write_bytes(film.read_bytes()[:40])
        case 3:
            path.write_text(f"ffconcat version 1.0\nfile '{film.name}'\n", encoding="utf-8")
        case 4:
            path.write_bytes(b"\0\0\0\x18ftypmp42" + film.read_bytes()[::-1])
        case 5:
            path.write_bytes(bytes(100_000))


def test_none_is_lost_when_scored(
    finished: Run,
    crowd: tuple[Path, set[str]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    folder, broken = crowd
    run = finished.copy(tmp_path / "run")
    config = tiny_config()
    config["data"]["test"]["videos"] = str(folder)
    run.configure(config)
    memory = Memory()
    status, output = attend(run, "submission", look=memory.look)
    assert status == 0, output
    assert "Traceback" not in output
    names = {path.name for path in folder.iterdir()}
    rows = pd.read_csv(run.results / "submission.csv")
    assert len(rows) == VIDEOS and {*rows["fname"]} == names
    assert rows["liveness_score"].between(0, 1).all()
    reasons = pd.read_csv(run.results / "unreadable.csv").set_index("fname")["reason"]
    assert {*reasons.index} == broken
    assert reasons.str.len().gt(10).all()
    assert memory.peak["worker"] < DEFAULT_LIMITS.memory_mb
    record_property("videos scored", VIDEOS)
    record_property("rows lost", len(names - {*rows["fname"]}))
    record_property("peak memory of a worker in MB", memory.peak["worker"])


def test_none_is_lost_when_extracted(crowd: tuple[Path, set[str]], tmp_path: Path) -> None:
    folder, broken = crowd
    names = sorted(path.name for path in folder.iterdir())
    lines = [f"{name},{number % 2}" for number, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["fname,liveness_score", *lines]), encoding="utf-8")
    config = tiny_config(folds={"count": 2})
    config["data"] = {"train": {"videos": str(folder), "labels": "labels.csv"}}
    run = Run(tmp_path, config)
    memory = Memory()
    status, output = attend(run, "frames", look=memory.look)
    assert status == 0, output
    store = FrameStore(sorted(run.results.glob("frames/train/*.arrow")))
    assert {*store.unreadable} == broken
    assert Counter(store.fnames) == dict.fromkeys(set(names) - broken, FRAMES)
    assert memory.peak["worker"] < DEFAULT_LIMITS.memory_mb
