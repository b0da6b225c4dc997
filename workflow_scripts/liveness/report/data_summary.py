"""What the training videos are, as tables: balance, formats, and what about them is doubtful."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from liveness.report.markdown import markdown

# rows of lists that may be long; leakage.json has all
LISTED = 50
DOUBTS = (
    "near-duplicates with opposite labels",
    "near-duplicates",
    "groups that near-duplicates joined",
    "unreadable",
    "without a label",
    "attack of a type that other folds hold out",
)


def balance(folds: pd.DataFrame) -> pd.DataFrame:
    """Videos and groups by fold, and in all: live, spoof, groups, and a column per attack type that is named.

    `folds` has liveness_score, group, fold, attack ("" where unknown) by fname.
    """
    spoof = folds["liveness_score"] == 0
    columns = {"live": ~spoof, "spoof": spoof}
    for name in sorted(set(folds.loc[spoof, "attack"]) - {""}):
        columns[f"spoof: {name}"] = spoof & (folds["attack"] == name)
    counted = pd.DataFrame(columns).groupby(folds["fold"]).sum()
    counted.insert(2, "groups", folds.groupby("fold")["group"].nunique())
    counted.loc["all"] = [*counted.sum().to_list()]
    return counted.rename_axis("fold").reset_index()


def formats(videos: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Readable videos by property and value, the commonest first: property, value, videos, share_live.

    `videos` is the manifest by fname, `labels` the liveness_score by fname; videos without one count, but not
    in share_live. A property whose values tell the classes apart is one that a model may learn instead of
    faces.
    """
    readable = videos[videos["readable"]]
    sides = readable[["width", "height"]]
    properties = {
        "size": sides["width"].astype(str) + " x " + sides["height"].astype(str),
        "frames per second": readable["fps"].round().astype(int).astype(str),
        "codec": readable["codec"],
        "rotation": readable["rotation"].astype(str),
        "duration": readable["duration"].floordiv(2).mul(2).astype(int).map(lambda s: f"{s} to {s + 2} s"),
    }
    live = labels.reindex(readable.index)
    parts = []
    for name, values in properties.items():
        counted = pd.DataFrame({"videos": values.value_counts(), "share_live": live.groupby(values).mean()})
        counted = (
            counted.rename_axis("value")
            .reset_index()
            .sort_values(["videos", "value"], ascending=[False, True])
        )
        counted.insert(0, "property", name)
        parts.append(counted)
    return pd.concat(parts, ignore_index=True)


def leakage_table(leakage: Mapping[str, Any]) -> pd.DataFrame:
    """What folds/leakage.json holds as one table, a row per doubtful thing: what (of DOUBTS), first, second,
    detail.
    """
    opposite, near, joined, unreadable, unlabelled, other = DOUBTS
    rows = [
        (what, pair["first"], pair["second"], f"distance {pair['distance']}")
        for what, key in ((opposite, "contradictory_labels"), (near, "duplicates"))
        for pair in leakage[key]
    ]
    rows += [(joined, names[0], ", ".join(names[1:]), "") for names in leakage["merged_groups"]]
    rows += [(unreadable, fname, "", reason) for fname, reason in leakage["unreadable"].items()]
    rows += [(unlabelled, fname, "", f"group {group}") for fname, group in leakage["unlabelled"].items()]
    rows += [(other, fname, "", f"attack {attack}") for fname, attack in leakage["other_attacks"].items()]
    return pd.DataFrame(rows, columns=["what", "first", "second", "detail"])


def inventory(folds: pd.DataFrame, videos: pd.DataFrame, leakage: Mapping[str, Any]) -> str:
    """All of it as Markdown. `leakage` is what folds/leakage.json holds; the other arguments are as above."""
    labels = folds["liveness_score"]
    properties = formats(videos, labels).assign(
        share_live=lambda rows: rows["share_live"].map(
            lambda share: "-" if pd.isna(share) else f"{share:.2f}"
        )
    )
    parts = [
        "# Training videos",
        markdown(balance(folds)),
        "## Formats",
        "A format whose share of live videos is far from that of all "
        f"({labels.mean():.2f}) is something that a model may learn instead of faces.",
        markdown(properties),
    ]
    doubtful = leakage_table(leakage)
    for what in DOUBTS:
        rows = doubtful[doubtful["what"] == what].drop(columns="what")
        parts.append(f"## {what.capitalize()}: {len(rows)}")
        if len(rows):
            parts.append(markdown(rows.head(LISTED)))
        if len(rows) > LISTED:
            parts.append(f"and {len(rows) - LISTED} more: see folds/leakage.json")
    return "\n\n".join(parts) + "\n"
