"""Manifests: discovery of videos under any name, their shards, and the cache of probes."""

import os
import shutil
import socket
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips import numbered, write_clip
from liveness.runtime.errors import InputError
from liveness.video import manifest
from liveness.video.decoder import probe
from liveness.video.manifest import DTYPES, build_manifest, list_videos, read_manifest, shard_of

file_names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", numbered(5))


@given(fname=file_names, shards=st.integers(1, 1000))
def test_shard_numbers_are_within_range(fname: str, shards: int) -> None:
    assert 0 <= shard_of(fname, shards) < shards


def test_shards_never_change() -> None:
    assert [shard_of(fname, 1000) for fname in ("0001.mp4", "größer/ü 1.mov", "")] == [215, 298, 876]


def test_both_encodings_of_an_accent_are_the_same_name() -> None:
    assert shard_of("caf\u00e9.mp4", 1000) == shard_of("cafe\u0301.mp4", 1000)


@given(prefix=file_names, shards=st.integers(2, 16))
def test_shards_are_about_equally_large(prefix: str, shards: int) -> None:
    """Sizes are binomial: about one draw in a million exceeds five standard deviations."""
    n = 400 * shards
    sizes = Counter(shard_of(f"{prefix}{k}.mp4", shards) for k in range(n))
    assert len(sizes) == shards
    assert max(abs(size - 400) for size in sizes.values()) < 5.5 * 400**0.5


def test_only_videos_are_listed_in_natural_order(tmp_path: Path, clip: Path) -> None:
    videos = [
        "2.mp4",
        "10.MP4",
        "a b.mov",
        'it\'s "quoted", really.webm',
        "line\nbreak.mkv",
        "sub/deeper/1.avi",
        "sub/größer.m4v",
        "видео.3gp",
        "empty.mp4",
        "no_extension",
        "strange.extension",
    ]
    others = [
        "label.csv",
        "notes.txt",
        "picture.jpg",
        "README.md",
        ".hidden.mp4",
        ".folder/1.mp4",
        "sound.m4a",
    ]
    for name in videos + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, tmp_path / name)
    for name in others[:4]:
        (tmp_path / name).write_text("no video,at all")
    (tmp_path / "sound.m4a").write_bytes(b"\0\0\0\x1cftypM4A \0\0\2\0")
    (tmp_path / "empty.mp4").write_bytes(b"")
    found = list_videos(tmp_path)
    assert sorted(found) == sorted(videos)
    assert found.index("2.mp4") < found.index("10.MP4")


def test_links_are_followed_but_not_in_circles(tmp_path: Path, clip: Path) -> None:
    folder, elsewhere = tmp_path / "videos", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    shutil.copy(clip, elsewhere / "far.mp4")
    (folder / "near.mp4").symlink_to(clip)
    (folder / "more").symlink_to(elsewhere)
    (folder / "circle").symlink_to(folder)
    (folder / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    assert list_videos(folder) == ["dangling.mp4", "more/far.mp4", "near.mp4"]


def test_odd_entries_are_unreadable_videos(tmp_path: Path, clip: Path) -> None:
    """Those named like videos have a row with a problem, others are no videos; none is awaited."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clip, folder / "good.mp4")
    for end in (".mp4", ""):
        (folder / f"dangling{end}").symlink_to(tmp_path / "gone")
        (folder / f"loop{end}").symlink_to(folder / f"loop{end}")
        (folder / f"long{end}").symlink_to("x" * 300)
        (folder / f"longer{end}").symlink_to("x/" * 2000)
        os.mkfifo(folder / f"pipe{end}")
        (folder / f"device{end}").symlink_to("/dev/zero")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / f"socket{end}"))
    names = ["dangling", "device", "good", "long", "longer", "loop", "pipe", "socket"]
    assert list_videos(folder) == [f"{name}.mp4" for name in names]
    build(folder)
    readable = {name: row["readable"] for name, row in read(folder).items()}
    assert readable == {f"{name}.mp4": name == "good" for name in names}
    assert all(row["readable"] or row["problem"] for row in read(folder).values())


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        list_videos(tmp_path / "nowhere")
    (tmp_path / "label.csv").write_text("fname,liveness_score\n")
    with pytest.raises(InputError, match="no video found"):
        list_videos(tmp_path)


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")).touch()
    with pytest.raises(InputError, match="not valid UTF-8"):
        list_videos(tmp_path)


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for k in range(6):
        shutil.copy(clip, folder / f"{k}.mp4")
    return folder


def build(folder: Path) -> list[bytes]:
    """Build three shards, with the cache beside the folder, and return their bytes."""
    paths = [folder.parent / f"{shard}.csv" for shard in range(3)]
    build_manifest(folder, paths, folder.parent / "cache.sqlite", workers=1)
    return [path.read_bytes() for path in paths]


def read(folder: Path) -> dict[str, dict]:
    rows = read_manifest([folder.parent / f"{shard}.csv" for shard in range(3)]).to_dict("records")
    return {row["fname"]: row for row in rows}


def test_each_video_has_one_row_in_its_shard_with_its_probe(folder: Path, clip: Path) -> None:
    (folder / "broken.mp4").write_bytes(b"broken")
    build(folder)
    rows = read(folder)
    assert set(rows) == {*(f"{k}.mp4" for k in range(6)), "broken.mp4"}
    assert rows["3.mp4"] == {
        "fname": "3.mp4",
        "size": clip.stat().st_size,
        "mtime_ns": (folder / "3.mp4").stat().st_mtime_ns,
        **asdict(probe(clip)),
    }
    assert not rows["broken.mp4"]["readable"]
    assert rows["broken.mp4"]["problem"]
    for shard in range(3):
        names = read_manifest([folder.parent / f"{shard}.csv"])["fname"]
        assert all(shard_of(name, 3) == shard for name in names)


def test_only_the_shard_of_a_changed_video_changes(folder: Path, tmp_path: Path) -> None:
    before = build(folder)
    assert build(folder) == before

    write_clip(tmp_path / "new.mp4", numbered(5), fps=5)
    stat = (folder / "2.mp4").stat()
    (tmp_path / "new.mp4").replace(folder / "2.mp4")
    os.utime(folder / "2.mp4", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    after = build(folder)
    assert [k for k in range(3) if before[k] != after[k]] == [shard_of("2.mp4", 3)]
    assert read(folder)["2.mp4"]["fps"] == 5

    (folder / "4.mp4").unlink()
    last = build(folder)
    assert [k for k in range(3) if after[k] != last[k]] == [shard_of("4.mp4", 3)]


def test_a_shard_without_videos_has_only_a_header(tmp_path: Path, folder: Path) -> None:
    paths = [tmp_path / f"{shard}.csv" for shard in range(50)]
    build_manifest(folder, paths, tmp_path / "cache.sqlite", workers=1)
    frames = [read_manifest([path]) for path in paths]
    empty = [path for path, frame in zip(paths, frames, strict=True) if frame.empty]
    assert len(empty) >= 44
    assert all(list(frame.columns) == list(DTYPES) for frame in frames)
    assert len(empty[0].read_text().splitlines()) == 1


def test_known_files_are_not_probed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only unreadable files are probed again."""
    (folder / "broken.mp4").write_bytes(b"broken")
    before = build(folder)
    probed: list[str] = []
    really = manifest.bounded_map

    def watch(function, items, *arguments, **options):  # type: ignore[no-untyped-def]
        items = list(items)
        probed.extend(Path(path).name for path in items)
        return really(function, items, *arguments, **options)

    monkeypatch.setattr(manifest, "bounded_map", watch)
    assert build(folder) == before
    assert probed == ["broken.mp4"]


def test_an_interrupted_run_resumes_where_it_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SECONDS_BETWEEN_SAVES", 0)
    probed: list[str] = []
    really = manifest.bounded_map

    def watch(function, items, *arguments, **options):  # type: ignore[no-untyped-def]
        for path, result in really(function, items, *arguments, **options):
            if len(probed) == 4:
                probed.append(path)
                raise KeyboardInterrupt
            probed.append(path)
            yield path, result

    monkeypatch.setattr(manifest, "bounded_map", watch)
    with pytest.raises(KeyboardInterrupt):
        build(folder)
    first = probed[:4]
    probed.append("")  # not interrupted again
    build(folder)
    assert sorted(first + probed[6:]) == sorted(map(str, folder.iterdir()))


values = st.tuples(
    st.floats(0, 1e6),
    st.floats(0, 1e3),
    st.integers(0, 10**5),
    st.integers(0, 10**5),
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from(["h264", ""]),
    st.booleans(),
    file_names,
)


@given(
    st.lists(
        st.tuples(
            st.tuples(
                file_names | st.sampled_from(["007", "NA", "1e5", "True", "nan", ""]),
                st.integers(0, 2**60),
                st.integers(0, 2**62),
            ),
            values,
        )
    )
)
def test_written_rows_are_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[tuple[str, int, int], tuple]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "shard.csv"
    manifest._write(path, [key + rest for key, rest in rows])
    frame = read_manifest([path])
    assert frame.dtypes.astype(str).to_dict() == DTYPES
    assert list(frame.itertuples(index=False, name=None)) == [key + rest for key, rest in rows]
