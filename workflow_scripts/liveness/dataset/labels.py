"""Tables of labelled videos: the user's labels file and the folds made from it."""

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from liveness.dataset.csv_table import read_csv_text
from liveness.dataset.file_names import as_listed, nfc
from liveness.dataset.groups import join_groupings
from liveness.runtime.errors import InputError
from liveness.settings.folds import Folds

COLUMNS = ("fname", "liveness_score", "group", "attack", "source")
# how many wrong rows, or missing videos, a sentence names
NAMED = 5


def read_names(path: str | Path) -> list[str]:
    """Read the fname column of a CSV file, in order: the rows of a submission.

    Raises InputError for a missing file, column or name, and for duplicate names.
    """
    path = Path(path)
    names = _read_table(path, COLUMNS[:1], "data.test.sample_submission")["fname"]
    _refuse(path, names[names.duplicated()], "{} is listed twice", "expected one row per video")
    return names.tolist()


def read_labels(path: str | Path, others: Sequence[str] = ()) -> pd.DataFrame:
    """Read a labels file with the columns `fname,liveness_score[,group][,attack][,source]`.

    A liveness_score of 1 means live (bona fide), 0 means spoof (presentation attack). Of other
    columns, those in `others` are read.

    Returns one row per video, with liveness_score as integer and the other columns as text ("" if
    empty). Identical rows are dropped and blank lines ignored. Raises InputError with file, rows (1
    is the header) and what was expected, also for a video with contradictory rows.
    """
    path = Path(path)
    table = _read_table(path, COLUMNS[:2], "data.train.labels")
    scores = table["liveness_score"]
    wrong = ~scores.map(str.strip).isin(["0", "1", "0.0", "1.0"])
    _refuse(path, scores[wrong], "liveness_score is '{}'", "expected 0 (spoof) or 1 (live)")
    table["liveness_score"] = table["liveness_score"].astype(float).astype(int)
    wanted = [column for column in dict.fromkeys([*COLUMNS, *others]) if column in table]
    for column in wanted[2:]:
        # one person is one, whoever typed the name
        table[column] = table[column].map(nfc)
    table = table[wanted].drop_duplicates()
    again = table["fname"][table["fname"].duplicated()]
    _refuse(path, again, "{} is listed again with other values", "keep one row")
    if table["liveness_score"].nunique() < 2:
        only = "live" if table["liveness_score"].iloc[0] else "spoof"
        raise InputError(f"{path}: every video is {only}; expected both classes.")
    return table.reset_index(drop=True)


def other_columns(path: str | Path) -> list[str]:
    """Return the columns of a labels file that nothing reads, unless `evaluation.by` names them."""
    return [str(name) for name in read_csv_text(path, "data.train.labels") if name not in COLUMNS]


def read_divisions(path: str | Path, by: Sequence[str]) -> pd.DataFrame:
    """Read fname and the columns that divide the evaluation: source, if there is one, and `by`.

    Values are text, "" if empty. Raises InputError if there is no column of a name in `by`.
    """
    by = [name.strip().lower() for name in by]
    table = read_labels(path, by)
    fname = table.pop("fname")
    table = table.drop(columns="liveness_score")
    for name in by:
        if name not in table:
            known = dict.fromkeys([*table, *other_columns(path)])
            raise InputError(
                f"evaluation.by names {name}, but the columns of {path} that could divide the rates are "
                f"{', '.join(known) or 'none'}; correct the name, or add the column."
            )
    found = table[[name for name in dict.fromkeys(["source", *by]) if name in table]]
    return found.assign(fname=fname)


def check_folds(labels: pd.DataFrame, folds: Folds) -> None:
    """Raise InputError if people, sources or types of attacks, as labels name them, are too few.

    Whatever `make_folds` decides later, a fold would then hold one class only. Near-duplicates can
    make groups fewer still.
    """
    if folds.by == "attack":
        spoof = labels[labels["liveness_score"] == 0]
        types = spoof["attack"] if "attack" in spoof else pd.Series("", spoof.index)
        if (types == "").any():
            raise InputError(
                f"folds.by is attack, but {spoof['fname'][types == ''].iloc[0]} is a spoof without a type "
                "in the column attack of the labels; add it, or set folds.by: group."
            )
        if types.nunique() < folds.count:
            raise InputError(
                f"folds.by is attack, but the labels name {types.nunique()} types of attacks, fewer than "
                f"folds.count ({folds.count}); lower it, or set folds.by: group."
            )
    named = labels["group"] if "group" in labels and folds.groups != "duplicates" else None
    if folds.by == "source":
        _check_sources(labels.set_index("fname"), named, folds.count)
        return
    if named is None:
        return
    groups = named.where(named != "", labels["fname"])
    for label, name in ((1, "live"), (0, "spoof")):
        count = groups[labels["liveness_score"] == label].nunique()
        if count < folds.count:
            raise InputError(
                f"the {name} videos show {count} group{'s' * (count > 1)} of people (column group of the "
                f"labels), fewer than folds.count ({folds.count}): a fold would hold none; lower it, or "
                "label videos of more people."
            )


def _check_sources(labels: pd.DataFrame, groups: pd.Series | None, count: int) -> None:
    """Raise InputError if a video has no source, or if sources that share no person are too few."""
    sources = labels["source"] if "source" in labels else pd.Series("", labels.index)
    check_sources(sources)
    names = pd.Series(labels.index, labels.index)
    if groups is not None:
        names = names.mask(groups.to_numpy() != "", groups.to_numpy())
    joined, _ = join_groupings(sources, names)
    for label, name in ((1, "live"), (0, "spoof")):
        found = joined[labels["liveness_score"] == label].nunique()
        if found < count:
            raise InputError(
                f"folds.by is source, but only {found} source{'s' * (found != 1)} without a person in common "
                f"{'have' if found != 1 else 'has'} {name} videos, fewer than folds.count ({count}): a fold "
                "would hold none; lower it, or set folds.by: group."
            )


def check_sources(sources: pd.Series) -> None:
    """Raise InputError unless every video has a source; `sources` are by fname."""
    if (sources == "").any():
        raise InputError(
            f"folds.by is source, but {sources.index[sources == ''][0]} has no source in the column source "
            "of the labels; add it, or set folds.by: group."
        )


def check_videos_exist(labelled: Iterable[str], listed: Iterable[str], labels_file: str) -> None:
    """Raise InputError if the labels file names videos that are not in the folder."""
    missing = sorted(set(labelled) - set(listed))
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        verb, s = ("are", "s") if len(missing) > 1 else ("is", "")
        raise InputError(
            f"{labels_file}: {', '.join(missing[:NAMED])}{more} {verb} not in data.train.videos; remove the "
            f"row{s} or add the video{s} (names are relative to that folder, with extension)."
        )


def read_folds(path: str | Path) -> pd.DataFrame:
    """Read a folds file of this workflow: liveness_score, group, [attack,] fold by fname."""
    types = {"fname": str, "group": str, "attack": str, "liveness_score": int, "fold": int}
    return pd.read_csv(path, dtype=types, keep_default_na=False).set_index("fname")


def labels_by_name(folds: pd.DataFrame) -> dict[str, int]:
    """Return 1 (live) or 0 (spoof) by fname, of the table that `read_folds` returns."""
    return {str(fname): int(label) for fname, label in folds["liveness_score"].items()}


def with_attacks(folds: pd.DataFrame, labels: str | Path) -> pd.DataFrame:
    """Add attack types, which folds.csv does not contain, from the labels file; "" if unknown."""
    table = _of_folds(read_labels(labels), folds)
    return folds.assign(attack=table.get("attack", ""))


def divisions_of(folds: pd.DataFrame, labels: str | Path, by: Sequence[str]) -> pd.DataFrame:
    """Return what `read_divisions` reads, by the fnames of `folds`; "" if unknown."""
    return _of_folds(read_divisions(labels, by), folds)


def _of_folds(table: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    table = table.set_index(pd.Index(as_listed(table.pop("fname"), folds.index)))
    return table.reindex(folds.index, fill_value="")


def _refuse(path: Path, wrong: pd.Series, problem: str, remedy: str) -> None:
    """Raise InputError if there are `wrong` values, by row number; `problem` is a format of one."""
    if not wrong.empty:
        rows = [f"row {row}: {problem.format(value)}" for row, value in wrong.head(NAMED).items()]
        more = [f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
        raise InputError(f"{path}, {'; '.join([*rows, *more, remedy])}.")


def _read_table(path: Path, required: tuple[str, ...], key: str) -> pd.DataFrame:
    """Read a CSV file as text, indexed by row number; check the required columns and fname."""
    table = read_csv_text(path, key)
    missing = [column for column in required if column not in table]
    if missing:
        raise InputError(
            f"{path}, row 1: the header is {','.join(map(str, table))[:200]} and lacks {', '.join(missing)}; "
            f"expected {','.join(required)}."
        )
    table = table[(table != "").any(axis=1)]  # blank lines
    if table.empty:
        raise InputError(f"{path}: has no rows; expected one row per video.")
    empty = table["fname"][table["fname"] == ""]
    _refuse(path, empty, "fname is empty", "expected the name of a video")
    names = table["fname"].map(posixpath.normpath)
    outside = names.str.startswith(("/", "../")) | names.isin([".", ".."])
    stray = table["fname"][outside]
    _refuse(path, stray, "{} is not below the folder of videos", "expected a name relative to it")
    return table.assign(fname=names)
