"""The content of metrics.json, against scikit-learn and against rates of single tables."""

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from held_out_scores import make_folds, make_scores
from liveness.ensemble.blend import fit_blend, held_out
from liveness.ensemble.recipe import BlendRecipe
from liveness.evaluation.held_out_metrics import held_out_metrics
from liveness.evaluation.rates import held_out_rates

FOLDS = make_folds().assign(attack="")
SCORES = make_scores(FOLDS, {"strong": 3.0, "weak": 1.0})
RECIPE = BlendRecipe("mean")
BLEND = fit_blend(SCORES, FOLDS, RECIPE)
BLENDED = held_out(SCORES, FOLDS, RECIPE)
DIVISIONS = pd.DataFrame({"source": FOLDS["fold"].map("camera {}".format)})


def test_models_and_blend() -> None:
    metrics = held_out_metrics(SCORES, FOLDS, BLEND, BLENDED, RECIPE, 0, DIVISIONS)
    assert set(metrics["models"]) == {"strong", "weak"}
    for name, rates in metrics["models"].items():
        own = SCORES[SCORES["model"] == name].set_index("fname")["score"]
        truth = FOLDS["liveness_score"].loc[own.index]
        assert rates["auc"] == pytest.approx(roc_auc_score(truth, own))
    about = FOLDS[["liveness_score", "group", "attack"]]
    assert held_out_rates(BLENDED.join(about), 0).items() <= metrics["blend"].items()
    assert metrics["blend"]["scored"] == metrics["blend"]["complete"] == len(FOLDS)
    sources = metrics["by"]["source"]["values"]
    assert list(sources) == ["camera 0", "camera 1", "camera 2", "camera 3"]
    assert all(rates["unseen"] for rates in sources.values())
    assert sum(rates["live"] for rates in sources.values()) == metrics["blend"]["live"]
    assert metrics["threshold"] == {"criterion": "eer", "value": BLEND.threshold}


def test_single_frames_on_request() -> None:
    frames = pd.concat([SCORES.assign(index=0), SCORES.assign(index=1)])
    metrics = held_out_metrics(SCORES, FOLDS, BLEND, BLENDED, RECIPE, 0, DIVISIONS, frames)
    for rates in metrics["models"].values():
        assert rates["frame_level"]["videos"] == 2 * rates["videos"]
        # each frame twice: the same curve
        assert rates["frame_level"]["eer"] == pytest.approx(rates["eer"])
    plain = held_out_metrics(SCORES, FOLDS, BLEND, BLENDED, RECIPE, 0, DIVISIONS)
    assert all("frame_level" not in rates for rates in plain["models"].values())


def test_a_score_of_an_engine_that_saw_the_video_is_refused() -> None:
    wrong = SCORES.assign(fold=(SCORES["fold"] + 1) % 4)
    with pytest.raises(ValueError, match="scored by an engine that saw it"):
        held_out_metrics(wrong, FOLDS, BLEND, BLENDED, RECIPE, 0, DIVISIONS)
