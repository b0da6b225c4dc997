"""Mistakes in paths and tables that a plan can find, which late jobs would find otherwise."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from liveness.runtime.errors import InputError
from liveness.settings.folds import Folds
from liveness.storage.file_listing import files_below

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
    """Yield a sentence per path of this machine that does not exist, or is of the wrong kind.

    Snakemake would take what an earlier run made of another path for finished.
    """
    for key, path in named:
        folder = key.endswith(".videos")
        if not Path(path).exists():
            start = "" if Path(path).is_absolute() else f" (from {Path.cwd()})"
            yield f"{key}: {path}: no such file or folder; correct the path{start}."
        elif Path(path).is_dir() != folder:
            found, expected = ("a file", "a folder of videos") if folder else ("a folder", "a file")
            yield f"{key}: {path}: is {found}; expected {expected}."


def wrong_labels(
    labels: str, videos: str | None, folds: Folds, by: Sequence[str], most: int
) -> Iterator[str]:
    """Yield what is wrong with a labels file, for these folds and columns of `evaluation.by`.

    With `videos`, a folder of this machine, this includes rows without a video, unless there are
    more than `most` rows.
    """
    # here, since every job parses the rules, and pandas takes half a second
    from liveness.dataset.labels import check_folds, check_videos_exist, read_divisions, read_labels

    try:
        table = read_labels(labels)
        names = table["fname"]
        if videos is not None and len(names) <= most:
            check_videos_exist(names, _present(names, videos), labels)
        check_folds(table, folds)
        if by:
            read_divisions(labels, by)
    except InputError as error:
        yield str(error)


def wrong_names(
    sample_submission: str, videos: str | None, max_unreadable: float, most: int
) -> Iterator[str]:
    """Yield what is wrong with a sample submission.

    With `videos`, a folder of this machine, this includes a share of rows without a video that is
    above `max_unreadable`, unless there are more than `most` rows.
    """
    from liveness.dataset.labels import read_names

    try:
        names = read_names(sample_submission)
    except InputError as error:
        yield str(error)
        return
    if videos is None or len(names) > most:
        return
    try:
        present = _present(names, videos)
    except InputError as error:
        yield f"{sample_submission}: {error}"
        return
    missing = [name for name in names if name not in present]
    if len(missing) > max_unreadable * len(names):
        found = next(Path(videos).glob(f"{glob.escape(missing[0])}.*"), None)
        hint = (
            f"did you mean {found.name}?" if found else "names are relative to that folder, with extension."
        )
        yield (
            f"{sample_submission}: {len(missing)} of {len(names)} rows name no video in data.test.videos, "
            f"more than inference.max_unreadable ({max_unreadable:.0%}) allows; the first is {missing[0]}; "
            f"{hint}"
        )


def _present(names: Iterable[str], videos: str) -> set[str]:
    """Return the names of videos in a folder, whatever their Unicode form.

    A link that leads nowhere is one too: it has a row in every table of videos.
    """
    from liveness.dataset.file_names import as_listed

    names = list(names)
    paths = {name: f"{videos}/{name}" for name in names}
    # pathlib raises for links that cannot be followed
    there = {name for name, path in paths.items() if os.path.lexists(path)}
    present = {name for name in there if not os.path.isdir(paths[name])}  # noqa: PTH112
    if any(not name.isascii() for name in names if name not in present):
        listed = {name for name, _ in files_below(Path(videos))}
        present |= {
            name for name, video in zip(names, as_listed(names, listed), strict=True) if video in listed
        }
    return present
