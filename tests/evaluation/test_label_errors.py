"""Confident learning on labels, some of which were flipped on purpose."""

import numpy as np
import pandas as pd

from held_out_scores import make_folds, make_scores
from liveness.evaluation.label_errors import doubtful_labels

FOLDS = make_folds(videos=300)
SCORES = make_scores(FOLDS, {"m": 6.0}).set_index("fname")[["score"]]


def test_flipped_labels_are_found_most_suspicious_first() -> None:
    wrong = FOLDS.index[:12]
    labels = FOLDS["liveness_score"].copy()
    labels[wrong] = 1 - labels[wrong]
    found = doubtful_labels(SCORES.join(labels))
    assert len(set(found.index) & set(wrong)) >= 10
    assert len(found) <= 20
    assert found["confidence"].is_monotonic_increasing
    np.testing.assert_allclose(
        found["confidence"], np.where(found["liveness_score"] == 1, found["score"], 1 - found["score"])
    )


def test_scores_without_errors_flag_no_label() -> None:
    labels = FOLDS["liveness_score"]
    sure = pd.DataFrame({"score": np.where(labels == 1, 0.9, 0.1), "liveness_score": labels}, FOLDS.index)
    assert doubtful_labels(sure).empty
