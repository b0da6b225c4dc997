"""Figures of the report, each a function from plain tables to a Figure.

`videos` is a table of held-out videos by fname: liveness_score (1 live, 0 spoof), score
(probability of live), threshold (NaN for all if there is none), attack ("" if unknown), group.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from liveness.evaluation.rates import APCER_LEVELS
from liveness.metrics import error_rates
from liveness.metrics.confidence_bands import bpcer_band, share_band
from liveness.report.markdown import NAMES
from liveness.report.plot_style import (
    GREY,
    LIVE,
    MARKERS,
    PALETTE,
    SPOOF,
    fill_style,
    line_style,
    panels,
    plain_ticks,
    styled,
)

# levels at which confidence bands are computed, denser for low error rates
LEVELS = np.unique(np.concatenate([np.geomspace(1e-4, 0.1, 40), np.linspace(0.1, 1, 46)]))
BINS = np.linspace(0, 1, 21)
TICKS = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
BAND = "95 % band"

Figures = Mapping[str, Any]


@styled
def detection_error_tradeoff(
    videos: pd.DataFrame, models: pd.DataFrame, figures: Figures, seed: int
) -> Figure:
    """Plot BPCER over APCER, attacks pooled: the blend with band and operating points, and models.

    Axes are normal deviates (Martin et al. 1997, The DET curve in assessment of detection task
    performance).

    `models` has a column of scores per model by fname, NaN where there is none; `figures` are the
    blend's metrics from metrics.json. Rates below the smallest one that the sample can resolve are
    drawn on the axis.
    """
    labels = videos["liveness_score"]
    smallest = float(np.clip(0.5 / labels.value_counts().min(), TICKS[0] / 2, 0.02))
    limits = norm.ppf([smallest, 0.95])

    def deviate(rates: np.ndarray | float) -> np.ndarray:
        return norm.ppf(np.clip(rates, smallest, 0.95))

    figure, axes = panels(width=7, height=5)
    ax = axes[0, 0]
    ticks = TICKS[(smallest <= TICKS) & (TICKS <= 0.95)]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(norm.ppf(ticks), [f"{100 * tick:g}" for tick in ticks])
    ax.plot(limits, limits, color=GREY, linewidth=0.8, label="APCER = BPCER")
    band = bpcer_band(labels.to_numpy(), videos["score"].to_numpy(), videos["group"], LEVELS, seed)
    ax.fill_between(deviate(LEVELS), deviate(band[:, 0]), deviate(band[:, 1]), color="#e0e0e0", label=BAND)
    for number, (name, curve) in enumerate(_curves(videos, models).items()):
        ax.plot(
            deviate(curve.apcer),
            deviate(curve.bpcer),
            label=name,
            **line_style(number),
        )
    _operating_points(ax, figures, deviate)
    ax.set(xlim=limits, ylim=limits, xlabel="APCER, attacks pooled (%)", ylabel="BPCER (%)")
    figure.legend(loc="outside right upper")
    return figure


@styled
def receiver_operating_characteristic(
    videos: pd.DataFrame, models: pd.DataFrame, figures: Figures, seed: int
) -> Figure:
    """Plot accepted live videos over accepted attacks, with the left tenth enlarged.

    For the arguments see detection_error_tradeoff.
    """
    labels = videos["liveness_score"]
    band = 1 - bpcer_band(labels.to_numpy(), videos["score"].to_numpy(), videos["group"], LEVELS, seed)
    figure, axes = panels(columns=2, width=5, height=4.5)
    for ax, right in zip(axes[0], (1.0, 0.1), strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="chance")
        ax.fill_between(LEVELS, band[:, 0], band[:, 1], color="#e0e0e0", label=BAND)
        for number, (name, curve) in enumerate(_curves(videos, models).items()):
            area = float(error_rates.area_under_curve(curve))
            ax.plot(
                curve.apcer,
                1 - curve.bpcer,
                label=f"{name}, AUC {area:.3f}",
                **line_style(number),
            )
        _operating_points(ax, figures, np.asarray, accepted=True)
        ax.set(
            xlim=(-0.02 * right, 1.02 * right), ylim=(-0.01, 1.02), xlabel="attacks accepted (FPR = APCER)",
            ylabel="live videos accepted (TPR = 1 - BPCER)",
        )  # fmt: skip
    axes[0, 1].set_title("the left tenth")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _curves(videos: pd.DataFrame, models: pd.DataFrame) -> dict[str, error_rates.ErrorCurve]:
    """Return the error curve of the blend and, if there are several models, of each model.

    A model's curve covers the videos that it scored.
    """
    curves = {"blend": error_rates.error_curve(videos["liveness_score"], videos["score"])}
    for name, scores in models.items() if models.shape[1] > 1 else ():
        scores = scores.reindex(videos.index).dropna()
        labels = videos["liveness_score"].loc[scores.index]
        if labels.nunique() == 2:
            curves[str(name)] = error_rates.error_curve(labels, scores)
    return curves


def _operating_points(ax: Axes, figures: Figures, scale: Any, accepted: bool = False) -> None:
    """Draw the blend's EER, BPCER at fixed APCER, and rates at the thresholds of the other folds.

    Intervals are lines between two (APCER, BPCER) points. With `accepted` the axis is 1 - BPCER.
    """
    spread = figures["intervals"]
    eer = figures["eer"]
    points = {"EER": ((eer, eer), [[(rate, rate) for rate in spread.get("eer") or ()]])}
    for name, level in APCER_LEVELS.items():
        if figures.get(name) is not None:
            ends = [(level, rate) for rate in spread.get(name) or ()]
            points[NAMES[name]] = ((level, figures[name]), [ends])
    if figures.get("apcer") is not None:
        apcer, bpcer = figures["apcer"], figures["bpcer"]
        across = [(rate, bpcer) for rate in spread.get("apcer") or ()]
        along = [(apcer, rate) for rate in spread.get("bpcer") or ()]
        points["at the threshold"] = ((apcer, bpcer), [across, along])

    def draw(rates: Sequence[tuple[float, float]], **look: Any) -> None:
        apcer, bpcer = np.array(rates).reshape(-1, 2).T
        ax.plot(scale(apcer), scale(1 - bpcer if accepted else bpcer), **look)

    for number, (name, (point, intervals)) in enumerate(points.items()):
        colour = PALETTE[1 + number]
        for ends in intervals:
            draw(ends, color=colour, linewidth=1.2, zorder=4)
        draw(
            [point], color=colour, marker=MARKERS[number], markeredgecolor="black", markersize=7,
            linestyle="none", clip_on=accepted, zorder=5, label=name,
        )  # fmt: skip


@styled
def score_histograms(videos: pd.DataFrame) -> Figure:
    """Plot held-out scores of live videos and of each attack type, with the folds' thresholds."""
    spoof = videos["liveness_score"] == 0
    parts = {"live": videos[~spoof]}
    for name in sorted(set(videos.loc[spoof, "attack"])):
        parts[f"spoof: {name}" if name else "spoof"] = videos[spoof & (videos["attack"] == name)]
    figure, axes = panels(rows=len(parts), width=7, height=max(1.1, 3 / len(parts)), sharex=True)
    thresholds = videos["threshold"].dropna().unique()
    for ax, (name, part) in zip(axes[:, 0], parts.items(), strict=True):
        live = name == "live"
        ax.hist(
            part["score"],
            BINS,
            facecolor=LIVE if live else SPOOF,
            hatch="" if live else "///",
            edgecolor="white",
        )
        for threshold in thresholds:
            ax.axvline(threshold, color="black", linewidth=1, linestyle=(0, (4, 2)))
        ax.set_title(f"{name} ({len(part)} videos)")
        ax.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        ax.set_xlim(0, 1)
    axes[-1, 0].set_xlabel(
        "score, 1 = live" + (" (dashed: threshold of each fold)" if len(thresholds) else "")
    )
    figure.supylabel("videos")
    return figure


@styled
def reliability(videos: pd.DataFrame, seed: int) -> Figure:
    """Plot the share of live videos by predicted probability, and the number of videos per bin."""
    labels, scores = videos["liveness_score"].to_numpy(), videos["score"].to_numpy()
    table = pd.DataFrame({"score": scores, "live": labels}).groupby(
        error_rates.bin_of(scores, error_rates.BINS)
    )
    means, sizes = table.mean(), table.size()
    band = share_band(labels, scores, videos["group"], seed)[means.index]
    figure, axes = panels(rows=2, width=5.5, height=2.8, sharex=True, height_ratios=[3, 1])
    above, below = axes[:, 0]
    above.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="perfectly calibrated")
    above.vlines(
        means["score"], band[:, 0], band[:, 1], color=PALETTE[0], linewidth=1.2, label="95 % interval"
    )
    above.plot(
        means["score"],
        means["live"],
        "o-",
        color=PALETTE[1],
        markeredgecolor="black",
        label="held-out videos",
    )
    error = float(error_rates.expected_calibration_error(labels, scores))
    above.set(
        ylabel="share of live videos", ylim=(-0.03, 1.03), title=f"expected calibration error {error:.3f}"
    )
    figure.legend(loc="outside lower center", ncols=3)
    edges = np.linspace(0, 1, error_rates.BINS + 1)
    below.bar(
        edges[sizes.index], sizes, 1 / error_rates.BINS, align="edge", facecolor=PALETTE[1], edgecolor="white"
    )
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    below.set(xlabel="probability of live", ylabel="videos", xlim=(0, 1))
    return figure


@styled
def ensemble_comparison(metrics_of: Mapping[str, Figures]) -> Figure:
    """Plot rates with intervals of the blend and of every model, from their metrics by name."""
    names = list(metrics_of)
    wanted = ("eer", "bpcer20", "apcer_max", "bpcer")
    rates = [rate for rate in wanted if any(figures.get(rate) is not None for figures in metrics_of.values())]
    figure, axes = panels(columns=len(rates), width=2.6, height=1.2 + 0.35 * len(names), sharey=True)
    for ax, rate in zip(axes[0], rates, strict=True):
        for row, figures in enumerate(metrics_of.values()):
            if figures.get(rate) is None:
                continue
            if figures["intervals"].get(rate):
                ax.plot(figures["intervals"][rate], [row, row], color=PALETTE[0], marker="|", linewidth=1.4)
            ax.plot(
                figures[rate], row, MARKERS[row > 0], color=PALETTE[2 if row == 0 else 1],
                markeredgecolor="black", markersize=7, clip_on=False, zorder=5,
            )  # fmt: skip
        ax.set_title(NAMES[rate].replace(", ", ",\n").replace(" (", "\n("))
        ax.set_xlim(left=0)
        ax.xaxis.get_major_locator().set_params(nbins=4)
    axes[0, 0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    return figure


@styled
def robustness_bars(table: pd.DataFrame) -> Figure:
    """Plot the EER with its interval for each row of `robustness.robustness`.

    A dashed line marks the EER of the original videos.
    """
    kinds = list(dict.fromkeys(table["kind"]))
    figure, axes = panels(width=7, height=1.2 + 0.32 * len(table))
    ax = axes[0, 0]
    kind_of = {"plain": "original", "degradation": "degraded: {}", "attack": "attack: {}", "fold": "fold {}"}
    for number, kind in enumerate(kinds):
        rows = np.flatnonzero(table["kind"] == kind)
        own = table.iloc[rows]
        bars = ax.barh(rows, own["eer"], 0.7, **fill_style(number))
        ax.bar_label(bars, [f"{value:.3f}" for value in own["eer"]], padding=3)
        ax.hlines(rows - 0.25, own["eer_low"], own["eer_high"], color="black", linewidth=1.2)
    ax.axvline(table["eer"].iloc[0], color=GREY, linestyle="--", linewidth=1)
    labels = [kind_of[kind].format(name) for kind, name in table[["kind", "name"]].itertuples(index=False)]
    ax.set(yticks=range(len(table)), yticklabels=labels, ylim=(len(table) - 0.5, -0.5), xlim=(0, None))
    ax.set_xlabel("EER with 95 % intervals; dashed: all original videos")
    return figure


@styled
def learning_curves(histories: Mapping[int, pd.DataFrame]) -> Figure:
    """Plot loss, AUC and learning rate by epoch, with a line per fold; the best epoch is marked.

    `histories` maps folds to tables of epoch, lr, train_loss, val_loss, val_auc.
    """
    figure, axes = panels(columns=3, width=3.6, height=3.4)
    loss, auc, rate = axes[0]
    for number, (fold, history) in enumerate(sorted(histories.items())):
        style, epochs = line_style(number), history["epoch"] + 1
        loss.plot(epochs, history["train_loss"], **style, alpha=0.45, linewidth=1)
        kept = int(history["val_loss"].argmin())
        for ax, column in ((loss, "val_loss"), (auc, "val_auc"), (rate, "lr")):
            ax.plot(epochs, history[column], **style, label=f"fold {fold}")
            ax.plot(epochs[kept], history[column][kept], MARKERS[number % len(MARKERS)], color=style["color"])
    loss.set(title="log loss (thin: training)", ylim=(0, None))
    auc.set(title="AUC of held-out frames")
    rate.set(title="learning rate", ylim=(0, None))
    for ax in axes[0]:
        ax.set_xlabel("epochs")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


@styled
def learning_rate(curve: pd.DataFrame, found: float) -> Figure:
    """Plot the loss over the learning rate, from a curve of lr and loss; mark the rate found."""
    figure, axes = panels(width=6, height=3.4)
    ax = axes[0, 0]
    ax.plot(curve["lr"], curve["loss"], **line_style(1))
    ax.axvline(found, color=GREY, linewidth=0.8)
    ax.plot(found, np.interp(found, curve["lr"], curve["loss"]), MARKERS[0], color=PALETTE[2], zorder=5)
    ax.annotate(f"{found:.2g}", (found, ax.get_ylim()[1]), (4, -12), textcoords="offset points")
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
    plain_ticks(ax.xaxis)
    return figure


@styled
def stage_throughput(stages: pd.DataFrame) -> Figure:
    """Plot the throughput that each stage would reach alone, and how busy it was.

    `stages` has split, stage, videos_per_s and busy, as returned by `timing.read_stages`.
    """
    splits = stages["split"].unique()
    order = list(dict.fromkeys(stages["stage"]))
    names = {"all": "all together", "idle": "engines idle"}
    figure, axes = panels(columns=2, width=4.5, height=3.2, sharey=True)
    height = 0.8 / len(splits)
    for number, split in enumerate(splits):
        own = stages[stages["split"] == split].set_index("stage").reindex(order)
        rows = np.arange(len(order)) + (number - (len(splits) - 1) / 2) * height
        for ax, column in zip(axes[0], ("videos_per_s", "busy"), strict=True):
            bars = ax.barh(rows, own[column], height, label=f"{split} videos", **fill_style(number))
            values = ["" if pd.isna(value) else f"{value:.3g}" for value in own[column]]
            ax.bar_label(bars, values, padding=3)
    axes[0, 0].set(
        xscale="log", xlabel="videos per second, stage alone", yticks=range(len(order)),
        yticklabels=[names.get(name, name) for name in order], ylim=(len(order) - 0.5, -0.5),
    )  # fmt: skip
    plain_ticks(axes[0, 0].xaxis)
    axes[0, 1].set(xlabel="share of the time", xlim=(0, 1.15))
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=len(splits))
    return figure
