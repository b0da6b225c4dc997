"""Rules that fetch data and weights, tested with a real server."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import TEST_NAMES, Run, tiny_config
from web_server import CONTENT, SHA, Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.mark.slow
@pytest.mark.thorough
def test_a_dataset_is_fetched_once_and_then_stays(server: Server, dataset: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", dataset, "test")
    server.files["/test.zip"] = Path(archive).read_bytes()
    entry = {
        "url": server.url("/test.zip"),
        "sha256": hashlib.sha256(server.files["/test.zip"]).hexdigest(),
        "unzip": {"test/": "data/videos"},
    }
    weights = {"url": server.url("/file"), "sha256": SHA, "to": "weights/net.pth"}
    # the training videos are local
    shutil.copytree(dataset, tmp_path, dirs_exist_ok=True)
    data = tiny_config()["data"] | {"test": {"videos": "data/videos"}}
    config = tiny_config(data=data, fetch={"test": entry, "weights": weights})
    run = Run(tmp_path, config)
    targets = ["results/manifest/test", "weights/net.pth"]
    assert run.executed(*targets) == {"fetch_test": 1, "fetch_weights": 1, "manifest": 1}
    assert (tmp_path / "weights/net.pth").read_bytes() == CONTENT
    manifests = [path.read_text() for path in sorted(tmp_path.glob("results/manifest/test/*.csv"))]
    assert sum(text.count("\n") - 1 for text in manifests) == len(TEST_NAMES)
    assert not list(tmp_path.glob("results/fetched/*"))

    # another mirror is not a change; another archive is
    run.configure(config | {"fetch": {"test": entry | {"url": server.url("/gone")}, "weights": weights}})
    assert run.planned(*targets) == {}
    config["fetch"]["test"] = entry | {"sha256": "0" * 64}
    run.configure(config)
    output = run.snakemake(*targets, fails=True)
    assert f"expected {'0' * 64}, so nothing was kept" in output
