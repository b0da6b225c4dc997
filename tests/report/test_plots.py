"""Figures from plain tables, also for unusual samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.aggregation import model_scores
from liveness.evaluation.rates import held_out_rates
from liveness.report import plots
from liveness.report.plot_style import write_figure
from liveness.scoring.timing import read_stages, stage_table


def sample(**changes: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Create held-out videos and the scores of two models."""
    folds = make_folds(videos=60)
    models = model_scores(make_scores(folds, {"a": 2.0, "b": 1.0}, only={"b": [0, 1]}))
    videos = folds.assign(score=models["a"], threshold=0.5, attack="")
    return videos.assign(**changes), models


PERFECT = {"score": lambda videos: videos["liveness_score"] * 0.9 + 0.05}


@pytest.mark.parametrize(
    "changes",
    [{}, PERFECT, {"threshold": np.nan}, {"group": "one"}, {"attack": "print"}, {"score": 0.5}],
    ids=["usual", "perfect", "no threshold", "one group", "attacks", "all tied"],
)
def test_held_out_scores_draw(changes: dict[str, Any], tmp_path: Path) -> None:
    videos, models = sample(**changes)
    measured = held_out_rates(videos, seed=0)
    drawn = [
        plots.detection_error_tradeoff(videos, models, measured, seed=0),
        plots.receiver_operating_characteristic(videos, models, measured, seed=0),
        plots.score_histograms(videos),
        plots.reliability(videos, seed=0),
        plots.ensemble_comparison({"blend": measured, "a": measured}),
    ]
    for number, figure in enumerate(drawn):
        write_figure(figure, tmp_path / f"{number}.svg")
        assert "<svg" in (tmp_path / f"{number}.svg").read_text()[:1000]


def test_stages_of_several_shards_add_up(tmp_path: Path) -> None:
    for number, videos in enumerate((10, 30)):
        seconds = {"decode": videos * 0.4, "preprocess": 0.0, "compute": videos * 0.1}
        table = stage_table(seconds, elapsed=videos * 0.25, videos=videos, decoders=2)
        table.to_csv(tmp_path / f"{number}.csv", index=False)
    stages = read_stages([tmp_path / "0.csv", tmp_path / "1.csv"]).set_index("stage")
    assert stages["videos_per_s"].drop(["preprocess", "idle"]).to_dict() == {
        "decode": pytest.approx(5),
        "compute": pytest.approx(10),
        "all": pytest.approx(4),
    }
    assert stages.loc["decode", "busy"] == pytest.approx(0.8)
    figure = plots.stage_throughput(stages.reset_index().assign(split="test"))
    assert len(figure.axes) == 2


def test_learning_curves_have_a_line_per_fold_and_mark_the_epoch_that_was_kept() -> None:
    history = pd.DataFrame(
        {"epoch": range(3), "lr": 0.1, "train_loss": 0.3, "val_loss": [0.4, 0.2, 0.3], "val_auc": 0.9}
    )
    loss = plots.learning_curves({0: history, 2: history}).axes[0]
    marks = [line.get_xdata() for line in loss.lines if line.get_marker() != "None"]
    assert [float(np.asarray(mark).item()) for mark in marks] == [2, 2]
    assert {"fold 0", "fold 2"} <= {str(line.get_label()) for line in loss.lines}


def test_robustness_has_a_bar_and_an_interval_per_row() -> None:
    table = pd.DataFrame(
        {
            "kind": ["plain", "degradation", "degradation", "attack", "fold"],
            "name": ["plain", "blur", "crop", "$re$play", "0"],
            "eer": [0.1, 0.2, 0.3, 0.1, 0.05],
            "eer_low": [0.0, 0.1, 0.2, np.nan, 0.0],
            "eer_high": [0.2, 0.3, 0.4, np.nan, 0.1],
        }
    )
    axes = plots.robustness_bars(table).axes[0]
    assert [bar.get_width() for bar in axes.patches] == table["eer"].tolist()
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "original", "degraded: blur", "degraded: crop", "attack: $re$play", "fold 0",
    ]  # fmt: skip


def test_ticks_of_logarithmic_axes_are_numbers() -> None:
    curve = pd.DataFrame({"lr": np.geomspace(1e-7, 1, 50), "loss": np.linspace(0.7, 0.3, 50)})
    figure = plots.learning_rate(curve, found=1e-3)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "0.001" in labels
    assert not any("$" in label for label in labels)
