"""Labels that are likely wrong, by confident learning (Northcutt et al. 2021) with cleanlab."""

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues


def doubtful_labels(videos: pd.DataFrame) -> pd.DataFrame:
    """The videos whose label is likely wrong, the likeliest first, with `confidence`: the probability that
    the blend gives to the label.

    `videos` has liveness_score and score, the held-out probability of live, by fname. A label is doubted
    where the score speaks for the other class as much as it usually does for videos of that class, so that a
    blend which is always too sure doubts no more than another.
    """
    labels, live = videos["liveness_score"].to_numpy(), videos["score"].to_numpy()
    probabilities = np.stack([1 - live, live], axis=1)
    # one process: there are two classes, and videos, not frames
    found = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return videos.assign(confidence=probabilities[np.arange(len(labels)), labels]).iloc[found]
