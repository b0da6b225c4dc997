"""Recognition of remote files; tests/test_storage.py tests access to S3 itself."""

from pathlib import Path

import pytest

from liveness.runtime.errors import InputError
from liveness.storage.s3 import is_remote, local


@pytest.mark.parametrize("place", ["videos", "/abs/videos", "s3:/videos", "s3", "C:/videos", Path("a/b")])
def test_paths_are_local_and_used_unchanged(place: str | Path) -> None:
    assert not is_remote(place)
    with local(place) as path:
        assert path == Path(place)


def test_s3_is_remote() -> None:
    assert is_remote("s3://bucket/videos")


def test_other_services_are_refused() -> None:
    with pytest.raises(InputError, match=r"gs://bucket/videos: only local paths and s3:// addresses"):
        is_remote("gs://bucket/videos")
