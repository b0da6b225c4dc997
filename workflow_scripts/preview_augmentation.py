"""Show training frames, and what augmentation makes of them."""

from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import labels_by_name, read_folds
from liveness.report.augmentation_sheet import choose, middle_frames, sheet
from liveness.report.html_pages import contact_sheet, page, paragraph
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.settings.training import Augmentation
from liveness.video.frame_subset import frame_subset

snakemake: Snakemake

LIVE, SPOOF = 4, 3
NOTE = (
    "Frames as stored, as training sees them, and by kind of recapture (of live frames, whose label then "
    "changes) and of degradation. The kinds are shown whether or not they are switched on."
)

start_log(snakemake.log[0])
params = snakemake.params
labels = labels_by_name(read_folds(snakemake.input.folds))
chosen = choose(labels, {1: LIVE, 0: SPOOF})
with frame_subset(
    chosen, snakemake.input.manifests, params.videos, params.frames, snakemake.threads
) as store:
    cards = sheet(middle_frames(store, chosen), Augmentation(**params.augmentation), params.seed)
with atomic_write(snakemake.output[0]) as path:
    path.write_text(page("Augmentation", paragraph(NOTE), contact_sheet(cards)), encoding="utf-8")
