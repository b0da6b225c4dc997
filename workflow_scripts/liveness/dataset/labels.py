"""Tables of labelled videos: the user's labels file and the folds made from it."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from liveness.runtime.errors import InputError

COLUMNS = ("fname", "liveness_score", "group", "attack")


def read_names(path: str | Path) -> list[str]:
    """Read the fname column of a CSV file, in order: the rows of a submission.

    Raises InputError for a missing file, column or name, and for duplicate names.
    """
    path = Path(path)
    names = _read_table(path, COLUMNS[:1], "data.test.sample_submission")["fname"]
    for row, name in names[names.duplicated()].items():
        raise InputError(f"{path}, row {row}: {name} is listed twice; expected one row per video.")
    return names.tolist()


def read_labels(path: str | Path) -> pd.DataFrame:
    """Read a labels file with the columns `fname,liveness_score[,group][,attack]`.

    A liveness_score of 1 means live (bona fide), 0 means spoof (presentation attack).

    Returns one row per video, with liveness_score as integer and the other columns as text ("" if
    empty). Identical rows are dropped and blank lines ignored. Raises InputError with file, row (1
    is the header) and what was expected, also for a video with contradictory rows.
    """
    path = Path(path)
    table = _read_table(path, COLUMNS[:2], "data.train.labels")
    for row, score in table["liveness_score"].items():
        if score.strip() not in ("0", "1", "0.0", "1.0"):
            raise InputError(
                f"{path}, row {row}: liveness_score is '{score}'; expected 0 (spoof) or 1 (live)."
            )
    table["liveness_score"] = table["liveness_score"].astype(float).astype(int)
    table = table[[column for column in COLUMNS if column in table]].drop_duplicates()
    for row, name in table["fname"][table["fname"].duplicated()].items():
        raise InputError(f"{path}, row {row}: {name} is listed again with other values; keep one row.")
    if table["liveness_score"].nunique() < 2:
        only = "live" if table["liveness_score"].iloc[0] else "spoof"
        raise InputError(f"{path}: every video is {only}; expected both classes.")
    return table.reset_index(drop=True)


def ignored_columns(path: str | Path) -> list[str]:
    """Return the columns of a labels file that nothing reads."""
    header = pd.read_csv(path, nrows=0, encoding="utf-8-sig")
    return [str(name) for name in header if name not in COLUMNS]


def check_videos_exist(labelled: Iterable[str], listed: Iterable[str], labels_file: str) -> None:
    """Raise InputError if the labels file names videos that are not in the folder."""
    missing = sorted(set(labelled) - set(listed))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{labels_file}: {missing[0]}{more} is not in data.train.videos; remove the row or add the video "
            "(names are relative to that folder, with extension)."
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
    table = read_labels(labels).set_index("fname")
    attack = table["attack"].reindex(folds.index, fill_value="") if "attack" in table else ""
    return folds.assign(attack=attack)


def _read_table(path: Path, required: tuple[str, ...], key: str) -> pd.DataFrame:
    """Read a CSV file as text, indexed by row number; check the required columns and fname."""
    try:
        with warnings.catch_warnings():
            # an error for rows longer than the header, which would otherwise be truncated
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                dtype=str,
                index_col=False,
                keep_default_na=False,
                encoding="utf-8-sig",
                skip_blank_lines=False,
            )
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file; {key} must name a CSV file.") from None
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
    ) as error:
        reason = str(error).strip()
        raise InputError(
            f"{path}: not a readable CSV file ({reason}); expected {','.join(required)}."
        ) from None
    missing = [column for column in required if column not in table]
    if missing:
        raise InputError(
            f"{path}, row 1: the header lacks {', '.join(missing)}; expected {','.join(required)}."
        )
    table.index += 2
    table = table[(table != "").any(axis=1)]  # blank lines
    if table.empty:
        raise InputError(f"{path}: has no rows; expected one row per video.")
    for row in table.index[table["fname"] == ""]:
        raise InputError(f"{path}, row {row}: fname is empty; expected the name of a video.")
    return table
