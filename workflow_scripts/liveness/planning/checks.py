"""Mistakes in paths and tables that a plan can find, which late jobs would find otherwise."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from liveness.runtime.errors import InputError

Data = Mapping[str, Mapping[str, str]]


def named_paths(data: Data, models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the key and the path of every file and folder that a complete configuration names.

    `data` has the paths of each split below the data root.
    """
    for split, paths in sorted(data.items()):
        for key, path in paths.items():
            yield f"data.{split}.{key}", path
    for name, model in models.items():
        source = model["pretrained"]
        if isinstance(source, str) and not source.startswith("package:"):
            yield f"models.{name}.pretrained", source
        for fold, path in model["weights"].items():
            yield f"models.{name}.weights.{fold}", path


def missing_paths(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a sentence per path of this machine that does not exist.

    Snakemake would take what an earlier run made of another path for finished.
    """
    for key, path in named:
        if not Path(path).exists():
            yield f"{key}: {path}: no such file or folder; correct the path (from {Path.cwd()})."


def wrong_labels(labels: str, videos: str | None, most: int) -> Iterator[str]:
    """Yield what is wrong with a labels file.

    With `videos`, a folder of this machine, this includes rows without a video, unless there are
    more than `most` rows.
    """
    # here, since every job parses the rules, and pandas takes half a second
    from liveness.dataset.labels import check_videos_exist, read_labels

    try:
        names = read_labels(labels)["fname"]
        if videos is not None and len(names) <= most:
            present = [name for name in names if Path(videos, name).exists()]
            check_videos_exist(names, present, labels)
    except InputError as error:
        yield str(error)


def wrong_names(sample_submission: str) -> Iterator[str]:
    """Yield what is wrong with a sample submission."""
    from liveness.dataset.labels import read_names

    try:
        read_names(sample_submission)
    except InputError as error:
        yield str(error)
