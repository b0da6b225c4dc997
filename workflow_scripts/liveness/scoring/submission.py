"""From the scores of videos to the rows that were asked for."""

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
    """Return the submission (fname, liveness_score) in `rows`' order, and what is unreadable (fname, reason).

    A row without a score gets `fallback`. Raises InputError when their share exceeds `max_unreadable`.
    """
    missing = [fname for fname in rows if fname not in scores.index]
    reasons = [unreadable.get(fname, "it is not in data.test.videos") for fname in missing]
    if missing and len(missing) / len(rows) > max_unreadable:
        raise InputError(
            f"{len(missing)} of {len(rows)} videos cannot be read, more than inference.max_unreadable "
            f"({max_unreadable:.0%}) allows; the first is {missing[0]} ({reasons[0]}). "
            "Mend the videos or raise the limit."
        )
    table = pd.DataFrame(
        {"fname": list(rows), "liveness_score": scores.reindex(list(rows)).fillna(fallback).to_numpy()}
    )
    return table, pd.DataFrame({"fname": missing, "reason": reasons})
