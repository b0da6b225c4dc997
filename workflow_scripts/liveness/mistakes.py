"""The held-out videos that the blend is most wrong about."""

import pandas as pd

FALSE_ACCEPT, FALSE_REJECT = "false accept", "false reject"


def worst_mistakes(videos: pd.DataFrame, count: int) -> pd.DataFrame:
    """Up to `count` false accepts, then up to `count` false rejects, the worst of each kind first.

    `videos` has liveness_score, score, threshold by fname; a column `mistake` is added. How bad it is is the
    score's distance to the threshold of the video's own fold.
    """
    margin = videos["score"] - videos["threshold"]
    live = videos["liveness_score"] == 1
    accepts = margin[~live & (margin >= 0)].nlargest(count).index
    rejects = margin[live & (margin < 0)].nsmallest(count).index
    kinds = [FALSE_ACCEPT] * len(accepts) + [FALSE_REJECT] * len(rejects)
    return videos.loc[[*accepts, *rejects]].assign(mistake=kinds)


def telling_frames(frame_scores: pd.DataFrame, mistakes: pd.DataFrame) -> pd.DataFrame:
    """The frame of each mistaken video that one model is most wrong about: fold, index, score by fname.

    `frame_scores` are that model's (fname, fold, index, score); what it has not scored is left out.
    """
    own = frame_scores[frame_scores["fname"].isin(mistakes.index)]
    accepted = mistakes["mistake"].loc[own["fname"]].to_numpy() == FALSE_ACCEPT
    wrong = own["score"].where(accepted, -own["score"])
    chosen = own.loc[wrong.groupby(own["fname"]).idxmax()].set_index("fname")
    return chosen.loc[[name for name in mistakes.index if name in chosen.index], ["fold", "index", "score"]]
