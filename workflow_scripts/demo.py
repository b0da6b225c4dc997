"""Generate the demo's videos: people in front of a camera, live and replayed or printed."""

from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.demo.dataset import make_split
from liveness.runtime.job_log import start_log

snakemake: Snakemake

# Not the configuration's seed: another one for training should not change the videos.
SEED = 7

start_log(snakemake.log[0])
output = snakemake.output
for videos, labels, people in (
    (output.train_videos, output.train_labels, range(10)),
    (output.test_videos, output.test_answers, range(10, 14)),
):
    make_split(Path(videos), Path(labels), people, pairs=2, seed=SEED, workers=snakemake.threads)
