"""Sheets of the held-out videos that were judged worst: attacks taken for live, and live ones for attacks."""

from liveness.blend import read_held_out
from liveness.frames import FrameStore
from liveness.judgements import judged, sheet, worst
from liveness.labels import read_folds, with_attacks
from liveness.log import start_log
from liveness.outputs import whole
from liveness.pages import contact_sheet, page, paragraph

VIDEOS = 24
FRAMES = 4

start_log(snakemake.log[0])
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
videos = judged(read_held_out(snakemake.input.held_out), folds)
store = FrameStore(snakemake.input.frames)
for label, name, title in (
    (0, "accepts", "Attacks that look most live"),
    (1, "rejects", "Live videos that look most like attacks"),
):
    wrong = videos.loc[videos["liveness_score"] == label, "wrong"]
    note = f"{wrong.sum()} of {len(wrong)} were judged wrong; the worst first."
    cards = sheet(worst(videos, label, VIDEOS), store, FRAMES)
    with whole(snakemake.output[name]) as path:
        path.write_text(page(title, paragraph(note), contact_sheet(cards)), encoding="utf-8")
