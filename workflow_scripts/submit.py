"""Blend the frame scores into one score per video, and write the requested rows."""

import logging

from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.dataset.file_names import as_listed
from liveness.dataset.labels import read_names
from liveness.ensemble.aggregation import Aggregation, read_video_scores
from liveness.ensemble.blend import given_blend, read_blend
from liveness.ensemble.recipe import BlendRecipe
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.scoring.shard_files import SCORES_FILE, VIDEOS_FILE, of_each
from liveness.scoring.submission import submission_rows
from liveness.scoring.timing import read_videos, times
from liveness.storage.natural_order import natural_order

snakemake: Snakemake

start_log(snakemake.log[0])
params = snakemake.params
recipe = BlendRecipe(**params.ensemble)
blend = read_blend(snakemake.input.blend[0]) if snakemake.input.blend else given_blend(recipe)
scores = read_video_scores(of_each(snakemake.input.scores, SCORES_FILE), Aggregation(**params.aggregate))
videos = read_videos(of_each(snakemake.input.scores, VIDEOS_FILE))
asked = read_names(snakemake.input.rows[0]) if snakemake.input.rows else natural_order(videos.index)
# the submission keeps the names that its sample has
rows = as_listed(asked, videos.index)
submission, unreadable = submission_rows(
    rows,
    blend(scores),
    {str(fname): problem for fname, problem in videos["problem"].items() if problem},
    params.fallback_score,
    params.max_unreadable,
)
for fname, reason in unreadable.itertuples(index=False):
    logging.warning("%s cannot be read (%s); its score is %g", fname, reason, params.fallback_score)
with atomic_write(snakemake.output.submission) as path:
    write_csv(submission.assign(fname=asked), path)
with atomic_write(snakemake.output.unreadable) as path:
    write_csv(unreadable, path)
with atomic_write(snakemake.output.times) as path:
    write_csv(times(rows, videos).assign(fname=asked), path)
