"""Held-out figures: pooled over folds, and from engines that did not see the video."""

import pandas as pd
import pytest

from liveness.evaluation import held_out_metrics

FOLDS = pd.DataFrame(
    {"liveness_score": [1, 0, 1, 0, 1, 0], "fold": [0, 0, 1, 1, 2, 2]},
    index=pd.Index(list("abcdef"), name="fname"),
)


def scored(model: str, scores: dict[str, float]) -> pd.DataFrame:
    """Each video scored by the engine of the fold that held it out."""
    rows = [(fname, model, FOLDS["fold"][fname], score) for fname, score in scores.items()]
    return pd.DataFrame(rows, columns=["fname", "model", "fold", "score"])


GOOD = scored("good", {"a": 0.9, "b": 0.1, "c": 0.8, "d": 0.2, "e": 0.6, "f": 0.4})
# every fold alone is in order; pooled, f beats a and c
SHIFTED = scored("shifted", {"a": 0.3, "b": 0.1, "c": 0.4, "d": 0.2, "e": 0.9, "f": 0.75})


def test_figures_are_pooled_over_the_folds() -> None:
    metrics = held_out_metrics(pd.concat([GOOD, SHIFTED]), FOLDS, {})
    assert metrics["models"]["good"] == {
        "eer": pytest.approx(0, abs=1e-9),
        "auc": 1,
        "videos": 6,
        "live": 3,
        "spoof": 3,
    }
    assert metrics["models"]["shifted"]["auc"] == pytest.approx(7 / 9)
    assert metrics["models"]["shifted"]["eer"] == pytest.approx(1 / 3)


def test_the_blend_uses_its_weights() -> None:
    scores = pd.concat([GOOD, SHIFTED])
    only = {"shifted": {0: 1.0, 1: 1.0, 2: 1.0}}
    metrics = held_out_metrics(scores, FOLDS, only)
    assert metrics["blend"] == metrics["models"]["shifted"]
    # the means are a .6, c .6, e .75 against b .1, d .2, f .575
    assert held_out_metrics(scores, FOLDS, {})["blend"]["auc"] == 1


def test_a_model_of_some_folds_has_figures_for_these() -> None:
    some = SHIFTED[SHIFTED["fold"] < 2]
    metrics = held_out_metrics(pd.concat([GOOD, some]), FOLDS, {})
    assert metrics["models"]["shifted"]["videos"] == 4
    assert metrics["models"]["shifted"]["auc"] == 1
    assert metrics["models"]["good"]["videos"] == metrics["blend"]["videos"] == 6


def test_scores_for_training_videos_are_refused() -> None:
    for planted in ({"fold": [1]}, {"fname": ["unknown.mp4"]}):
        leak = GOOD.iloc[:1].assign(**planted)
        with pytest.raises(ValueError, match="scored by an engine that saw it"):
            held_out_metrics(pd.concat([GOOD.iloc[1:], leak]), FOLDS, {})
