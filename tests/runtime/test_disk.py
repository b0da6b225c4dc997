"""Every writer of the project says in one sentence what the disk refused."""

import errno
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import openvino
import openvino.opset13
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.disk import DiskError, disk_error, free_space, readable_size, refusal, writing
from liveness.runtime.errors import InputError
from small_disks import small_disk, small_files

NOISE = np.random.default_rng(0).integers(0, 255, 600_000).astype(np.uint8)
SCHEMA = pa.schema([("image", pa.binary())])


def arrow(path: Path) -> None:
    with pa.ipc.new_file(path, SCHEMA) as writer:
        writer.write_batch(pa.record_batch([[NOISE.tobytes()]], schema=SCHEMA))


def parquet(path: Path) -> None:
    with pq.ParquetWriter(path, SCHEMA) as writer:
        writer.write_batch(pa.record_batch([[NOISE.tobytes()]], schema=SCHEMA))


def figure(path: Path) -> None:
    plt.imsave(path, NOISE.reshape(600, 1000))


def video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.options = 320, 320, "yuv420p", {"crf": "0"}
        for start in range(0, 200_000, 50_000):
            image = NOISE[start : start + 320 * 320 * 3].reshape(320, 320, 3)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.md": lambda path: path.write_text("x" * 600_000),
    "a.csv": lambda path: pd.DataFrame({"score": NOISE}).to_csv(path),
    "a.arrow": arrow,
    "a.parquet": parquet,
    "a.npz": lambda path: np.savez_compressed(path, frames=NOISE),
    "a.ckpt": lambda path: torch.save({"weight": torch.from_numpy(NOISE)}, path),
    "a.safetensors": lambda path: save_file({"weight": torch.from_numpy(NOISE)}, path),
    "a.png": figure,
    "a.mp4": video,
}


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "128k") as disk:
        yield disk


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_on_a_full_disk(full: Path, name: str) -> None:
    path = full / name
    with pytest.raises(DiskError) as caught, atomic_write(path, 600_000) as draft:
        WRITERS[name](draft)
    # some writers remove what they wrote
    left = r"(0\.1 MB were written, 0\.0 MB|0\.1 MB) are left"
    pattern = rf"cannot be written: the disk is full \(it needs 0\.6 MB, {left} in {full}\); free up space"
    assert re.search(rf"^{path} \([a-z A-Z]+\) {pattern}", str(caught.value))
    assert not [*full.iterdir()]


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_of_too_large_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with small_files(100_000), pytest.raises(DiskError) as caught, atomic_write(path) as draft:
        WRITERS[name](draft)
    start = r"\([a-z A-Z]+\) cannot be written: a file may have 0\.1 MB at most"
    figures = rf"\((0\.\d MB were written, )?[\d,.]+ [MG]B are left in {tmp_path}\)"
    assert re.search(rf"^{path} {start} {figures}; raise the limit \(ulimit -f\) and run", str(caught.value))
    assert not [*tmp_path.iterdir()]


def openvino_engine(folder: Path) -> None:
    """Write an engine whose weights are beside it; OpenVINO says no more than `iostream error`."""
    ops = openvino.opset13
    frames = ops.parameter([1, 300], np.float32)
    weights = ops.constant(np.ones((300, 500), np.float32) * np.arange(500, dtype=np.float32))
    model = openvino.Model([ops.matmul(frames, weights, False, False)], [frames])
    openvino.save_model(model, folder / "engine.xml", compress_to_fp16=False)


def test_an_engine_on_a_full_disk(full: Path) -> None:
    expected = r"engine cannot be written: the disk is full \(it needs 0\.6 MB"
    with pytest.raises(DiskError, match=expected), writing(full / "engine", draft=full, size=600_000):
        openvino_engine(full)


def test_an_engine_of_too_large_a_file(tmp_path: Path) -> None:
    small = pytest.raises(DiskError, match=r"a file may have 0\.1 MB at most \(it needs 0\.6 MB")
    with small_files(100_000), small, writing(tmp_path / "engine", draft=tmp_path, size=600_000):
        openvino_engine(tmp_path)


def insert(path: Path) -> None:
    with writing(path), closing(sqlite3.connect(f"{path.as_uri()}?nolock=1", uri=True)) as database:
        database.execute("create table probed (fname)")
        for start in range(0, 600_000, 60_000):
            database.execute("insert into probed values (?)", [NOISE[start : start + 60_000].tobytes()])
            database.commit()


def test_a_database_on_a_full_disk(full: Path) -> None:
    with pytest.raises(DiskError, match=r"probes\.sqlite \(properties of videos\) .* the disk is full"):
        insert(full / "probes.sqlite")


def test_a_database_of_too_large_a_file(tmp_path: Path) -> None:
    with small_files(100_000), pytest.raises(DiskError, match=r"probes\.sqlite .* a file may have 0\.1 MB"):
        insert(tmp_path / "probes.sqlite")


def test_a_device_that_is_always_full() -> None:
    expected = r"^/dev/full cannot be written: the disk is full \("
    with pytest.raises(DiskError, match=expected), writing("/dev/full"):
        Path("/dev/full").write_text("x", encoding="utf-8")


@pytest.mark.parametrize("code", [errno.EDQUOT, errno.ENOSPC])
def test_the_text_of_an_error_says_enough(tmp_path: Path, code: int) -> None:
    """Errors of libraries in Rust have no number."""
    problem = disk_error(
        RuntimeError(f"I/O error: {os.strerror(code)} (os error {code})"), tmp_path / "a.csv"
    )
    assert ("quota is used up" if code == errno.EDQUOT else "the disk is full") in str(problem)


def test_a_folder_that_nobody_may_write() -> None:
    """Nobody, root included, makes files of its own in /sys."""
    start = r"a\.csv \(a table\) cannot be written: /sys/kernel "
    expected = start + "(may not be written by this user|is read-only); make it writable, or choose another"
    with pytest.raises(DiskError, match=expected), atomic_write("/sys/kernel/new/a.csv") as path:
        path.touch()
    sentence = refusal("/sys/kernel/a.csv")
    assert sentence and re.search(expected, sentence)


def test_a_disk_that_is_read_only(full: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(full)], check=True)
    expected = rf"a\.csv \(a table\) cannot be written: {full} is read-only; make it"
    with pytest.raises(DiskError, match=expected), atomic_write(full / "a.csv") as path:
        path.touch()


@pytest.mark.parametrize("error", [ValueError("wrong"), FileNotFoundError(errno.ENOENT, "no", "x.mp4")])
def test_other_errors_stay(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, atomic_write(tmp_path / "a.csv"):
        raise error
    assert caught.value is error


def test_an_input_that_may_not_be_read_is_no_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic_write(tmp_path / "a.csv"):
        raise PermissionError(errno.EACCES, "Permission denied", "input.mp4")


def test_the_first_sentence_counts(tmp_path: Path) -> None:
    """Whoever tidies up on a full disk fails again."""
    with pytest.raises(DiskError, match=r"^/dev/full .*"), writing(tmp_path):
        try:
            with writing("/dev/full"):
                Path("/dev/full").write_text("x", encoding="utf-8")
        finally:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_sentences_of_users_errors_stay(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^row 17$") as caught, writing(tmp_path):
        raise InputError("row 17")
    assert not isinstance(caught.value, DiskError)


def test_a_folder_that_takes_files(tmp_path: Path) -> None:
    assert refusal(tmp_path / "new" / "a.csv") is None
    assert free_space(tmp_path / "new") > 0
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 MB"), (1_500_000, "1.5 MB"), (2.5e12, "2,500.0 GB")])
def test_sizes_for_people(size: float, text: str) -> None:
    assert readable_size(size) == text
