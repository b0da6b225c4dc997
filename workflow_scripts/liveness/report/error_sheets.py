"""Sheets of the held-out videos that were judged worst, with what each model saw in them."""

import logging
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from liveness.evaluation.error_analysis import describe_video, spread_frames, telling_frames
from liveness.models.checkpoint import load_checkpoint
from liveness.report.grad_cam import explained
from liveness.report.html_pages import Card, contact_sheet, page, paragraph
from liveness.runtime.errors import InputError
from liveness.video.frame_store import FrameStore

logger = logging.getLogger(__name__)
# stored frames of each video
FRAMES = 4

Pictures = dict[str, dict[str, np.ndarray]]


def error_pictures(
    store: FrameStore,
    labels: Mapping[str, int],
    frame_scores: pd.DataFrame,
    weights: Mapping[tuple[str, int], str],
    models: Mapping[str, Mapping[str, object]],
) -> Pictures:
    """Return frames of each video, and Grad-CAM evidence from the model's most wrong frame.

    `labels` names the videos; `weights` has the checkpoint of each model and fold, and `models` the
    architecture and image_size. Pictures are uint8 RGB [H, W, 3] by fname and caption. A model
    whose architecture has no feature maps is logged and gives none.
    """
    pictures = {fname: spread_frames(store, fname, FRAMES) for fname in labels}
    for name, model in models.items():
        telling = telling_frames(frame_scores[frame_scores["model"] == name], labels)
        for fold, frames in telling.groupby("fold"):
            checkpoint = load_checkpoint(weights[name, int(str(fold))], **model)  # type: ignore[arg-type]
            try:
                for fname, caption, picture in explained(checkpoint, name, frames, labels, store):
                    pictures[fname][caption] = picture
            except InputError as error:
                logger.warning("no heat maps of %s: %s", name, error)
    return pictures


def error_sheet(
    title: str, verdict: str, verdicts: pd.Series, shown: pd.DataFrame, pictures: Pictures
) -> str:
    """Return a page of judged videos (see `error_analysis.judged`), the worst first.

    `verdicts` are those of all videos of the class, and `verdict` is the wrong one.
    """
    wrong = int((verdicts == verdict).sum())
    note = (
        f"{wrong} of {len(verdicts)} were misclassified, worst first. "
        "Heat maps show the evidence against the label."
    )
    return page(title, paragraph(note), contact_sheet(_cards(shown, verdict, pictures)))


def _cards(shown: pd.DataFrame, verdict: str, pictures: Pictures) -> Iterable[Card]:
    for fname, video in shown.iterrows():
        highlighted = verdict if video["verdict"] == verdict else ""
        yield Card(str(fname), describe_video(video), pictures[str(fname)], highlighted)
