"""Detection of label errors by confident learning (Northcutt et al. 2021) with cleanlab."""

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues


def doubtful_labels(videos: pd.DataFrame) -> pd.DataFrame:
    """Return the videos whose labels are probably wrong, most suspicious first.

    `videos` has liveness_score and score, the held-out probability of live, by fname. The column
    `confidence` is added: the blend's probability of the given label. A label is flagged if the
    score favours the other class at least as much as it does on average for videos of that class,
    so that overconfident blends do not flag more labels.
    """
    labels, live = videos["liveness_score"].to_numpy(), videos["score"].to_numpy()
    probabilities = np.stack([1 - live, live], axis=1)
    # one process is enough for two classes and videos instead of frames
    found = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return videos.assign(confidence=probabilities[np.arange(len(labels)), labels]).iloc[found]
