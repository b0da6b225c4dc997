"""Tables about the training videos: class balance, formats, and doubtful videos."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from liveness.report.markdown import markdown

# maximum number of rows in each list of doubtful videos; leakage.json has all
LISTED = 50
DOUBTS = (
    "near-duplicates with opposite labels",
    "near-duplicates",
    "groups merged because of near-duplicates",
    "sources held out together because of people or near-duplicates in common",
    "unreadable",
    "without a label",
    "attack of a type held out by other folds",
)


def balance(folds: pd.DataFrame) -> pd.DataFrame:
    """Count videos and groups by fold and in total.

    Columns: fold, live, spoof, groups, and one per named attack type. `folds` has liveness_score,
    group, fold and attack ("" if unknown) by fname.
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
    """Count readable videos by property and value, most common first.

    Columns: property, value, videos, share_live. `videos` is the manifest by fname, `labels` the
    liveness_score by fname; unlabelled videos are counted, but not in share_live. A model may learn
    a property whose values separate the classes instead of faces.
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
    """Convert the content of folds/leakage.json to a table with one row per finding.

    Columns: what (one of DOUBTS), first, second, detail.
    """
    opposite, near, joined, sources, unreadable, unlabelled, other = DOUBTS
    rows = [
        (what, pair["first"], pair["second"], f"distance {pair['distance']}")
        for what, key in ((opposite, "contradictory_labels"), (near, "duplicates"))
        for pair in leakage[key]
    ]
    rows += [
        (what, names[0], ", ".join(names[1:]), "")
        for what, key in ((joined, "merged_groups"), (sources, "joined_sources"))
        for names in leakage[key]
    ]
    rows += [(unreadable, fname, "", reason) for fname, reason in leakage["unreadable"].items()]
    rows += [(unlabelled, fname, "", f"group {group}") for fname, group in leakage["unlabelled"].items()]
    rows += [(other, fname, "", f"attack {attack}") for fname, attack in leakage["other_attacks"].items()]
    return pd.DataFrame(rows, columns=["what", "first", "second", "detail"])


def inventory(folds: pd.DataFrame, videos: pd.DataFrame, leakage: Mapping[str, Any]) -> str:
    """Return all tables as Markdown.

    `leakage` is the content of folds/leakage.json; for the other arguments see balance and formats.
    """
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
        "A model may learn a format instead of faces if its share of live videos is far from the overall "
        f"share ({labels.mean():.2f}).",
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
