"""Metrics as Markdown, for readers and for comments posted by CI."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from liveness.ensemble.recipe import BlendRecipe

Figures = Mapping[str, Any]

# display names, in the order of rows in all tables
NAMES = {
    "eer": "EER (ROC convex hull)",
    "eer_nearest": "EER (nearest point)",
    "auc": "AUC",
    "bpcer10": "BPCER10",
    "bpcer20": "BPCER20",
    "bpcer100": "BPCER100",
    "tpr_at_fpr_1e-3": "TPR at FPR 1e-3",
    "tpr_at_fpr_1e-4": "TPR at FPR 1e-4",
    "tpr_at_fpr_1e-5": "TPR at FPR 1e-5",
    "apcer": "APCER, attacks pooled",
    "apcer_max": "APCER, worst attack type",
    "bpcer": "BPCER",
    "acer": "ACER",
    "hter": "HTER",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
# of each value of a column of the labels
DIVIDED_NAMES = {
    "eer": "EER",
    "auc": "AUC",
    "apcer": "APCER",
    "bpcer": "BPCER",
    "hter": "HTER, threshold of the others",
}
ATTACKS_NEEDED = {
    "bpcer10": 10,
    "bpcer20": 20,
    "bpcer100": 100,
    "tpr_at_fpr_1e-3": 1_000,
    "tpr_at_fpr_1e-4": 10_000,
    "tpr_at_fpr_1e-5": 100_000,
}


# what would end a cell, or start code, a tag, a link or emphasis in it; not the _ inside of names
SPECIAL = re.compile(r"[\\`|<>\[*&~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def plain(text: str) -> str:
    """Escape text so that Markdown shows it as it is, in one line."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table of plain text."""
    lines = [[plain(cell) for cell in row] for row in [header, *rows]]
    lines.insert(1, ["---"] * len(header))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(frame: pd.DataFrame) -> str:
    """Format a data frame as a Markdown table."""
    rows = [[str(value) for value in row] for row in frame.itertuples(index=False)]
    return table([str(name) for name in frame.columns], rows)


def number(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Format a value and its interval with three decimals."""
    if value is None:
        return "-"
    low_high = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{value:.3f}{low_high}"


def headline(figures: Figures) -> str:
    """Format the EER with its 95 % interval, the AUC and the number of videos, for a log."""
    interval = figures["intervals"].get("eer")
    low_high = f" [95 % CI {interval[0]:.3f} to {interval[1]:.3f}]" if interval else ""
    return f"{number(figures['eer'])}{low_high}, AUC {number(figures['auc'])}, {figures['videos']} videos"


def figure(figures: Figures, name: str) -> str:
    """Format one rate, or say that the sample is too small to measure it."""
    if name in ATTACKS_NEEDED and figures.get(name) is None:
        return f"not measurable with n = {figures['spoof']}"
    return number(figures.get(name), figures["intervals"].get(name))


def rates(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Convert `results/metrics.json` to a table: of, rate, value, low, high, videos.

    There is one row per available rate of the blend and of each model, and one per attack type for
    the blend; low and high are the ends of the 95 % interval.
    """
    rows = []
    for name, figures in {"blend": metrics["blend"], **metrics["models"]}.items():
        for rate, title in NAMES.items():
            if figures.get(rate) is not None:
                interval = figures["intervals"].get(rate)
                rows.append((name, title, figures[rate], *(interval or (None, None)), figures["videos"]))
    for attack, figures in sorted(metrics["blend"]["attacks"].items()):
        interval = figures["interval"] or (None, None)
        rows.append(("blend", f"APCER of {attack}", figures["apcer"], *interval, figures["videos"]))
    return pd.DataFrame(rows, columns=["of", "rate", "value", "low", "high", "videos"])


def divided(column: str, division: Mapping[str, Any]) -> pd.DataFrame:
    """Convert the rates by one column to a table: a row per value, and the macro mean.

    Columns: the column's name, live, spoof, groups, and each rate with its interval's ends in the
    columns with low and high.
    """
    rows = {**division["values"], "macro mean": division["macro"]}
    table = []
    for name, figures in rows.items():
        row = {column: name, **{count: figures.get(count) for count in ("live", "spoof", "groups")}}
        for rate, title in DIVIDED_NAMES.items():
            low, high = figures["intervals"].get(rate) or (None, None)
            row |= {title: figures[rate], f"{title}, low": low, f"{title}, high": high}
        table.append(row)
    return pd.DataFrame(table)


def division_notes(column: str, division: Mapping[str, Any]) -> Iterator[str]:
    """Yield warnings of values that are far off, and what the rates by a column mean."""
    yield from (f"Warning: {warning}" for warning in division["warnings"])
    seen = [name for name, figures in division["values"].items() if not figures["unseen"]]
    if not seen:
        yield f"Each {column} was scored by engines that had seen no video of it: trained on the others."
    elif column == "source":
        yield (
            f"Engines had seen other videos of {', '.join(seen)}; folds.by: source holds whole sources out."
        )
    yield (
        "APCER and BPCER are at the common threshold, HTER at a threshold chosen on the videos of all other "
        "values. A rate without an interval rests on one group, which says nothing about other people."
    )


def summary(metrics: Mapping[str, Any]) -> str:
    """Format `results/metrics.json`: rates of the blend and of every model, and notes."""
    columns = {"blend": metrics["blend"], **metrics["models"]}
    rates = [
        [title, *(figure(figures, name) for figures in columns.values())] for name, title in NAMES.items()
    ]
    sizes = [
        ["videos (live + spoof)", *(f"{f['videos']} ({f['live']} + {f['spoof']})" for f in columns.values())],
        ["groups", *(str(figures["groups"]) for figures in columns.values())],
    ]
    parts = ["# Held-out metrics", table(["", *columns], [*sizes, *rates])]
    attacks = metrics["blend"]["attacks"]
    if attacks:
        rows = [
            [name, str(f["videos"]), number(f["apcer"], f["interval"])]
            for name, f in sorted(attacks.items(), key=lambda item: -item[1]["apcer"])
        ]
        parts.append(table(["attack type", "videos", "APCER of the blend"], rows))
    for column, division in metrics["by"].items():
        rows = [
            [
                name,
                f"{f['videos']} ({f['live']} + {f['spoof']})" if "videos" in f else "",
                str(f.get("groups", "")),
                *(number(f[rate], f["intervals"].get(rate)) for rate in DIVIDED_NAMES),
            ]
            for name, f in {**division["values"], "macro mean": division["macro"]}.items()
        ]
        parts.append(f"## By {column}")
        parts.append(table([column, "videos (live + spoof)", "groups", *DIVIDED_NAMES.values()], rows))
        parts.append("\n".join(f"- {note}" for note in division_notes(column, division)))
    frame_level = {name: f["frame_level"] for name, f in metrics["models"].items() if "frame_level" in f}
    if frame_level:
        rows = [
            [title, *(figure(figures, name) for figures in frame_level.values())]
            for name, title in NAMES.items()
        ]
        parts += ["## Single frames", table(["", *frame_level], rows)]
    parts.append("\n".join(f"- {note}" for note in notes(metrics)))
    return "\n\n".join(parts) + "\n"


def notes(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield notes on how the metrics were computed and on their limits."""
    yield from metrics.get("reversed", [])
    blend, threshold = metrics["blend"], metrics["threshold"]
    calibrated = f", calibrated ({blend['calibration']})" if blend["calibration"] else ""
    nested = BlendRecipe(blend["method"], calibration=blend["calibration"]).fitted
    yield f"The blend uses the method {blend['method']}{calibrated}" + (
        "; each video is scored by a blend fitted without its fold."
        if nested
        else "; it has no fitted parameters."
    )
    if blend["complete"] < blend["scored"]:
        partly = "the mean of those that did" if blend["videos"] == blend["scored"] else "no blended score"
        yield (
            f"Some models were trained on some folds only: {blend['complete']} of {blend['scored']} videos "
            f"were scored by all models, the others have {partly}. Submissions are always scored by all."
        )
    if "apcer" in blend:
        yield (
            "The threshold of each fold is chosen on the other folds by the criterion "
            f"{threshold['criterion']}; the threshold for new videos is {threshold['value']:.4f}."
        )
    yield (
        f"In brackets: 95 % intervals, bootstrap over {blend['groups']} groups of people or near-duplicates. "
        "They cover other people scored by the same engines, not another training run."
    )
    yield "Each model's epoch was selected on its evaluation fold, which makes rates slightly optimistic."
    if metrics["supplied_weights"]:
        yield (
            f"The weights of {', '.join(metrics['supplied_weights'])} were supplied: their rates are valid "
            "only if they were trained on these folds."
        )


def comparison(rates: pd.DataFrame, runs: Sequence[str], speeds: Sequence[float | None]) -> str:
    """Format the result of `run_comparison.compare`; `speeds` are videos per second."""
    rows = [
        [
            NAMES[str(name)],
            *(number(row[c], (row[f"{c}_low"], row[f"{c}_high"])) for c in ("first", "second", "difference")),
        ]
        for name, row in rates.to_dict("index").items()
    ]
    if None not in speeds:
        first, second = (float(speed or 0) for speed in speeds)
        rows.append(["test videos per second", f"{first:.2f}", f"{second:.2f}", f"{second - first:+.2f}"])
    note = (
        f"Metrics of the blends on {rates['videos'].iloc[0]} videos that both runs held out; 95 % "
        "intervals by a paired bootstrap over groups. A difference whose interval contains 0 may be chance."
    )
    return f"{table(['', *runs, 'second - first'], rows)}\n\n{note}\n"
