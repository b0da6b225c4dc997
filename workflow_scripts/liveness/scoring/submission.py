"""Build the submission from video scores."""

from collections.abc import Mapping, Sequence

import pandas as pd

from liveness.runtime.errors import InputError


def submission_rows(
    rows: Sequence[str],
    scores: pd.Series,
    unreadable: Mapping[str, str],
    fallback: float,
    max_unreadable: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the submission in the order of `rows`, and the unreadable videos.

    The submission has fname and liveness_score, the unreadable videos fname and reason. Rows
    without a score get `fallback`.

    Raises:
        InputError: the share of rows without a score exceeds `max_unreadable`.
    """
    missing = [fname for fname in rows if fname not in scores.index]
    reasons = [unreadable.get(fname, "it is not in data.test.videos") for fname in missing]
    if missing and len(missing) / len(rows) > max_unreadable:
        raise InputError(
            f"{len(missing)} of {len(rows)} videos cannot be read, more than inference.max_unreadable "
            f"({max_unreadable:.0%}) allows; the first is {missing[0]} ({reasons[0]}). "
            "Repair the videos or raise the limit."
        )
    table = pd.DataFrame(
        {"fname": list(rows), "liveness_score": scores.reindex(list(rows)).fillna(fallback).to_numpy()}
    )
    return table, pd.DataFrame({"fname": missing, "reason": reasons})
